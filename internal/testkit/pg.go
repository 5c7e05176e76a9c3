package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

type cluster struct {
	dir     string
	process *os.Process
	ended   chan struct{}
	log     *lockedBuffer
	mu      sync.Mutex
	made    int

	templates map[string]bool
}

const startWithin = 30 * time.Second

func startCluster() (_ *cluster, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	user, err := serverUser()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pipedai-pg-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	if err := user.own(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = user.attr()
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}

	c := &cluster{dir: dir, ended: make(chan struct{}), log: &lockedBuffer{}, templates: map[string]bool{}}
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
		"-c", "max_wal_size=256MB", "-c", "timezone=UTC")
	cmd.Dir = dir
	cmd.SysProcAttr = user.attr()
	cmd.Stdout, cmd.Stderr = c.log, c.log
	started := make(chan error, 1)
	go func() {
		defer close(c.ended)
		// The kernel sends the parent-death signal when the thread that started
		// the server ends, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := c.ready(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// ready waits until the server answers.
func (c *cluster) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			return fmt.Errorf("the server ended:\n%s", c.log)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w\n%s", err, c.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server at once (there is nothing to keep) and removes it.
func (c *cluster) stop() {
	_ = interruptServer(c.process)
	select {
	case <-c.ended:
	case <-time.After(10 * time.Second):
		_ = c.process.Kill()
		<-c.ended
	}
	_ = os.RemoveAll(c.dir)
}

func (c *cluster) dsn(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s sslmode=disable", c.dir, database)
}

// create makes a database like template, which prepare makes when there is
// none yet. One at a time: a template must have no connection while it is
// copied.
func (c *cluster) create(ctx context.Context, template string, prepare func(dsn string) error) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if prepare != nil && !c.templates[template] {
		if err := c.exec(ctx, "create database "+template); err != nil {
			return "", err
		}
		if err := prepare(c.dsn(template)); err != nil {
			return "", fmt.Errorf("prepare %s: %w", template, err)
		}
		c.templates[template] = true
	}
	c.made++
	name := fmt.Sprintf("test_%d", c.made)
	return name, c.exec(ctx, "create database "+name+" template "+template)
}

func (c *cluster) drop(name string) error {
	return c.exec(context.Background(), "drop database "+name+" with (force)")
}

func (c *cluster) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.dsn("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(context.Background()))
}

// postgresBin finds the newest installed server.
func postgresBin() (string, error) {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/usr/pgsql-*/bin",                     // Fedora, RHEL
		"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
		"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
	} {
		found, _ := filepath.Glob(pattern) // only a bad pattern fails
		dirs = append(dirs, found...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if has(dir, "initdb") && has(dir, "postgres") {
			return dir, nil
		}
	}
	install := "sudo apt-get install -y postgresql"
	if runtime.GOOS == "darwin" {
		install = "brew install postgresql@17"
	}
	return "", fmt.Errorf("no PostgreSQL server is installed; these tests need one: %s", install)
}

func has(dir, program string) bool {
	info, err := os.Stat(filepath.Join(dir, program))
	return err == nil && !info.IsDir()
}

// version is the number in a folder's path.
func version(dir string) int {
	digits := strings.FieldsFunc(dir, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[0])
	return n
}

// lockedBuffer collects what the server says.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
