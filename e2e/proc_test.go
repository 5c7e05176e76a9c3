package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that should happen soon. It
// is generous: the machine may be running other suites.
const patience = 60 * time.Second

// eventually asks until probe returns true, and fails the test when patience
// runs out. what completes the sentence "waited in vain for ...".
func eventually(t testing.TB, what string, probe func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !probe() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s in vain for %s", patience, what)
		case <-tick.C:
		}
	}
}

// buffer is a bytes.Buffer for a writer and readers at once.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// proc is one started program.
type proc struct {
	name string
	cmd  *exec.Cmd
	out  *buffer
	err  *buffer
	done chan struct{}
	code int // valid after done; -1 for a signal
}

// start runs a program of bin in a process group of its own. It is killed, and
// its output shown, when the test ends without having stopped it.
func start(t testing.TB, env []string, name string, args ...string) *proc {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = env
	cmd.Dir = t.TempDir()
	return startCmd(t, cmd, name+" "+strings.Join(args, " "))
}

// startCmd is start for any command.
func startCmd(t testing.TB, cmd *exec.Cmd, name string) *proc {
	t.Helper()
	p := &proc{name: name, cmd: cmd, out: &buffer{}, err: &buffer{}, done: make(chan struct{})}
	p.cmd.Stdout = p.out
	p.cmd.Stderr = p.err
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A process that inherited the pipes must not hold up the end of the test.
	p.cmd.WaitDelay = 2 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill(t, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", name, tail(p.out.String()), tail(p.err.String()))
		}
	})
	return p
}

func tail(text string) string {
	const most = 6000
	if len(text) > most {
		return "...\n" + text[len(text)-most:]
	}
	return text
}

func (p *proc) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// says waits until the program printed some words.
func (p *proc) says(t testing.TB, words string) {
	t.Helper()
	eventually(t, p.name+" to say "+words, func() bool {
		said := strings.Contains(p.out.String(), words)
		if !said && !p.running() {
			t.Fatalf("%s ended with exit code %d before it said %q\n%s", p.name, p.wait(t), words, tail(p.out.String()+p.err.String()))
		}
		return said
	})
}

// kill sends a signal and, for SIGKILL, waits for the end.
func (p *proc) kill(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if !p.running() {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	if sig == syscall.SIGKILL {
		<-p.done
	}
}

// wait returns the exit code of a program that should end by itself.
func (p *proc) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(patience):
		t.Fatalf("%s did not end within %s\nstdout:\n%s\nstderr:\n%s", p.name, patience, tail(p.out.String()), tail(p.err.String()))
		return -1
	}
}

// stop asks the program to end and wants it to do so with exit code 0.
func (p *proc) stop(t testing.TB) {
	t.Helper()
	if !p.running() {
		return
	}
	p.kill(t, syscall.SIGTERM)
	if code := p.wait(t); code != 0 {
		t.Errorf("%s ended with exit code %d after SIGTERM, want 0\n%s", p.name, code, tail(p.err.String()))
	}
}

// result is what a program that ran to its end left.
type result struct {
	code     int
	out, err string
}

// both is everything a person would have seen.
func (r result) both() string { return r.out + r.err }

// call runs a program of bin to its end.
func call(t testing.TB, env []string, name string, args ...string) result {
	t.Helper()
	p := start(t, env, name, args...)
	code := p.wait(t)
	return result{code, p.out.String(), p.err.String()}
}

// must is call for what has to succeed.
func must(t testing.TB, env []string, name string, args ...string) result {
	t.Helper()
	r := call(t, env, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s: exit code %d\nstdout:\n%s\nstderr:\n%s", name, strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r
}

// baseEnv is the environment of every program: nothing of the person's own.
func baseEnv(home string, more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "NO_COLOR=1",
		"GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=10",
	}, more...)
}

// lastPort counts what freePort handed out, from somewhere else in each process.
var lastPort = func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(int64(os.Getpid()) * 16)
	return n
}()

// freePort returns a port nothing listens on, and another one at each call. It
// lies below those that systems hand out by themselves: a program that is ended
// and started again finds it as free as before.
func freePort(t testing.TB) int {
	t.Helper()
	const first, ports = 20_000, 12_000
	for range ports {
		port := first + int(lastPort.Add(1)%ports)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// request sends a request and decodes the JSON answer into out, if out is not
// nil. It returns the status, 0 when the server was not reached.
func request(t testing.TB, method, url, token string, body, out any) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(data, out); err != nil {
			t.Fatalf("%s %s: not the JSON expected: %v\n%s", method, url, err, data)
		}
	}
	return resp.StatusCode, string(data)
}

// get is request for reads that must succeed.
func get(t testing.TB, url, token string, out any) {
	t.Helper()
	if status, body := request(t, http.MethodGet, url, token, nil, out); status != http.StatusOK {
		t.Fatalf("GET %s: status %d: %s", url, status, body)
	}
}

// alive reports whether a process runs one of our programs. A process that
// has ended but was not waited for by its parent does not count.
func alive(pid int) bool {
	return slices.ContainsFunc(ours(), func(p process) bool { return p.pid == pid })
}

func at(port int, path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }
