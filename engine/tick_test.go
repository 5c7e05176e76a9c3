package engine

import (
	"context"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

func TestTick(t *testing.T) {
	t.Parallel()
	inBubble(t, "drives a whole pipeline alone", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless})
		f.register(diamond)
		f.fleet.work["b"] = failing(2, store.Failure{Error: "try"})
		run := f.trigger()
		var taken []int
		for range 10 {
			n, more, err := f.Tick(t.Context())
			if err != nil || more {
				t.Fatalf("got %v, %v", more, err)
			}
			taken = append(taken, n)
			f.fleet.busy.Wait()
			time.Sleep(500 * time.Millisecond) // the scheduler's interval
		}
		got, err := f.Store().PipelineRun(t.Context(), run.ID)
		if err != nil || got.Status != pipeline.RunCompleted {
			t.Errorf("got %s, %v", got.Status, err)
		}
		sum := 0
		for _, n := range taken {
			sum += n
		}
		if sum != 5 || taken[0] != 1 || taken[1] != 2 {
			t.Errorf("the ticks took %v, want 5 in all: b has two attempts", taken)
		}
	})
	inBubble(t, "says that there is more", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless, MaxConcurrency: 2})
		f.register(edges{"a": nil})
		for range 3 {
			f.trigger()
		}
		n, more, err := f.Tick(t.Context())
		if n != 2 || !more || err != nil {
			t.Errorf("got %d, %v, %v", n, more, err)
		}
		f.fleet.busy.Wait()
		if n, more, err = f.Tick(t.Context()); n != 1 || more || err != nil {
			t.Errorf("got %d, %v, %v", n, more, err)
		}
		f.fleet.busy.Wait()
	})
	inBubble(t, "rescues and reports failed dispatches", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless})
		f.register(edges{"a": nil})
		f.fleet.refuse = func(context.Context, api.Dispatch) error {
			return &DispatchError{Final: true, Message: "Worker returned 400: no"}
		}
		run := f.trigger()
		if n, _, err := f.Tick(t.Context()); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunFailed {
			t.Errorf("got %s", got.Status)
		}
	})
}
