package engine

import (
	"context"
	"fmt"

	"pipedai/store"
)

// Heartbeat extends the lease of an attempt and stores its progress. It
// answers after the commit; the answer says whether the worker should stop.
func (e *Engine) Heartbeat(ctx context.Context, beat store.Heartbeat) (store.HeartbeatAnswer, error) {
	answer, err := e.beats.do(ctx, beat)
	if err != nil {
		return store.HeartbeatAnswer{}, fmt.Errorf("extend lease: %w", err)
	}
	if answer.Known && (beat.Progress != nil || beat.Message != "") && e.feed.watched() {
		// Whoever watches wants to see it move; the run's id is not in the beat.
		if run, err := e.store.TaskRun(ctx, beat.ID); err == nil {
			e.feed.Publish(taskChanged(run.Run, run.ID, run.Status))
		}
	}
	return answer, nil
}
