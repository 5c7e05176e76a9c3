package engine

import (
	"context"
	"fmt"

	"pipedai/pipeline"
	"pipedai/store"
)

// Heartbeat extends the lease of an attempt and stores its progress. It
// answers after the commit; the answer says whether the worker should stop.
func (e *Engine) Heartbeat(ctx context.Context, beat store.Heartbeat) (store.HeartbeatAnswer, error) {
	answer, err := e.beats.do(ctx, beat)
	if err != nil {
		return store.HeartbeatAnswer{}, fmt.Errorf("extend lease: %w", err)
	}
	if answer.Known && (beat.Progress != nil || beat.Message != "") {
		e.feed.Publish(taskChanged(answer.Run, beat.ID, pipeline.TaskRunning)) // whoever watches wants to see it move
	}
	return answer, nil
}
