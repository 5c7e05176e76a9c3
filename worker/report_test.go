package worker

import (
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

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
			code: api.CodeStorageUnreadable, says: "not the 999", retryable: &yes,
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

func goexit() error {
	runtime.Goexit() // as t.FailNow does
	return nil
}
