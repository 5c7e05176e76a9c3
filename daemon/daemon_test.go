package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/internal/localnet"
	"pipedai/internal/secret"
)

var errProgram = errors.New("pipedai-worker was found nowhere")

func TestRun_secondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	first := startDaemon(t, testOptions(dir))
	pid := first.pid(t, "w1")

	err := Run(t.Context(), testOptions(dir))
	var taken *RunningError
	if !errors.As(err, &taken) || taken.PID != os.Getpid() {
		t.Fatalf("second daemon: %v, want one that names pid %d", err, os.Getpid())
	}
	if now := first.pid(t, "w1"); now != pid {
		t.Errorf("the worker's pid went from %d to %d", pid, now)
	}
	if info, err := ReadInfo(dir); err != nil || info.PID != os.Getpid() {
		t.Errorf("daemon.json: %+v, %v", info, err)
	}
}

func TestRun_busyPortTouchesNothing(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.Port = localnet.Port(taken)
	err = Run(t.Context(), o)
	var busy *localnet.BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), strconv.Itoa(o.Port)) {
		t.Fatalf("busy port: %v", err)
	}
	if _, err := os.Stat(dir.DaemonInfo()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("daemon.json was written")
	}
	if _, err := os.Stat(dir.Log("w1")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a worker was started")
	}
}

func TestRun_refusesWhatIsNotLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"0.0.0.0", "::", "192.0.2.1", "example.com"} {
		o := testOptions(newHome(t, "https://a.test"))
		o.Host = host
		if err := Run(t.Context(), o); !errors.Is(err, localnet.ErrNotLoopback) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestRun_unusableHome(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := hostdir.At(filepath.Join(path, "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), testOptions(dir)); err == nil || !strings.Contains(err.Error(), "state folder") {
		t.Errorf("error %v", err)
	}
}

func TestRun_L18_lockIsNotAPlainFile(t *testing.T) {
	t.Parallel()
	dir := newHome(t, "https://a.test")
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, dir.Lock()); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), testOptions(dir)); err == nil {
		t.Error("a link was taken for the lock")
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "keep" {
		t.Errorf("the target was touched: %q", data)
	}
}

func TestRun_missingWorkerProgramShowsInTheStatus(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	o := testOptions(newHome(t, p.URL, "w1"))
	o.WorkerProgram = filepath.Join(t.TempDir(), "no-such-worker")
	d := startDaemon(t, o)
	until(t, "the worker's error shows", func() bool {
		w := d.worker(t, "w1")
		return w.Local != nil && strings.Contains(w.Local.LastError, "no-such-worker")
	})
	self, err := d.Self(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if self.State != StateDegraded || len(self.Health) == 0 || self.Health[0].Code != "worker_program_missing" {
		t.Errorf("self %+v", self)
	}
}

func TestRun_needsLogin(t *testing.T) {
	t.Parallel()
	dir, err := hostdir.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, testOptions(dir))
	self, err := d.Self(t.Context())
	if err != nil || self.State != StateNeedsLogin {
		t.Errorf("self %+v, %v", self, err)
	}
}

func TestRun_stopsInOrder(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.WorkerEnv = append(o.WorkerEnv, drainVar+"=300ms")
	type drain struct {
		workers int
		within  time.Duration
	}
	drained := make(chan drain, 1)
	o.Draining = func(n int, within time.Duration) { drained <- drain{n, within} }
	d := startDaemon(t, o)
	long := (2 * time.Hour).Milliseconds()
	if _, err := d.ChangeWorker(t.Context(), "w1", api.WorkerSettingsChange{StopGraceMs: &long}); err != nil {
		t.Fatal(err)
	}
	pid := d.pid(t, "w1")
	counting(t, dir, "w1")

	greeted, closed := make(chan struct{}), make(chan error, 1)
	sawDraining := false
	go func() {
		first := true
		closed <- d.Events(context.Background(), 0, func(f api.LocalFrame) {
			if first {
				first = false
				close(greeted)
			}
			if f.Kind == "status" && f.Items[0].Local.Draining {
				sawDraining = true
			}
		})
	}()
	<-greeted
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	// The service manager is told how long to wait, or it would end the daemon
	// while a worker with a grace of its own still drains.
	if got, want := <-drained, (drain{1, 2 * time.Hour}); got != want {
		t.Errorf("drained %+v, want %+v", got, want)
	}
	if err := <-closed; err == nil || !strings.Contains(err.Error(), "the daemon is stopping") {
		t.Errorf("the socket closed with %v", err)
	}
	if !sawDraining {
		t.Error("nobody saw the worker drain")
	}
	if alive(pid) {
		t.Error("the worker is still there")
	}
	data, err := os.ReadFile(dir.Log("w1"))
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(data)), "done") {
		t.Errorf("the worker did not finish its run: %v", err)
	}
	if _, err := ReadInfo(dir); !errors.Is(err, ErrNoInfo) {
		t.Errorf("daemon.json is still there: %v", err)
	}
}

// The promise of the product: a daemon that dies takes no worker with it, and
// the next one goes on as if nothing had been.
func TestRun_P6_killedDaemonLosesNothing(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	child := spawnDaemon(t, dir)
	first := child.client(t, dir)
	pid := first.pid(t, "w1")
	until(t, "the worker wrote something", func() bool { return counted(t, dir, "w1") > 50 })

	if err := child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-child.ended
	if !alive(pid) {
		t.Fatal("the worker died with the daemon")
	}
	if _, err := ReadInfo(dir); err != nil {
		t.Errorf("a killed daemon leaves its word: %v", err)
	}

	before := counted(t, dir, "w1")
	second := startDaemon(t, testOptions(dir))
	if again := second.pid(t, "w1"); again != pid {
		t.Fatalf("the worker's pid went from %d to %d", pid, again)
	}
	w := second.worker(t, "w1")
	if !w.Local.Reattached || w.Local.TotalRestarts != 0 {
		t.Errorf("local status %+v", w.Local)
	}
	until(t, "lines come again", func() bool { return counted(t, dir, "w1") > before+50 })
	if _, err := second.Act(t.Context(), "w1", "stop"); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("the worker did not stop")
	}
	counted(t, dir, "w1")
	page, err := second.Logs(t.Context(), "w1", url.Values{"tail": {"5"}})
	if lines := page.Items; err != nil || len(lines) != 5 || lines[4].Line != "done" {
		t.Errorf("the last lines: %+v, %v", lines, err)
	}
}

// child is a daemon in a process of its own.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func spawnDaemon(t *testing.T, dir hostdir.Dir, env ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), self), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), roleVar+"=daemon", "PIPEDAI_HOME="+dir.Home())
	c.cmd.Env = append(c.cmd.Env, env...)
	c.cmd.Stderr = os.Stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // it is killed; that is no news
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.ended
	})
	return c
}

func (c *child) client(t *testing.T, dir hostdir.Dir) running {
	t.Helper()
	var client *localclient.Client
	until(t, "the daemon is ready", func() bool {
		info, err := ReadInfo(dir)
		if err != nil || info.PID != c.cmd.Process.Pid {
			return false
		}
		var token secret.Text
		if creds, err := enroll.LoadCredentials(dir.Credentials()); err == nil {
			token = creds.LocalToken
		}
		client = localclient.New(info.URL(), token)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		health, err := client.Health(ctx)
		return err == nil && health.Ready
	})
	return running{Client: client}
}
