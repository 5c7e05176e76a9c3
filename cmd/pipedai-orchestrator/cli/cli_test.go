package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/daemon/osservice"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
)

// stubborn is the label of a worker that does not end when it is asked to.
const stubborn = "stubborn"

// counter is the label of one that writes numbered lines without end.
const counter = "counter"

// The test binary is also the worker program.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "--version":
		fmt.Println("pipedai-worker 1.2.3")
		return
	case len(os.Args) == 4 && os.Args[1] == "run" && os.Args[2] == "--config":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		if strings.Contains(os.Args[3], stubborn) {
			stop = nil
		}
		fmt.Println("worker is up")
		if strings.Contains(os.Args[3], counter) {
			count(stop)
		}
		<-stop
		return
	}
	goleak.VerifyTestMain(m)
}

// count writes a line every millisecond until it is told to stop.
func count(stop <-chan os.Signal) {
	each := time.NewTicker(time.Millisecond)
	for n := 0; ; n++ {
		fmt.Printf("n %d\n", n)
		select {
		case <-stop:
			os.Exit(0)
		case <-each.C:
		}
	}
}

// terminal is a command line in a home of its own.
type terminal struct {
	home   string
	env    map[string]string
	stdin  string
	in     io.Reader // instead of stdin
	tty    bool
	width  int // of the terminal; 0 is 80
	opened func(url string) error
	// manager is the service manager of this machine; nil is none.
	manager *fakeManager
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(t.TempDir(), "home")
	return &terminal{home: home, env: map[string]string{"PIPEDAI_HOME": home, "PIPEDAI_WORKER_PROGRAM": self}}
}

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

// result is how a command ended and what it wrote.
type result struct {
	code     int
	out, err string
}

func (tm *terminal) runTo(ctx context.Context, out, errs *buffer, args ...string) int {
	s := cliutil.Streams{
		In: strings.NewReader(tm.stdin), Out: out, Err: errs, InTTY: tm.tty, OutTTY: tm.tty, ErrTTY: tm.tty,
		Getenv: func(name string) string { return tm.env[name] },
	}
	if tm.in != nil {
		s.In = tm.in
	}
	if tm.tty {
		s.Width = cmp.Or(tm.width, 80)
	}
	d := newDeps(s)
	d.available = func(func(string) string) (system, person osservice.Kind) { return "", "" }
	if tm.manager != nil {
		d.available, d.service = tm.manager.available, tm.manager.service
	}
	d.open = func(url string) error {
		if tm.opened == nil {
			return errors.New("no browser in tests")
		}
		return tm.opened(url)
	}
	return execute(ctx, d, args)
}

func (tm *terminal) run(t *testing.T, args ...string) result {
	t.Helper()
	out, errs := &buffer{}, &buffer{}
	code := tm.runTo(t.Context(), out, errs, args...)
	return result{code, out.String(), errs.String()}
}

// want checks the exit code and that texts appear on either stream.
func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nout: %s\nerr: %s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("%q is missing\nout: %s\nerr: %s", text, r.out, r.err)
		}
	}
}

// plane is a control plane that grants what it is asked, after some answers.
type plane struct {
	*httptest.Server
	mu     sync.Mutex
	before []int // statuses that redeem answers with first
	redeem int
	keys   *api.ReleaseKeys // handed out with the credentials
	asked  chan struct{}    // a redeem came
}

func newPlane(t *testing.T, before ...int) *plane {
	t.Helper()
	p := &plane{before: before, asked: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	mux.HandleFunc("POST /api/v1/enrollments/device", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusCreated, api.DeviceStart{
			ID: "e1", DeviceCode: "the-device-code", UserCode: "WDJBMJHT", VerificationURI: p.URL + "/activate",
			VerificationURIComplete: p.URL + "/activate?code=WDJB-MJHT", Interval: 1, ExpiresIn: 600,
		})
	})
	mux.HandleFunc("POST /api/v1/enrollments/redeem", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.redeem++
		p.asked <- struct{}{}
		if len(p.before) > 0 {
			status := p.before[0]
			p.before = p.before[1:]
			message := http.StatusText(status)
			if status == http.StatusBadRequest {
				message = api.CodeAuthPending
			}
			answer(w, status, map[string]string{"error": message})
			return
		}
		answer(w, http.StatusOK, api.RedeemResult{
			WorkerID: "w1", WorkerToken: "wkt_the-worker-token", OperatorToken: "hos_the-operator-token",
			APIURL: p.URL, WorkspaceID: "ws1", EnvironmentID: "env1", AuthMode: "api_key", ReleaseKeys: p.keys,
		})
	})
	mux.HandleFunc("GET /api/v1/workspaces/ws1/workers", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.RemoteWorkers{Items: []api.RemoteWorker{{ID: "w1", Status: "online"}}})
	})
	mux.HandleFunc("GET /api/v1/workers/w1/events/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return p
}

func (p *plane) redeemed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.redeem
}

func TestRoot(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.run(t).want(t, 0, "Diagnose", "Next: pipedai-orchestrator connect")
	tm.run(t, "--help").want(t, 0, "Examples:")
	tm.run(t, "--version").want(t, 0, "pipedai-orchestrator ")
	tm.run(t, "-V").want(t, 0, "pipedai-orchestrator ")
	tm.run(t, "version").want(t, 0, "pipedai-orchestrator ")
	tm.run(t, "help", "exit-codes").want(t, 0, "130  interrupted")
	tm.run(t, "completion", "bash").want(t, 0, "__start_pipedai-orchestrator")
	for _, args := range [][]string{
		{"stattus"}, {"--nope"}, {"start", "--port", "abc"}, {"start", "--port", "70000"}, {"start", "--port", "-1"}, {"start", "box", "--port", "1"}, {"start", "--json"},
		{"start", "--stop-grace", "0s"}, {"start", "--host", "0.0.0.0"},
		{"connect", "--api-url", "api.example.com"}, {"connect", "--api-url", "http://api.example.com"}, {"connect", "--timeout", "-1s"},
		{"connect", "--token", "x", "--token-stdin"}, {"logs", "--stream", "both"}, {"logs", "w1", "-n", "0"}, {"logs", "--since", "yesterday"}, {"logs", "--regex", "--grep", "("}, {"workers", "stop"}, {"stop"}, {"stop", "--all", "box"}, {"stop", "--daemon", "box"}, {"delete"},
	} {
		r := tm.run(t, args...)
		if r.code != cliutil.ExitUsage || r.err == "" {
			t.Errorf("%q: exit code %d, %s", args, r.code, r.err)
		}
	}
	r := tm.run(t, "version", "--json")
	// An older daemon reads it before it tries this version.
	var info struct {
		Version, OS string
		Trial       int
		Manifest    struct{ Version, Least int64 }
	}
	if err := json.Unmarshal([]byte(r.out), &info); err != nil || info.Version == "" || info.OS == "" || info.Trial == 0 || info.Manifest.Least == 0 {
		t.Errorf("version --json: %s", r.out)
	}
}

func TestWithoutADaemon(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.run(t, "status").want(t, 3, "Daemon   not_installed", "connect this host")
	r := tm.run(t, "status", "--json")
	var report statusReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.State != stateNotInstalled || len(report.Health) != 1 || r.code != 3 {
		t.Errorf("status --json: %d %s", r.code, r.out)
	}
	for _, args := range [][]string{{"dashboard"}, {"workers"}, {"workers", "--json"}, {"logs", "w1"}, {"logs", "w1", "-f"}, {"workers", "stop", "w1"},
		{"list"}, {"stop", "--all"}, {"start", "w1"}, {"delete", "w1"}, {"stop", "--daemon"}} {
		tm.run(t, args...).want(t, 3, "start it: pipedai-orchestrator start")
	}
	if _, err := os.Stat(tm.home); !errors.Is(err, os.ErrNotExist) {
		t.Error("looking created the home")
	}
}

// The way of a newcomer: connect, start, look, stop.
func TestHost_wholeWay(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.stdin = "enr_code"

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return strings.Contains(out.String(), "not connected yet") })
	tm.run(t, "status").want(t, 4, "needs_login")

	tm.run(t, "connect", "--api-url", p.URL, "--token-stdin", "--label", "box").want(t, 0, "running daemon is starting its worker")
	until(t, func() bool { return strings.Contains(tm.run(t, "workers").out, "box\trunning\t") })
	until(t, func() bool { return tm.run(t, "status").code == 0 })
	tm.run(t, "status").want(t, 0, "Daemon   running", "reachable", "box")
	r := tm.run(t, "status", "--json")
	var report statusReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Workers) != 1 || report.Workers[0].Local.PID == nil {
		t.Fatalf("status --json: %s", r.out)
	}
	tm.run(t, "start", "--port", "0").want(t, 6, fmt.Sprintf("pid %d", os.Getpid()))
	tm.run(t, "dashboard").want(t, 0, report.URL+"/?token=oct_")
	tm.run(t, "dashboard", "--open").want(t, 0, report.URL+"/?token=oct_") // there is no browser
	tm.run(t, "workers").want(t, 0, "box\trunning\t")
	until(t, func() bool { return strings.Contains(tm.run(t, "logs", "box").out, "out worker is up") })
	var line api.LogLine
	if r = tm.run(t, "logs", "box", "--json", "-n", "1"); json.Unmarshal([]byte(r.out), &line) != nil || line.Line == "" {
		t.Errorf("logs --json: %s", r.out)
	}
	tm.run(t, "logs", "nobody").want(t, 1, "no worker has")

	follow, stopFollowing := context.WithCancel(t.Context())
	followed, followErr := &buffer{}, &buffer{}
	followEnded := make(chan int, 1)
	go func() { followEnded <- tm.runTo(follow, followed, followErr, "logs", "w1", "-f") }()
	until(t, func() bool { return strings.Count(followed.String(), "worker is up") == 1 })
	tm.run(t, "workers", "stop", "box").want(t, 0, "box is stopped")
	tm.run(t, "workers", "start", "w1").want(t, 0, "box is started")
	until(t, func() bool { return strings.Count(followed.String(), "worker is up") == 2 })
	stopFollowing()
	if code := <-followEnded; code != cliutil.ExitInterrupted {
		t.Errorf("logs -f ended with %d: %s", code, followErr.String())
	}

	// Its first line may be read before it counts as running.
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, "box\trunning\t") })
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d: %s", code, errs.String())
	}
	if all := out.String() + errs.String(); strings.Contains(all, "oct_") || !strings.Contains(all, "Stopping: waiting for 1 worker") {
		t.Errorf("start wrote %s", all)
	}
	tm.run(t, "status").want(t, 3, "start it: pipedai-orchestrator start")
}

func TestStart_L23_busyPort(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	newTerminal(t).run(t, "start", "--port", fmt.Sprint(localnet.Port(listener))).want(t, 6, "in use by", "--port 0")
}

func TestDashboard_opens(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return strings.Contains(out.String(), "not connected yet") })
	opened := ""
	tm2 := *tm
	tm2.opened = func(url string) error {
		opened = url
		return nil
	}
	r := tm2.run(t, "dashboard", "--open")
	r.want(t, 0, "Opening http://127.0.0.1:")
	if strings.Contains(r.out, "oct_") || !strings.Contains(opened, "/?token=oct_") {
		t.Errorf("opened %s, printed %s", opened, r.out)
	}
	cancel()
	<-ended
}

func TestHumanDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m 1s", 3 * time.Hour: "3h 0m", 49 * time.Hour: "2d 1h",
	} {
		if got := humanDuration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// until waits for something real processes do.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited in vain")
		}
	}
}
