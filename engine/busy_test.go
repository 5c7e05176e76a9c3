package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
)

// A run that was held back because its worker asked for less has not been
// tried: it keeps its attempts, and goes out when the worker takes it.
func TestDispatch_busyWorker(t *testing.T) {
	t.Parallel()
	inBubble(t, "busy", func(t *testing.T) {
		f := newFixture(t, Options{MaxConcurrency: 1}).run()
		f.register(edges{"a": nil})
		var tries atomic.Int32
		f.fleet.refuse = func(context.Context, api.Dispatch) error {
			if tries.Add(1) <= 5 {
				time.Sleep(time.Second)
				return &DispatchError{Busy: true, Message: "asked for fewer requests"}
			}
			return nil
		}
		run := f.ended(f.trigger().ID)
		task := f.taskRun(run.ID, "a")
		if run.Status != pipeline.RunCompleted || task.Attempt != 1 || len(task.PreviousAttempts) != 0 {
			t.Errorf("%s at attempt %d after %v", run.Status, task.Attempt, task.PreviousAttempts)
		}
	})
}
