package testkit

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"pipedai/internal/pgserver"
)

// Postgres returns the DSN of a new, empty database in a PostgreSQL cluster
// that belongs to this test binary: started from the installed server on first
// use, reached by a Unix socket in a folder of its own, without fsync. The
// database goes when the test ends. Without an installed server the test
// fails, and says what to install.
//
// The cluster stops when no test uses it any more; a TestMain that returns
// Main(m) keeps it for the whole binary. Should the binary be killed, the
// cluster dies with it (on Linux).
func Postgres(t testing.TB) (dsn string) {
	t.Helper()
	return database(t, "template1", nil)
}

// PostgresLike is Postgres with a copy of a database that prepare filled. It
// runs once per name and cluster; preparing a schema costs more than a copy.
func PostgresLike(t testing.TB, name string, prepare func(dsn string) error) (dsn string) {
	t.Helper()
	return database(t, "like_"+name, prepare)
}

func database(t testing.TB, template string, prepare func(dsn string) error) string {
	t.Helper()
	c, err := shared.acquire()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name, err := c.create(t.Context(), template, prepare)
	if err != nil {
		shared.release()
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		defer shared.release()
		if err := c.drop(name); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return c.dsn(name)
}

// Main runs the tests of a package and keeps the cluster until they ended:
//
//	func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }
func Main(m *testing.M) int {
	shared.hold()
	defer shared.release()
	return m.Run()
}

// shared is the cluster of this binary: package state, because the binary is
// what the cluster belongs to.
var shared holder

type holder struct {
	mu    sync.Mutex
	users int
	c     *cluster
	err   error
}

func (h *holder) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users++
}

func (h *holder) acquire() (*cluster, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.c == nil && h.err == nil {
		h.c, h.err = startCluster()
	}
	if h.err != nil {
		return nil, h.err
	}
	h.users++
	return h.c, nil
}

func (h *holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users--
	if h.users == 0 && h.c != nil {
		h.c.stop()
		h.c = nil
	}
}

// cluster is a server and the databases that were prepared to be copied.
type cluster struct {
	server *pgserver.Server

	mu        sync.Mutex
	made      int
	templates map[string]bool
}

func startCluster() (*cluster, error) {
	server, err := pgserver.Start(pgserver.Options{})
	if err != nil {
		return nil, err
	}
	return &cluster{server: server, templates: map[string]bool{}}, nil
}

func (c *cluster) stop() { c.server.Stop() }

func (c *cluster) dsn(database string) string { return c.server.DSN(database) }

// create makes a database like template, which prepare makes when there is
// none yet. One at a time: a template must have no connection while it is
// copied.
func (c *cluster) create(ctx context.Context, template string, prepare func(dsn string) error) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if prepare != nil && !c.templates[template] {
		if err := c.server.Exec(ctx, "create database "+template); err != nil {
			return "", err
		}
		if err := prepare(c.dsn(template)); err != nil {
			return "", fmt.Errorf("prepare %s: %w", template, err)
		}
		c.templates[template] = true
	}
	c.made++
	name := fmt.Sprintf("test_%d", c.made)
	return name, c.server.Exec(ctx, "create database "+name+" template "+template)
}

func (c *cluster) drop(name string) error {
	return c.server.Exec(context.Background(), "drop database "+name+" with (force)")
}
