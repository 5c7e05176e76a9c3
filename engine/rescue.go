package engine

import (
	"context"
	"fmt"
	"time"

	"pipedai/store"
)

// rescueBatch bounds one transaction of the rescuer.
const rescueBatch = 200

// rescuer takes back runs whose lease expired: those claimed by an engine that
// died before it reached a worker, and those of workers that fell silent or
// took too long. Deadlines are columns, so whichever replica gets there does it.
type rescuer struct{ e *Engine }

// Run sweeps at the start and when an expired lease was seen (glance.go), until
// ctx ends.
func (r rescuer) Run(ctx context.Context) error {
	return r.e.loop(ctx, "rescue lost runs", r.e.wakes.rescue, func(ctx context.Context) (time.Duration, error) {
		_, more, err := r.once(ctx)
		if more {
			return 0, err
		}
		return forever, err
	}, 0)
}

// once takes back one batch.
func (r rescuer) once(ctx context.Context) (taken int, more bool, err error) {
	rescued, err := r.e.store.Rescue(ctx, store.Rescue{Limit: rescueBatch})
	if err != nil {
		return 0, false, fmt.Errorf("rescue lost runs: %w", err)
	}
	if rescued.Released > 0 {
		r.e.log.Warn("gave back runs that no worker is known to have", "runs", rescued.Released)
		r.e.wakes.work()
	}
	for _, end := range rescued.Ended {
		if end.Err != nil {
			continue
		}
		r.e.log.Warn("took back a lost run", "run", end.Run, "task", end.Task, "task_run", end.ID, "attempt", end.Attempt,
			"status", end.Status, "retry_at", end.RetryAt)
	}
	r.e.metrics.released.Add(float64(rescued.Released))
	r.e.metrics.rescued.Add(float64(len(rescued.Ended)))
	if r.e.afterEnds(rescued.Ended, 0) {
		r.e.wakes.claimer.set()
	}
	return rescued.Released + len(rescued.Ended), rescued.More, nil
}
