package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// post is a control plane that takes reports.
type post struct {
	mu      sync.Mutex
	batches []int          // sizes of requests; 1 is a single one
	ended   map[string]int // how often a report counted
	onBatch func(n int) error
	lose    int // this many answers get lost after they counted
}

func (p *post) count(wire string) api.CallbackResult {
	if wire == "unknown" {
		return api.CallbackResult{Status: 404, Error: "Task run not found", Code: api.CodeNotFound}
	}
	p.ended[wire]++
	if p.ended[wire] > 1 {
		p.ended[wire] = 1
		return api.CallbackResult{Status: 200, CallbackResponse: api.CallbackResponse{Ignored: true}}
	}
	return api.CallbackResult{Status: 200, CallbackResponse: api.CallbackResponse{Acknowledged: true}}
}

func (p *post) Callback(ctx context.Context, wire string, req api.CallbackRequest) (api.CallbackResponse, error) {
	out, err := p.take(1, []api.RunCallback{{RunID: wire, Callback: req}})
	if err != nil {
		return api.CallbackResponse{}, err
	}
	if out[0].Status != 200 {
		return api.CallbackResponse{}, &api.Error{Status: out[0].Status, Message: out[0].Error}
	}
	return out[0].CallbackResponse, nil
}

func (p *post) Callbacks(ctx context.Context, req api.CallbacksRequest) (api.CallbacksResponse, error) {
	if p.onBatch != nil {
		if err := p.onBatch(len(req.Callbacks)); err != nil {
			return api.CallbacksResponse{}, err
		}
	}
	out, err := p.take(len(req.Callbacks), req.Callbacks)
	return api.CallbacksResponse{Results: out}, err
}

func (p *post) take(n int, all []api.RunCallback) ([]api.CallbackResult, error) {
	time.Sleep(10 * time.Millisecond) // in a bubble: others queue up meanwhile
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = append(p.batches, n)
	var out []api.CallbackResult
	for _, c := range all {
		out = append(out, p.count(c.RunID))
	}
	if p.lose > 0 {
		p.lose--
		return nil, &api.Error{Message: "no answer"}
	}
	return out, nil
}

// TestReports: what ends together is reported together, each report counts
// once and is delivered, whatever gets lost on the way.
func TestReports(t *testing.T) {
	t.Parallel()
	deliverAll := func(t *testing.T, p *post, wires ...string) {
		t.Helper()
		r := newReports(t.Context(), p)
		var all sync.WaitGroup
		for _, wire := range wires {
			all.Go(func() {
				if err := deliver(t.Context(), r, wire, api.CallbackRequest{Status: "success"},
					backoff.Policy{Base: time.Millisecond, Max: time.Second}, slog.New(slog.DiscardHandler)); err != nil {
					t.Errorf("%s: %v", wire, err)
				}
			})
			synctest.Wait() // the first one is under way before the others come
		}
		all.Wait()
		for _, wire := range wires {
			if want := map[bool]int{true: 0, false: 1}[wire == "unknown"]; p.ended[wire] != want {
				t.Errorf("%s counted %d times", wire, p.ended[wire])
			}
		}
	}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("trun_%d", i))
	}
	for _, tt := range []struct {
		name    string
		post    *post
		wires   []string
		batches string
	}{
		{"alone", &post{}, many[:1], "[1]"},
		{"together", &post{}, many[:10], "[1 9]"},
		{"more than fit", &post{}, many, "[1 200 200 99]"},
		{"one of nobody's", &post{}, []string{"a", "b", "unknown", "c"}, "[1 3]"},
		{"a control plane that knows no batches", &post{onBatch: func(int) error { return &api.Error{Status: http.StatusNotFound} }}, many[:3], "[1 1 1]"},
		{"too large together", &post{onBatch: func(int) error { return &api.Error{Status: http.StatusRequestEntityTooLarge} }}, many[:3], "[1 1 1]"},
		{"answers that get lost", &post{lose: 3}, many[:5], ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := tt.post
				p.ended = map[string]int{}
				deliverAll(t, p, tt.wires...)
				if got := fmt.Sprint(p.batches); tt.batches != "" && got != tt.batches {
					t.Errorf("requests of %s, want %s", got, tt.batches)
				}
			})
		})
	}
	t.Run("somebody gives up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := &post{ended: map[string]int{}}
			r := newReports(t.Context(), p)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := r.Callback(ctx, "a", api.CallbackRequest{}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.ended["a"] != 1 {
				t.Error("a report that was handed over did not go out")
			}
		})
	})
}
