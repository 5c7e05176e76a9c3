package localapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/daemon/localapi/localclient"
	"pipedai/internal/httpkit"
	"pipedai/internal/localnet"
	"pipedai/internal/secret"
	"pipedai/internal/workerlog"
)

// After a body that was too large net/http keeps the connection for half a
// second, so that the answer is seen; that may outlast the last test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const testToken = secret.Text("oct_the-token-of-this-very-installation-000000")

// fakeBackend manages one worker, w1, and remembers what it was asked to do.
type fakeBackend struct {
	logs string // folder

	mu       sync.Mutex
	starting bool
	acts     []string
	reloads  []api.ReloadRequest
	broken   error
}

func (b *fakeBackend) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.starting
}

func (b *fakeBackend) Workers(context.Context) ([]api.FusedWorker, error) {
	return []api.FusedWorker{{ID: "w1", Label: "build-box", Mode: "workspace", DesiredState: "enabled", Local: &api.LocalStatus{ID: "w1", State: "running", MemoryBytes: new(int64(4096)), CPUSeconds: new(1.5)}}}, b.broken
}

func (b *fakeBackend) Act(_ context.Context, id string, req ActRequest) (api.ActionResult, error) {
	verb := string(req.Verb)
	if req.Drain {
		verb += " drain"
	}
	if req.Now {
		verb += " now"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != "w1" {
		return api.ActionResult{}, ErrUnknownWorker
	}
	b.acts = append(b.acts, verb+" "+id)
	return api.ActionResult{ID: id, Action: string(req.Verb), OK: true}, b.broken
}

func (b *fakeBackend) Worker(_ context.Context, id string) (api.WorkerDetail, error) {
	if id != "w1" {
		return api.WorkerDetail{}, ErrUnknownWorker
	}
	return api.WorkerDetail{
		Worker: api.FusedWorker{ID: id, Mode: "workspace", DesiredState: "enabled"}, Exits: []api.WorkerExit{},
		Settings: api.WorkerSettings{Env: []api.WorkerEnv{}, Restart: api.WorkerRestarts{BackoffMs: []int64{}, FinalCodes: []int{}}},
	}, b.broken
}

func (b *fakeBackend) ChangeWorker(ctx context.Context, id string, change api.WorkerSettingsChange) (api.WorkerDetail, error) {
	out, err := b.Worker(ctx, id)
	if change.Limits != nil && change.Limits.PIDs != nil {
		out.Settings.Limits.PIDs = *change.Limits.PIDs
	}
	return out, err
}

func (b *fakeBackend) Reload(_ context.Context, req api.ReloadRequest) (api.Reloaded, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reloads = append(b.reloads, req)
	return api.Reloaded{Workers: 1}, b.broken
}

func (b *fakeBackend) Logs(_ context.Context, id string) (*workerlog.Files, error) {
	if b.broken != nil {
		return nil, b.broken
	}
	return workerlog.Open(filepath.Join(b.logs, id+".log"))
}

func (b *fakeBackend) Known(_ context.Context, id string) (bool, error) { return id == "w1", b.broken }

func (b *fakeBackend) Leave(_ context.Context, comeBack bool, reason string) (api.Leaving, error) {
	return api.Leaving{PID: 1, ComesBack: comeBack, By: reason}, b.broken
}

func (b *fakeBackend) Self(context.Context) (api.SelfStatus, error) {
	return api.SelfStatus{State: "running", ControlPlanes: []api.RemoteState{}, Health: []api.HealthItem{}, Failed: []api.SelfFailure{}}, b.broken
}

func (b *fakeBackend) did() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.acts, ",")
}

// fixture is a running server on a free port.
type fixture struct {
	*Server
	port    int
	backend *fakeBackend
	feed    *Feed
	log     *lockedBuffer
	client  *localclient.Client
	runsDir string
}

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

func serveTest(t testing.TB) *fixture {
	t.Helper()
	return serveWith(t, func(*Server, *http.Server) {})
}

// serveWith is serveTest with something set before it begins.
func serveWith(t testing.TB, set func(*Server, *http.Server)) *fixture {
	t.Helper()
	listener, err := localnet.Listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{port: localnet.Port(listener), backend: &fakeBackend{logs: t.TempDir()}, feed: NewFeed(), log: &lockedBuffer{}, runsDir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.Server = New(Options{
		Port: f.port, Token: testToken, Backend: f.backend, Lifecycle: f.backend, Adoption: f.backend, SelfUpgrade: f.backend, Doctor: f.backend, Usage: f.backend, Feed: f.feed, RunsDir: f.runsDir, Log: log,
		Connectivity: func(n int) api.Connectivity {
			sample := api.ConnectivitySample{Verdict: api.VerdictOnline, API: []api.Probe{}}
			return api.Connectivity{History: slices.Repeat([]api.ConnectivitySample{sample}, min(n, 3))}
		},
		Dashboard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" && r.URL.Path != "/assets/app.js" {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, "the page")
		}),
	})
	web := httpkit.Server(described(t).Wrap(f.Handler(), func(err error) { t.Errorf("not as described: %v", err) }), log)
	set(f.Server, web)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		f.Close()
		_ = web.Close()
		<-done
	})
	f.client = localclient.New(f.base(), testToken)
	return f
}

func (f *fixture) base() string { return "http://127.0.0.1:" + strconv.Itoa(f.port) }

// ask sends a request exactly as written, so that headers can be wrong in ways
// a client library would not let through, and returns status, header and body.
func (f *fixture) ask(t *testing.T, request string) (int, http.Header, string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(newReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := ""
	if resp.StatusCode != http.StatusSwitchingProtocols {
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(data)
	}
	return resp.StatusCode, resp.Header, body
}

// plain builds a request with the usual headers; extra ones replace those of
// the same name.
func (f *fixture) plain(method, path string, extra ...string) string {
	headers := map[string][]string{
		"Host":          {"127.0.0.1:" + strconv.Itoa(f.port)},
		"Authorization": {"Bearer " + testToken.Reveal()},
		"Connection":    {"close"},
	}
	if method == "POST" || method == "PATCH" {
		headers["Content-Type"] = []string{"application/json"}
		headers["Content-Length"] = []string{"2"}
	}
	replaced := map[string]bool{}
	for _, line := range extra {
		name, value, _ := strings.Cut(line, ":")
		if !replaced[name] {
			headers[name] = nil
			replaced[name] = true
		}
		if value != "" {
			headers[name] = append(headers[name], strings.TrimPrefix(value, " "))
		}
	}
	var out strings.Builder
	out.WriteString(method + " " + path + " HTTP/1.1\r\n")
	for name, values := range headers {
		for _, v := range values {
			out.WriteString(name + ": " + v + "\r\n")
		}
	}
	out.WriteString("\r\n")
	if method == "POST" || method == "PATCH" {
		out.WriteString("{}")
	}
	return out.String()
}
