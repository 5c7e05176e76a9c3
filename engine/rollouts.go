package engine

import (
	"context"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/store"
)

// rolloutsEvery is how often somebody looks whether a host took too long, or
// came back. Hosts that report move their rollout themselves.
const rolloutsEvery = 5 * time.Second

// roller gives rollouts their turn when time has passed and no host said
// anything.
type roller struct{ e *Engine }

// Run takes turns until ctx ends.
func (r roller) Run(ctx context.Context) error {
	return r.e.loop(ctx, "advance rollouts", nil, func(ctx context.Context) (time.Duration, error) {
		return jittered(rolloutsEvery), r.once(ctx)
	}, 0)
}

// once gives every rollout its turn that has something to do.
func (r roller) once(ctx context.Context) error {
	moved, err := r.e.store.AdvanceRollouts(ctx)
	r.e.RolloutsMoved(moved...)
	if err != nil {
		return fmt.Errorf("advance rollouts: %w", err)
	}
	return nil
}

// OnHostNews has fn called with hosts that something is to be told to, by this
// process. It must not block. There is one such function; the last one counts.
func (e *Engine) OnHostNews(fn func([]store.HostID)) { e.onHostNews.Store(&fn) }

// RolloutsMoved tells pages, and hosts wherever they wait, of rollouts that a
// step changed. What a host is to hear was stored with the change.
func (e *Engine) RolloutsMoved(moved ...store.Rollout) {
	for _, r := range moved {
		e.feed.Publish(api.StreamEvent{Type: "rollout", ID: string(r.ID), Status: string(r.Status)})
		e.log.Info("rollout moved", "rollout", r.ID, "status", r.Status, "reason", r.Reason, "out", r.Counts.Out, "waiting", r.Counts.Waiting,
			"succeeded", r.Counts.Succeeded, "failed", r.Counts.Failed)
		if tell := e.onHostNews.Load(); tell != nil && len(r.Told) > 0 {
			(*tell)(r.Told)
		}
	}
	if len(moved) > 0 {
		e.TellReplicas()
	}
}
