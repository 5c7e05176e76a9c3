package engine

import (
	"context"
	"fmt"

	"pipedai/pipeline"
	"pipedai/store"
)

// CancelRun cancels a pipeline run: what is pending at once, what is running
// is asked to stop with its next heartbeat. It fails with store.ErrNotFound,
// and with store.ErrConflict when the run has ended.
func (e *Engine) CancelRun(ctx context.Context, id pipeline.RunID, reason string) (store.PipelineRun, error) {
	run, err := e.store.CancelRun(ctx, id, reason)
	if err != nil {
		return store.PipelineRun{}, fmt.Errorf("cancel run %s: %w", id, err)
	}
	e.feed.Publish(runChanged(run))
	e.wakes.notify.set()
	e.mode.ended()
	return run, nil
}

// CancelTaskRun cancels a standalone task run: at once when it is pending, else
// its worker is asked to stop with its next heartbeat. It fails with
// store.ErrNotFound, or a *store.Refusal (store.ErrConflict) that says why not.
func (e *Engine) CancelTaskRun(ctx context.Context, id pipeline.TaskRunID, reason string) (store.TaskRun, error) {
	run, err := e.store.CancelTaskRun(ctx, id, reason)
	if err != nil {
		return store.TaskRun{}, fmt.Errorf("cancel task run %s: %w", id, err)
	}
	e.feed.Publish(taskChanged(run.Run, run.ID, run.Status))
	e.wakes.notify.set()
	e.mode.ended()
	return run, nil
}
