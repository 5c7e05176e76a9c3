package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/client"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// The test binary is also the programs that the tests run.
const (
	roleVar  = "PIPEDAI_TEST_ROLE"  // "worker" or "daemon"
	drainVar = "PIPEDAI_TEST_DRAIN" // how long the worker takes to stop
	dieVar   = "PIPEDAI_TEST_DIE"   // where the daemon dies

	upgradesVar = "PIPEDAI_TEST_UPGRADES" // the daemon can upgrade workers
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "worker":
		os.Exit(workerMain())
	case "daemon":
		os.Exit(daemonMain())
	case "adopter":
		os.Exit(adopterMain())
	}
	goleak.VerifyTestMain(m)
}

// workerMain counts on its standard output until it is asked to end.
func workerMain() int {
	if len(os.Args) > 1 && os.Args[1] == "register" {
		return registerMain()
	}
	if os.Args[len(os.Args)-1] == "version" {
		return versionMain()
	}
	alone()
	versionedMain(ownVersion())
	drain, _ := time.ParseDuration(os.Getenv(drainVar))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	tick := time.NewTicker(2 * time.Millisecond)
	fmt.Println("token", os.Getenv("PIPEDAI_OPERATOR_TOKEN"), "args", strings.Join(os.Args[1:], " "))
	for n := 1; ; n++ {
		fmt.Printf("n=%d\n", n)
		select {
		case <-stop:
			fmt.Println("draining")
			time.Sleep(drain) // the run it has in hand
			fmt.Println("done")
			return 0
		case <-tick.C:
		}
	}
}

// registerMain trades a token as the worker program does.
func registerMain() int {
	flags := map[string]string{}
	for i := 2; i+1 < len(os.Args); i++ {
		flags[os.Args[i]] = os.Args[i+1]
	}
	token, _ := io.ReadAll(os.Stdin)
	got, err := client.New(flags["--api-url"], client.Options{}).RegisterWorker(context.Background(), api.RegisterWorkerRequest{
		Token: strings.TrimSpace(string(token)), Hostname: flags["--hostname"], OS: "linux", Version: "1", Label: flags["--label"],
	})
	if err == nil {
		err = enroll.WriteWorkerFile(flags["--config"], enroll.WorkerFile{
			WorkerID: got.WorkerID, WorkerToken: secret.Text(got.WorkerToken), APIURL: got.APIURL, WorkspaceID: got.WorkspaceID,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused with", strings.TrimSpace(string(token)), err)
		var answer *api.Error
		if errors.As(err, &answer) && answer.Status == 0 {
			return noAnswer
		}
		return 1
	}
	return 0
}

// daemonMain is a daemon that a test can kill.
func daemonMain() int {
	dir, err := hostdir.Resolve(os.Getenv)
	if err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := testOptions(dir)
	if os.Getenv(upgradesVar) != "" {
		o = upgradeOptions(dir)
	}
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if os.Getenv(ordersVar) != "" {
		o = withTestOrders(o)
	}
	if point := os.Getenv(dieVar); point != "" {
		o.Log = slog.New(slog.DiscardHandler)
		o.reached = func(at string) {
			if at == point {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {} // until it takes effect
			}
		}
	}
	err = Run(ctx, o)
	var left *LeftError
	if errors.As(err, &left) && left.ComeBack {
		err = replaceSelf()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func testOptions(dir hostdir.Dir) Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Options{
		Dir: dir, WorkerProgram: self, Dashboard: http.NotFoundHandler(),
		WorkerEnv: []string{roleVar + "=worker"}, drainPace: 10 * time.Millisecond,
		PollEvery: 20 * time.Millisecond, StopGrace: 20 * time.Second, adoptSettle: 100 * time.Millisecond, adoptWatch: 100 * time.Millisecond,
		Policy: supervisor.Policy{Backoff: []time.Duration{10 * time.Millisecond}},
	}
}

// plane is a fake control plane with one workspace, ws1.
type plane struct {
	*httptest.Server
	mu      sync.Mutex
	workers map[string]*api.RemoteWorker
	calls   []string
	refuse  int    // status to answer changes with; 0 carries them out
	minted  int    // tokens
	token   string // that is good now
	beats   int    // heartbeats of all workers
	off     bool   // hangs up on everybody
	deaf    bool   // takes no heartbeats
	spoil   []spoilt
}

// spoilt is what becomes of one change that a control plane is asked for.
type spoilt string

const (
	fine     spoilt = ""
	refused3 spoilt = "403"
	cut      spoilt = "done, and the connection is cut before the answer"
	cutOff   spoilt = "not done, and the connection is cut"
	broke    spoilt = "done, and then 500"
	broken   spoilt = "not done, and 500"
	gateway  spoilt = "done, and a proxy says 502"
	silent   spoilt = "done, and there is no answer"
)

// next is what becomes of the next change; the caller holds mu.
func (p *plane) next() spoilt {
	if len(p.spoil) == 0 {
		return fine
	}
	s := p.spoil[0]
	p.spoil = p.spoil[1:]
	return s
}

// change is a handler of changes, which may be spoilt.
func (p *plane) change(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		s := p.next()
		switch s {
		case cut, broke, gateway, silent:
			do(httptest.NewRecorder(), r)
		case fine:
			do(w, r)
		}
		p.mu.Unlock()
		switch s {
		case fine:
		case cut, cutOff:
			panic(http.ErrAbortHandler)
		case broke, broken:
			http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		case gateway:
			http.Error(w, "<html>", http.StatusBadGateway)
		case refused3:
			http.Error(w, `{"error":"forbidden"}`, http.StatusForbidden)
		case silent:
			_, _ = io.Copy(io.Discard, r.Body) // the server sees the caller leave only after it
			<-r.Context().Done()
		}
	}
}

func newPlane(t *testing.T, ids ...string) *plane {
	t.Helper()
	p := &plane{workers: map[string]*api.RemoteWorker{}}
	for _, id := range ids {
		p.workers[id] = &api.RemoteWorker{ID: id, Status: "online"}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/workspaces/ws1/workers", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		list := api.RemoteWorkers{Items: []api.RemoteWorker{}}
		for _, worker := range p.workers {
			list.Items = append(list.Items, *worker)
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	change := func(do func(id string)) http.HandlerFunc {
		return p.change(func(w http.ResponseWriter, r *http.Request) {
			id := r.PathValue("id")
			p.calls = append(p.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1/workspaces/ws1/workers/"))
			switch {
			case r.Header.Get("Authorization") != "Bearer hos_the-host-operator-token":
				http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
			case p.refuse != 0:
				http.Error(w, `{"error":"no"}`, p.refuse)
			case p.workers[id] == nil:
				http.Error(w, `{"error":"not_found"}`, http.StatusNotFound)
			default:
				do(id)
			}
		})
	}
	mux.Handle("POST /api/v1/workspaces/ws1/workers/{id}/disable", change(func(id string) { p.workers[id].Disabled = true }))
	mux.Handle("POST /api/v1/workspaces/ws1/workers/{id}/enable", change(func(id string) { p.workers[id].Disabled = false }))
	mux.Handle("DELETE /api/v1/workspaces/ws1/workers/{id}", change(func(id string) { delete(p.workers, id) }))
	mux.HandleFunc("POST /api/v1/workspaces/ws1/workers/registration-token", p.change(func(w http.ResponseWriter, _ *http.Request) {
		if p.refuse != 0 {
			http.Error(w, `{"error":"no"}`, p.refuse)
			return
		}
		p.minted++
		p.token = fmt.Sprintf("wrk_registration-%d", p.minted)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(api.MintedToken{ID: "reg_1", Token: p.token})
	}))
	mux.HandleFunc("POST /api/v1/workers/register", p.change(func(w http.ResponseWriter, r *http.Request) {
		var req api.RegisterWorkerRequest
		if json.NewDecoder(r.Body).Decode(&req) != nil || req.Token == "" || req.Token != p.token {
			http.Error(w, `{"error":"already_consumed"}`, http.StatusConflict)
			return
		}
		p.token = ""
		id := "built-" + req.Hostname // the same hostname is the same worker
		p.workers[id] = &api.RemoteWorker{ID: id, Status: "online", Label: req.Label}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(api.RegisteredWorker{WorkerID: id, WorkerToken: "wkt_" + id, APIURL: p.URL, WorkspaceID: "ws1"})
	}))
	mux.HandleFunc("POST /test/beat/{id}", p.beat)
	mux.HandleFunc("GET /api/v1/releases/latest", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"pipedaiWorker":{"latest":"9.0.0","source":"test"},"pipedaiOrchestrator":{"latest":"unknown","source":"test"}}`))
	})
	mux.HandleFunc("GET /api/v1/workers/{id}/events/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: worker.started\ndata: {\"type\":\"worker.started\",\"ts\":\"2026-07-01T10:00:00.000Z\"}\n\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		off := p.off
		p.mu.Unlock()
		if off {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *plane) set(refuse int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// run gives a worker a run in hand; empty takes it away.
func (p *plane) run(id, run string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers[id].CurrentRunID = nil
	if run != "" {
		p.workers[id].CurrentRunID = &run
	}
}

// remote is what the control plane thinks of a worker; nil when it knows none.
func (p *plane) remote(id string) *api.RemoteWorker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[id] == nil {
		return nil
	}
	out := *p.workers[id]
	return &out
}

func (p *plane) did() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.calls, ",")
}

// newHome makes a home that is connected to a control plane with some workers.
func newHome(t *testing.T, url string, ids ...string) hostdir.Dir {
	t.Helper()
	dir, err := hostdir.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Make(); err != nil {
		t.Fatal(err)
	}
	if err := enroll.PutOperator(dir.Credentials(), url, "ws1", "hos_the-host-operator-token"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		addWorker(t, dir, url, id)
	}
	return dir
}

func addWorker(t *testing.T, dir hostdir.Dir, url, id string) {
	t.Helper()
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	path := dir.WorkerConfig(id)
	err = enroll.WriteWorkerFile(path, enroll.WorkerFile{WorkerID: id, WorkerToken: "wkt_the-worker-token", APIURL: url, WorkspaceID: "ws1"})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Upsert(t.Context(), manifest.Entry{
		ID: id, Label: "label-" + id, APIURL: url, WorkspaceID: "ws1", ConfigPath: path,
		Mode: manifest.ModeWorkspace, Running: true, Enabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// running is a daemon inside the test.
type running struct {
	*localclient.Client
	url  string
	stop func() error // ends it in order, once; later calls return the same
}

func startDaemon(t *testing.T, o Options) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	url, ready, ended := make(chan string, 1), make(chan struct{}), make(chan error, 1)
	o.Listening = func(u string) { url <- u }
	o.Ready = func() { close(ready) }
	go func() { ended <- Run(ctx, o) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		var left *LeftError // on purpose, and the test looked at it
		if err := stop(); err != nil && !errors.As(err, &left) {
			t.Errorf("daemon: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the daemon ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the daemon does not get ready")
	}
	creds, err := enroll.LoadCredentials(o.Dir.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	base := <-url
	return running{Client: localclient.New(base, creds.LocalToken), url: base, stop: stop}
}

// until waits for something real processes do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute) // a busy machine takes its time
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (r running) worker(t *testing.T, id string) api.FusedWorker {
	t.Helper()
	workers, err := r.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		if w.ID == id {
			return w
		}
	}
	return api.FusedWorker{}
}

// pid waits for a worker to run and returns its process.
func (r running) pid(t *testing.T, id string) int {
	t.Helper()
	var w api.FusedWorker
	until(t, id+" runs", func() bool {
		w = r.worker(t, id)
		return w.Local != nil && w.Local.State == "running" && w.Local.PID != nil && !w.Local.Draining
	})
	return *w.Local.PID
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func asAPI(t *testing.T, err error) *api.Error {
	t.Helper()
	var answer *api.Error
	if !errors.As(err, &answer) {
		t.Fatalf("error %v is no *api.Error", err)
	}
	return answer
}

// alive reports whether a process still does something. One whose parent died
// may stay in the table after its end, until whoever inherited it looks.
func alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

// counting waits until the worker does its work, beyond merely being there.
func counting(t *testing.T, dir hostdir.Dir, id string) {
	t.Helper()
	until(t, id+" counts", func() bool { return counted(t, dir, id) > 0 })
}

// counted checks that the numbers a worker wrote are 1, 2, 3, ... and returns
// the last one.
func counted(t *testing.T, dir hostdir.Dir, id string) int {
	t.Helper()
	last := 0
	for _, path := range []string{dir.Log(id) + ".1", dir.Log(id)} {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			_, number, found := strings.Cut(line, " n=")
			if !found {
				continue
			}
			n, err := strconv.Atoi(number)
			if err != nil || n != last+1 {
				t.Fatalf("%s: after line %d comes %q", filepath.Base(path), last, line)
			}
			last = n
		}
	}
	return last
}
