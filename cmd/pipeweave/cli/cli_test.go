package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/internal/cliutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is an output that a server may write to while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// shell runs commands of the program with an environment of its own.
type shell struct {
	t   testing.TB
	env map[string]string
}

func newShell(t testing.TB) *shell {
	t.Helper()
	return &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": filepath.Join(t.TempDir(), "state")}}
}

func (s *shell) deps(stdin string, out, errs io.Writer) *deps {
	transport := &http.Transport{DisableKeepAlives: true} // nothing is left behind
	return &deps{
		Streams: cliutil.Streams{
			In: strings.NewReader(stdin), Out: out, Err: errs,
			Getenv: func(name string) string { return s.env[name] },
		},
		now: time.Now, http: &http.Client{Transport: transport},
	}
}

// run runs one command to its end.
func (s *shell) run(args ...string) (code int, out, errs string) {
	s.t.Helper()
	return s.runWith("", args...)
}

func (s *shell) runWith(stdin string, args ...string) (code int, out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(s.t.Context(), args, s.deps(stdin, &stdout, &stderr))
	return code, stdout.String(), stderr.String()
}

// serve starts a server and returns its address, its output and a function
// that stops it and returns its exit code.
func (s *shell) serve(args ...string) (url string, out *buffer, log *buffer, stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	out, log = &buffer{}, &buffer{}
	d := s.deps("", out, log)
	served := make(chan string, 1)
	d.served = func(url string) { served <- url }
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), d) }()
	stop = sync.OnceValue(func() int { cancel(); return <-ended })
	s.t.Cleanup(func() { stop() })
	select {
	case url = <-served:
	case code := <-ended:
		ended <- code
		s.t.Fatalf("serve ended with %d: %s", code, log)
	}
	return url, out, log, stop
}

// until waits for what a server does in its own time.
func (s *shell) until(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !reached(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in half a minute", what)
		}
	}
}

// TestConnect: a token goes to the server it belongs to, and to no other.
func TestConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000", true},
		{"http://localhost:3000/", "http://127.0.0.1:3000", true},
		{"http://localhost:3001", "http://127.0.0.1:3000", false},
		{"https://localhost:3000", "http://127.0.0.1:3000", false},
		{"http://evil.test:3000", "http://127.0.0.1:3000", false},
		{"http://127.0.0.1:3000", "", false},
	} {
		if got := sameServer(test.a, test.b); got != test.want {
			t.Errorf("%s and %s: got %v, want %v", test.a, test.b, got, test.want)
		}
	}
	s := newShell(t)
	if code, _, errs := s.run("services", "-u", "ftp://h"); code != cliutil.ExitUsage || !strings.Contains(errs, "not an http or https address") {
		t.Errorf("got %d %s", code, errs)
	}
	if code, _, errs := s.run("services", "-u", "http://127.0.0.1:1"); code != cliutil.ExitNotRunning {
		t.Errorf("nobody there: got %d %s", code, errs)
	}
	if code, _, errs := s.run("services", "-u", "http://127.0.0.1:1", "--token-file", "/does/not/exist"); code != cliutil.ExitAuth {
		t.Errorf("no token file: got %d %s", code, errs)
	}
}

// TestHelp: every command explains itself, and the bare program does not start
// a server.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, out, _ := s.run(); code != 0 || !strings.Contains(out, "Next: pipeweave serve") {
		t.Errorf("no arguments: got %d %s", code, out)
	}
	if code, out, _ := s.run("--version"); code != 0 || !strings.HasPrefix(out, "pipeweave ") {
		t.Errorf("--version: got %d %s", code, out)
	}
	if code, _, _ := s.run("nonsense"); code != cliutil.ExitUsage {
		t.Errorf("unknown command: got %d", code)
	}
	if code, out, _ := s.run("db:status", "--help"); code != 0 || !strings.Contains(out, "pipeweave db status") {
		t.Errorf("colon form: got %d %s", code, out)
	}
	var walk func(path ...string)
	walk = func(path ...string) {
		code, out, errs := s.run(append(path, "--help")...)
		if code != 0 || out == "" || errs != "" {
			t.Errorf("%v --help: got %d %q %q", path, code, out, errs)
		}
		cmd, _, err := newRootCmd(s.deps("", io.Discard, io.Discard)).Find(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(append(path[:len(path):len(path)], sub.Name())...)
			}
		}
	}
	walk()
}
