package worker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		OutputSHA256: "baa0f9b5394470712e74e1065780399f651b257756d661dc214ab25e784cc4fa",
		LogsPath:     "runs/prun_1/logs/trun_1.jsonl", Attempt: 1,
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
	if log := w.log.String(); !strings.Contains(log, "run started run=trun_1 task=double attempt=1") || !strings.Contains(log, "run completed took=") {
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
	for name, value := range map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/tasks/double", strings.NewReader(`{"runId":"r"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("a web page with %s: got %d, want 403", name, resp.StatusCode)
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
	if resp.StatusCode != http.StatusNotFound {
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
	for key, asset := range got.Assets {
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(e.object(asset.Path)))); asset.SHA256 != want {
			t.Errorf("asset %s: got the hash %q, want %s", key, asset.SHA256, want)
		}
		asset.SHA256 = ""
		got.Assets[key] = asset
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
