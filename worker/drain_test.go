package worker

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"pipedai/api"
)

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
	w.log.wait("runs in hand are waited for runs=1")
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
