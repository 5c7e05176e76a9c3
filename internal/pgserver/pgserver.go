package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/internal/childproc"
)

// prefix begins the name of a cluster's folder; the process it is for follows.
const prefix = "pipedai-pg-"

// Options are how a cluster is started. The zero value is what tests want:
// fast, and gone after a power cut.
type Options struct {
	// Durable has commits reach the disk before they are answered, as a server
	// does that holds something of value.
	Durable bool
	// Settings are further server settings, each "name=value".
	Settings []string
}

// home is the folder that the cluster gets its own folder in; "" is the one
// for temporary files.
func (o Options) home() string {
	if o.Durable || os.TempDir() != "/tmp" { // a person chose where
		return ""
	}
	return inMemory()
}

// Shutdown is how a server is asked to end.
type Shutdown int

const (
	// Fast ends connections and leaves nothing to recover.
	Fast Shutdown = iota
	// Immediate ends like a crash: the next start recovers from the log.
	Immediate
)

// Server is a running cluster. Stop it.
type Server struct {
	dir  string
	bin  string
	args []string
	user account
	log  *childproc.Output

	process *childproc.Process
}

const startWithin = 30 * time.Second

// Start makes a cluster in a folder of its own and waits until it answers.
// Should this process be killed, the server dies with it (on Linux).
func Start(o Options) (_ *Server, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	user, err := serverUser()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.home(), fmt.Sprintf("%s%d-", prefix, os.Getpid()))
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

	s := &Server{dir: dir, bin: bin, user: user, log: &childproc.Output{}, args: []string{"-D", data, "-k", dir, "-h", "",
		"-c", "max_connections=200", "-c", "timezone=UTC"}}
	settings := []string{"fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_wal_size=256MB"}
	if o.Durable {
		settings = []string{"fsync=on", "synchronous_commit=on"}
	}
	for _, setting := range append(settings, o.Settings...) {
		s.args = append(s.args, "-c", setting)
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) start() error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), s.args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.user.attr()
	cmd.Stdout, cmd.Stderr = s.log, s.log
	process, err := childproc.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		return err
	}
	s.process = process
	if err := s.ready(); err != nil {
		s.end(Immediate)
		return err
	}
	return nil
}

// ready waits until the server answers.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.process.Ended():
			return fmt.Errorf("the server ended:\n%s", s.log)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w\n%s", err, s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Restart ends the server in one of its ways and starts it again on what it
// left. It returns when the server answers.
func (s *Server) Restart(how Shutdown) error {
	s.end(how)
	return s.start()
}

// Halt ends the server in one of its ways and keeps what it holds; Restart
// brings it back.
func (s *Server) Halt(how Shutdown) { s.end(how) }

// Stop ends the server at once (there is nothing to keep) and removes it.
func (s *Server) Stop() {
	s.end(Immediate)
	_ = os.RemoveAll(s.dir)
}

func (s *Server) end(how Shutdown) {
	_ = stopSignal(s.process.Process, how)
	s.process.Await(10 * time.Second)
}

// DSN is the address of a database in keyword form.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s sslmode=disable", s.dir, database)
}

// URL is the address of a database as people write it.
func (s *Server) URL(database string) string {
	address := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "sslmode": {"disable"}}.Encode()}
	return address.String()
}

// Exec runs one statement in the database postgres.
func (s *Server) Exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(context.Background()))
}

// PID is the process of the server; after Restart it is another.
func (s *Server) PID() int { return s.process.Pid }

// Dir is the folder of the cluster and of its socket.
func (s *Server) Dir() string { return s.dir }

// Version is what the server calls itself.
func (s *Server) Version() string {
	out, err := exec.Command(filepath.Join(s.bin, "postgres"), "--version").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Log is what the server said so far.
func (s *Server) Log() *childproc.Output { return s.log }
