package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/storage"
)

const sharedSecret = "0123456789abcdef0123456789abcdef"

func TestListen_oneAttempt(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	w := listen(t, e, doubler(), nil)
	receive(t, e.signed, "the registration")
	status, body := push(t, w.base, "double", e.dispatch("trun_1", "double", number2{N: 21}))
	if status != http.StatusAccepted || body != `{"acknowledged":true,"runId":"trun_1"}` {
		t.Fatalf("got %d %s", status, body)
	}
	got := receive(t, e.reports, "the report")
	size := float64(len("{\n  \"n\": 42\n}"))
	want := report{wire: "trun_1", CallbackRequest: api.CallbackRequest{
		Status: "success", OutputPath: "runs/prun_1/outputs/trun_1.json", OutputSize: &size,
		LogsPath: "runs/prun_1/logs/trun_1.jsonl", Attempt: 1,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(report{})); diff != "" {
		t.Error(diff)
	}
	if got := e.object(got.OutputPath); got != "{\n  \"n\": 42\n}" {
		t.Errorf("output: %s", got)
	}
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	r := e.registrations()[0]
	if r.ServiceID != "math" || r.Version != "1.2.3" || !strings.HasPrefix(r.BaseURL, "http://localhost:") || len(r.Tasks) != 1 ||
		len(r.Tasks[0].CodeHash) != 16 || r.Tasks[0].AllowedNext[0] != "show" {
		t.Errorf("registration: %+v", r)
	}
	if log := w.log.String(); !strings.Contains(log, "run trun_1 double started (attempt 1)") || !strings.Contains(log, "run trun_1 double completed in ") {
		t.Errorf("the log does not tell the run:\n%s", log)
	}
}

func TestListen_answers(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	w := listen(t, e, doubler(), nil)
	for name, tt := range map[string]struct {
		task   string
		body   any
		status int
		says   string
	}{
		"unknown task":    {"triple", map[string]any{"runId": "r"}, 404, `"error":"Task 'triple' not found"`},
		"no task":         {"", map[string]any{"runId": "r"}, 400, `"error":"Task ID required"`},
		"not JSON":        {"double", `{"runId":`, 400, `not JSON`},
		"wrong type":      {"double", `{"runId":7}`, 400, `not JSON as expected`},
		"no run id":       {"double", `{}`, 400, `runId`},
		"another task id": {"double", `{"runId":"r","taskId":"x"}`, 400, `taskId`},
		"too large":       {"double", `{"runId":"` + strings.Repeat("x", maxDispatch) + `"}`, 413, `too large`},
	} {
		status, body := push(t, w.base, tt.task, tt.body)
		if status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: got %d %s, want %d saying %s", name, status, body, tt.status, tt.says)
		}
	}
	resp, err := http.Get(w.base + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	health, _ := io.ReadAll(resp.Body)
	if string(health) != `{"service":"math","status":"healthy"}` {
		t.Errorf("health: %s", health)
	}
	resp, err = http.Get(w.base + "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("elsewhere: %d", resp.StatusCode)
	}
}

// A handler sees what the contract promises, and what it leaves is stored.
func TestListen_contextAndAssets(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	s := one(func(ctx *Context) (any, error) {
		var before map[string]int
		if err := ctx.Upstream("before", &before); err != nil {
			return nil, err
		}
		shared, err := ctx.Asset("shared.txt")
		if err != nil {
			return nil, err
		}
		if _, err := ctx.Asset("missing"); err == nil || !strings.HasPrefix(err.Error(), "Asset 'missing' not found") {
			return nil, errors.New("a missing asset was found")
		}
		for _, add := range []struct {
			key  string
			typ  storage.AssetType
			data any
		}{{"b.json", JSON, map[string]int{"x": 1}}, {"a.txt", Text, "hi"}, {"raw", Binary, []byte{0, 1}}} {
			if _, err := ctx.AddAsset(add.key, add.typ, add.data); err != nil {
				return nil, err
			}
		}
		if own, err := ctx.Asset("a.txt"); err != nil || string(own) != "hi" {
			return nil, errors.New("an own asset was not found first")
		}
		ctx.Log().Info("hello", "n", 7, "secret", sharedSecret)
		ctx.Log().Debug("detail")
		ctx.Next("b")
		return map[string]any{
			"facts":  []any{ctx.RunID(), ctx.PipelineRunID(), ctx.Attempt(), ctx.CodeVersion(), ctx.CodeHash(), ctx.HasUpstream("nobody")},
			"before": before, "shared": string(shared), "previous": ctx.PreviousAttempts(), "tasks": ctx.UpstreamTasks(),
		}, nil
	})
	w := listen(t, e, s, nil)
	e.put("o/first", map[string]int{"v": 1})
	e.put("o/before", map[string]int{"v": 2})
	e.put("x/old", "old")
	e.put("x/new", "new")
	d := e.dispatch("trun_1.2", "work", nil)
	d.Attempt = 2
	// The later task's asset wins: the order of the members counts.
	d.UpstreamRefs = json.RawMessage(`{
		"zfirst":{"outputPath":"o/first","assets":{"shared.txt":{"path":"x/old","size":5,"type":"text"}}},
		"before":{"outputPath":"o/before","assets":{"shared.txt":{"path":"x/new","size":5,"type":"text"}}}}`)
	d.PreviousAttempts = json.RawMessage(`[{"attempt":1,"error":"boom","timestamp":"2026-01-01T00:00:00.000Z"}]`)
	if status, body := push(t, w.base, "work", d); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	got := receive(t, e.reports, "the report")
	if got.Status != "success" {
		t.Fatalf("failed: %s", got.Error)
	}
	var output any
	if err := json.Unmarshal([]byte(e.object(got.OutputPath)), &output); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"facts":    []any{"trun_1.2", "prun_1", 2.0, 3.0, "00ff00ff00ff00ff", false},
		"before":   map[string]any{"v": 2.0},
		"shared":   `"new"`,
		"previous": []any{map[string]any{"attempt": 1.0, "error": "boom", "timestamp": "2026-01-01T00:00:00.000Z"}},
		"tasks":    []any{"zfirst", "before"},
	}
	if diff := cmp.Diff(any(want), output); diff != "" {
		t.Error(diff)
	}
	wantAssets := map[string]api.Asset{
		"b.json": {Path: "runs/prun_1/assets/trun_1.2/b.json", Size: 12, Type: "json"},
		"a.txt":  {Path: "runs/prun_1/assets/trun_1.2/a.txt", Size: 2, Type: "text"},
		"raw":    {Path: "runs/prun_1/assets/trun_1.2/raw", Size: 2, Type: "binary"},
	}
	if diff := cmp.Diff(wantAssets, got.Assets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&[]string{"b"}, got.SelectedNext); diff != "" {
		t.Error(diff)
	}
	lines := strings.Split(e.object(got.LogsPath), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], sharedSecret) {
		t.Fatalf("log: %q", lines)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "timestamp")
	if diff := cmp.Diff(map[string]any{"level": "info", "runId": "trun_1.2", "message": "hello", "n": 7.0, "secret": "***"}, line); diff != "" {
		t.Error(diff)
	}
}

func TestListen_failures(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, tt := range map[string]struct {
		handler   Handler
		change    func(d *api.Dispatch)
		code      string
		says      string
		retryable *bool
		noLog     bool
	}{
		"plain error":    {handler: func(*Context) (any, error) { return nil, errors.New("boom") }, says: "boom", retryable: &yes},
		"fatal":          {handler: func(*Context) (any, error) { return nil, Fatal("BAD", "never") }, code: "BAD", says: "never", retryable: &no},
		"panic":          {handler: func(*Context) (any, error) { panic("oh no") }, code: CodePanic, says: "panic: oh no", retryable: &yes},
		"goroutine gone": {handler: func(*Context) (any, error) { return nil, goexit() }, code: CodePanic, says: "goroutine", retryable: &yes},
		"bad next": {
			handler: func(ctx *Context) (any, error) { ctx.Next("a", "zzz"); return nil, nil },
			code:    api.CodeInvalidNextTasks, says: "Invalid next tasks: zzz", retryable: &no,
		},
		"output no JSON": {handler: func(*Context) (any, error) { return make(chan int), nil }, code: CodeBadOutput, says: "JSON", retryable: &no},
		"bad asset key": {
			handler: func(ctx *Context) (any, error) { _, err := ctx.AddAsset("../x", Text, "x"); return nil, err },
			code:    "INVALID_ASSET", says: "../x", retryable: &no,
		},
		"wrong secret": {
			handler: func(*Context) (any, error) { return nil, nil },
			change:  func(d *api.Dispatch) { d.StorageToken = "AAAA" },
			code:    api.CodeInvalidToken, says: "Failed to decrypt storage token", retryable: &yes, noLog: true,
		},
		"no input": {
			handler: func(*Context) (any, error) { return nil, nil },
			change:  func(d *api.Dispatch) { d.InputPath = "not/there.json" },
			code:    api.CodeStorageUnreadable, says: "File not found: not/there.json", retryable: &yes,
		},
		"timeout": {
			handler: func(ctx *Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
			change:  func(d *api.Dispatch) { d.TimeoutMs = 20 },
			code:    api.CodeTimeout, says: "Task exceeded timeout of 0.02s", retryable: &yes,
		},
		"asset of another size": {
			handler: func(ctx *Context) (any, error) { _, err := ctx.Asset("k"); return nil, err },
			change: func(d *api.Dispatch) {
				d.UpstreamRefs = json.RawMessage(`{"t":{"outputPath":"o/t","assets":{"k":{"path":"o/t","size":999,"type":"json"}}}}`)
			},
			code: api.CodeStorageUnreadable, says: "999 bytes", retryable: &yes,
		},
		"run id that is a path": {
			handler: func(*Context) (any, error) { return nil, nil },
			change:  func(d *api.Dispatch) { d.RunID = "..x" },
			code:    api.CodeInvalid, says: "id", retryable: &no, noLog: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, sharedSecret)
			e.put("o/t", 1)
			w := listen(t, e, one(tt.handler), nil)
			d := e.dispatch("trun_1", "work", nil)
			if tt.change != nil {
				tt.change(&d)
			}
			if status, body := push(t, w.base, "work", d); status != 202 {
				t.Fatalf("%d %s", status, body)
			}
			got := receive(t, e.reports, "the report")
			if got.Status != "failed" || got.ErrorCode != tt.code || !strings.Contains(got.Error, tt.says) {
				t.Errorf("got %s %q %q, want failed %q saying %q", got.Status, got.ErrorCode, got.Error, tt.code, tt.says)
			}
			if diff := cmp.Diff(tt.retryable, got.Retryable); diff != "" {
				t.Errorf("retryable: %s", diff)
			}
			if got.OutputPath != "" || (got.LogsPath == "") != tt.noLog {
				t.Errorf("output %q, log %q", got.OutputPath, got.LogsPath)
			}
		})
	}
}

// The report is the only trace of finished work: it is repeated until somebody
// has it.
func TestListen_reportIsRepeated(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	e.onReport = func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			w.WriteHeader(http.StatusTooManyRequests)
		case 3: // no answer at all
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		default:
			return false
		}
		return true
	}
	w := listen(t, e, doubler(), nil)
	push(t, w.base, "double", e.dispatch("trun_1", "double", number2{N: 1}))
	if got := receive(t, e.reports, "the report"); got.Status != "success" {
		t.Errorf("got %s %s", got.Status, got.Error)
	}
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
}

// Nobody waits for the report of an attempt that is over elsewhere.
func TestListen_fencedReport(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   any
	}{
		"ignored":  {200, api.CallbackResponse{Ignored: true}},
		"unknown":  {404, api.Error{Message: "Task run not found"}},
		"conflict": {409, api.Error{Message: "lease lost"}},
		"invalid":  {400, api.Error{Message: "invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, sharedSecret)
			asked := make(chan int, 10)
			e.onReport = func(n int, w http.ResponseWriter) bool {
				asked <- n
				answer(w, tt.status, tt.body)
				return true
			}
			w := listen(t, e, doubler(), nil)
			push(t, w.base, "double", e.dispatch("trun_1", "double", number2{N: 1}))
			receive(t, asked, "the report")
			w.stop()
			if err := w.wait(); err != nil {
				t.Error(err)
			}
			if len(asked) != 0 {
				t.Error("the report was repeated")
			}
		})
	}
}

func TestListen_heartbeatsAndCancel(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	cause := make(chan error, 1)
	w := listen(t, e, one(func(ctx *Context) (any, error) {
		ctx.Progress(140, "all of it")
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, ctx.Err()
	}), nil)
	d := e.dispatch("trun_1", "work", nil)
	d.HeartbeatIntervalMs = 20
	push(t, w.base, "work", d)
	for {
		pulse := receive(t, e.pulses, "progress")
		if pulse.RunID != "trun_1" || pulse.Attempt != 1 {
			t.Fatalf("got %+v", pulse)
		}
		if pulse.Progress != nil {
			if *pulse.Progress != 100 || pulse.Message != "all of it" {
				t.Errorf("got %v %q", *pulse.Progress, pulse.Message)
			}
			break
		}
	}
	e.set(func() { e.cancel["trun_1"] = true })
	if got := receive(t, cause, "the cancellation"); !errors.Is(got, ErrCancelled) {
		t.Errorf("cause: %v", got)
	}
	got := receive(t, e.reports, "the report")
	if got.Status != "failed" || got.ErrorCode != CodeCancelled || *got.Retryable {
		t.Errorf("got %s %s", got.Status, got.ErrorCode)
	}
}

// A dispatch that comes twice, because the first answer was lost, is one run.
func TestListen_sameDispatchTwice(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	gate, started := make(chan struct{}), make(chan struct{}, 2)
	w := listen(t, e, one(func(*Context) (any, error) {
		started <- struct{}{}
		<-gate
		return nil, nil
	}), nil)
	d := e.dispatch("trun_1", "work", nil)
	push(t, w.base, "work", d)
	receive(t, started, "the start")
	if status, _ := push(t, w.base, "work", d); status != 202 {
		t.Errorf("the second time: %d", status)
	}
	close(gate)
	receive(t, e.reports, "the report")
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	if len(started) != 0 || len(e.reports) != 0 {
		t.Error("the run was done twice")
	}
}

func TestListen_drain(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	gate, started := make(chan struct{}), make(chan struct{}, 1)
	w := listen(t, e, one(func(*Context) (any, error) {
		started <- struct{}{}
		<-gate
		return "done", nil
	}), nil)
	push(t, w.base, "work", e.dispatch("trun_1", "work", nil))
	receive(t, started, "the start")
	w.stop()
	// Further work is refused for now, what runs goes on.
	w.log.wait("1 run in hand")
	if status, body := push(t, w.base, "work", e.dispatch("trun_2", "work", nil)); status != http.StatusServiceUnavailable {
		t.Errorf("while stopping: got %d %s", status, body)
	}
	close(gate)
	if got := receive(t, e.reports, "the report"); got.Status != "success" {
		t.Errorf("got %s %s", got.Status, got.Error)
	}
	if err := w.wait(); err != nil {
		t.Error(err)
	}
}

func TestListen_drainTimeout(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	started, cause := make(chan struct{}, 1), make(chan error, 1)
	w := listen(t, e, one(func(ctx *Context) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, ctx.Err()
	}), func(o *Options) { o.DrainTimeout = time.Millisecond })
	push(t, w.base, "work", e.dispatch("trun_1", "work", nil))
	receive(t, started, "the start")
	w.stop()
	if got := receive(t, cause, "the end"); !errors.Is(got, ErrDrained) {
		t.Errorf("cause: %v", got)
	}
	got := receive(t, e.reports, "the report")
	if got.ErrorCode != CodeDrained || !*got.Retryable {
		t.Errorf("got %s, retryable %v", got.ErrorCode, *got.Retryable)
	}
	if err := w.wait(); err != nil {
		t.Error(err)
	}
}

// A handler that ignores its context loses its run, not the worker.
func TestListen_stuckHandler(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	w := listen(t, e, one(func(*Context) (any, error) { <-release; return nil, nil }), func(o *Options) { o.stuck = time.Millisecond })
	d := e.dispatch("trun_1", "work", nil)
	d.TimeoutMs = 10
	push(t, w.base, "work", d)
	if got := receive(t, e.reports, "the report"); got.ErrorCode != api.CodeTimeout && got.ErrorCode != CodeStuck {
		t.Errorf("got %s %s", got.ErrorCode, got.Error)
	}
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
}

func TestListen_registersUntilItIsHeard(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	e.refuse = http.StatusServiceUnavailable
	w := listen(t, e, doubler(), nil)
	w.log.wait("not registered")
	e.set(func() { e.refuse = 0 })
	w.log.wait("answers again")
	if len(e.registrations()) == 0 {
		t.Error("the worker did not register")
	}
}

func TestListen_endsWhenRefusedForGood(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{400: "register math", 401: ErrUnauthorized.Error()} {
		e := newEngine(t, sharedSecret)
		e.refuse = status
		w := listen(t, e, doubler(), nil)
		if err := w.wait(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestListen_badOptions(t *testing.T) {
	t.Parallel()
	err := NewSet("", "").Listen(t.Context(), Options{APIURL: "ftp://x"})
	for _, want := range []string{"ftp://x", "storage", "no name", "secret"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	err = doubler().Listen(t.Context(), Options{
		APIURL: "http://127.0.0.1:1", Storage: openLocal, Secret: "s", Addr: busy.Addr().String(), Scratch: t.TempDir(),
	})
	if err == nil || !strings.Contains(err.Error(), busy.Addr().String()) {
		t.Errorf("busy address: got %v", err)
	}
}

// Nothing of an attempt stays on the disk.
func TestListen_scratchIsRemoved(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	var scratch string
	dirs := make(chan string, 1)
	w := listen(t, e, one(func(ctx *Context) (any, error) {
		dirs <- ctx.Dir()
		return nil, os.WriteFile(filepath.Join(ctx.Dir(), "x"), []byte("x"), 0o600)
	}), func(o *Options) { scratch = o.Scratch })
	push(t, w.base, "work", e.dispatch("trun_1", "work", nil))
	if dir := receive(t, dirs, "the folder"); filepath.Dir(dir) != scratch {
		t.Errorf("scratch folder %s is not in %s", dir, scratch)
	}
	receive(t, e.reports, "the report")
	w.stop()
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func goexit() error {
	runtime.Goexit() // as t.FailNow does
	return nil
}
