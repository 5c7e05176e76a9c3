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
	e.moved(beat, answer)
	return answer, nil
}

// Heartbeats is Heartbeat for several attempts, answered in order.
func (e *Engine) Heartbeats(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	answers, err := e.beats.doAll(ctx, beats)
	if err != nil {
		return nil, fmt.Errorf("extend leases: %w", err)
	}
	for i, answer := range answers {
		e.moved(beats[i], answer)
	}
	return answers, nil
}

// moved notes that the worker lives, and tells whoever watches that a run made
// progress.
func (e *Engine) moved(beat store.Heartbeat, answer store.HeartbeatAnswer) {
	if answer.Known {
		e.live.heardOf(answer.Task)
	}
	if answer.Known && (beat.Progress != nil || beat.Message != "") {
		e.feed.Publish(taskChanged(answer.Run, beat.ID, pipeline.TaskRunning))
	}
}
