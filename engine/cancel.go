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
