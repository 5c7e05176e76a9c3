package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/storage/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 20 * time.Second

const workerToken = "wkt_test-token-of-a-worker"

// engine is a control plane that says what the test wants it to say.
type engine struct {
	t       testing.TB
	url     string
	secret  string
	bucket  *local.Bucket
	config  storage.Config
	claims  chan []api.Dispatch // answers of claims
	polls   chan api.ClaimRequest
	reports chan report
	beats   chan api.WorkerBeatRequest
	pulses  chan api.HeartbeatRequest
	events  chan string
	signed  chan struct{} // one for each registration

	mu         sync.Mutex
	registered []api.RegisterRequest
	onReport   func(n int, w http.ResponseWriter) bool // true: it answered
	onClaim    func(n int, w http.ResponseWriter) bool
	check      func(w http.ResponseWriter, req api.IdempotencyCheck) // nil: nobody is to ask
	cancel     map[string]bool
	nReports   int
	nClaims    int
	refuse     int // status for everything
}

type report struct {
	wire string
	api.CallbackRequest
}

func newEngine(t testing.TB, secret string) *engine {
	t.Helper()
	cfg := storage.Config{ID: "main", Provider: "local", Endpoint: "file://", Credentials: storage.Credentials{"basePath": t.TempDir()}}
	bucket, err := local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{
		t: t, secret: secret, bucket: bucket, config: cfg,
		claims: make(chan []api.Dispatch, 10), polls: make(chan api.ClaimRequest, 1000), reports: make(chan report, 100),
		beats: make(chan api.WorkerBeatRequest, 1000), pulses: make(chan api.HeartbeatRequest, 1000),
		events: make(chan string, 100), signed: make(chan struct{}, 100), cancel: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/register", e.register)
	mux.HandleFunc("POST /api/v1/workers/self/register", e.register)
	mux.HandleFunc("POST /api/callback/{id}", e.callback)
	mux.HandleFunc("POST /api/heartbeat", e.heartbeat)
	mux.HandleFunc("POST /api/progress", e.heartbeat)
	mux.HandleFunc("POST /api/idempotency/check", func(w http.ResponseWriter, r *http.Request) {
		e.check(w, decode[api.IdempotencyCheck](e, r))
	})
	mux.HandleFunc("POST /api/v1/workers/self/claim", e.claim)
	mux.HandleFunc("POST /api/v1/workers/self/heartbeat", e.beat)
	mux.HandleFunc("POST /api/v1/workers/self/events", func(w http.ResponseWriter, r *http.Request) {
		e.events <- decode[api.LifecycleEvent](e, r).Type
		reply(w, map[string]any{})
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		status := e.refuse
		e.mu.Unlock()
		if status != 0 {
			answer(w, status, api.Error{Message: http.StatusText(status)})
			return
		}
		mux.ServeHTTP(w, r)
	}))
	e.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = bucket.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return e
}

func decode[T any](e *engine, r *http.Request) T {
	var v T
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		e.t.Errorf("%s: %v", r.URL.Path, err)
	}
	return v
}

func reply(w http.ResponseWriter, v any) { answer(w, http.StatusOK, v) }

func (e *engine) register(w http.ResponseWriter, r *http.Request) {
	req := decode[api.RegisterRequest](e, r)
	e.mu.Lock()
	e.registered = append(e.registered, req)
	e.mu.Unlock()
	e.signed <- struct{}{}
	reply(w, api.RegisterResponse{Success: true, CodeChanges: []api.CodeChange{}})
}

func (e *engine) registrations() []api.RegisterRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]api.RegisterRequest(nil), e.registered...)
}

func (e *engine) callback(w http.ResponseWriter, r *http.Request) {
	req := decode[api.CallbackRequest](e, r)
	e.mu.Lock()
	e.nReports++
	n, hook := e.nReports, e.onReport
	e.mu.Unlock()
	if hook != nil && hook(n, w) {
		return
	}
	e.reports <- report{wire: r.PathValue("id"), CallbackRequest: req}
	reply(w, api.CallbackResponse{Acknowledged: true})
}

func (e *engine) heartbeat(w http.ResponseWriter, r *http.Request) {
	req := decode[api.HeartbeatRequest](e, r)
	e.mu.Lock()
	cancel := e.cancel[req.RunID]
	e.mu.Unlock()
	select {
	case e.pulses <- req:
	default:
	}
	reply(w, api.HeartbeatResponse{Acknowledged: true, ShouldCancel: cancel})
}

func (e *engine) beat(w http.ResponseWriter, r *http.Request) {
	req := decode[api.WorkerBeatRequest](e, r)
	if r.Header.Get(api.HeaderWorkerVersion) == "" || r.Header.Get("Authorization") != "Bearer "+workerToken {
		e.t.Error("a beat lacks the version or the token")
	}
	answer := api.WorkerBeatResponse{Cancel: []string{}}
	e.mu.Lock()
	for _, run := range req.Runs {
		if e.cancel[run.RunID] {
			answer.Cancel = append(answer.Cancel, run.RunID)
		}
	}
	e.mu.Unlock()
	select {
	case e.beats <- req:
	default:
	}
	reply(w, answer)
}

func (e *engine) claim(w http.ResponseWriter, r *http.Request) {
	req := decode[api.ClaimRequest](e, r)
	e.mu.Lock()
	e.nClaims++
	n, hook := e.nClaims, e.onClaim
	e.mu.Unlock()
	select {
	case e.polls <- req:
	default:
	}
	if hook != nil && hook(n, w) {
		return
	}
	select {
	case runs := <-e.claims:
		reply(w, api.ClaimResponse{Runs: runs})
	case <-time.After(time.Duration(req.WaitMs) * time.Millisecond):
		reply(w, api.ClaimResponse{Runs: []api.Dispatch{}})
	case <-r.Context().Done():
	}
}

func (e *engine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// dispatch makes an attempt whose input is in storage.
func (e *engine) dispatch(wire, task string, input any) api.Dispatch {
	e.t.Helper()
	token, err := storage.Seal(e.secret, e.config, time.Now(), time.Hour)
	if err != nil {
		e.t.Fatal(err)
	}
	path := storage.PipelineInputPath("prun_" + wire)
	e.put(path, input)
	return api.Dispatch{
		RunID: wire, TaskID: task, PipelineRunID: "prun_1", Attempt: 1, CodeVersion: 3, CodeHash: "00ff00ff00ff00ff",
		StorageToken: token, InputPath: path, UpstreamRefs: json.RawMessage(`{}`), PreviousAttempts: json.RawMessage(`[]`),
		HeartbeatIntervalMs: 60_000, TimeoutMs: 60_000,
	}
}

func (e *engine) put(path string, value any) {
	e.t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := e.bucket.Put(context.Background(), path, bytes.NewReader(data), int64(len(data)), ""); err != nil {
		e.t.Fatal(err)
	}
}

func (e *engine) object(path string) string {
	e.t.Helper()
	body, _, err := e.bucket.Get(context.Background(), path)
	if err != nil {
		e.t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(data)
}

// push sends a dispatch and returns status and body.
func push(t testing.TB, base, task string, body any) (int, string) {
	t.Helper()
	data, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		data = string(encoded)
	}
	resp, err := http.Post(base+"/tasks/"+task, "application/json", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
