package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/pipeline"
	"pipedai/store"
)

// Pull asks for work on behalf of a worker that cannot be reached.
type Pull struct {
	// Owner names the worker.
	Owner string
	// Services are the services it works for; at least one.
	Services []pipeline.ServiceID
	// Max is the most runs to hand over, at least 1.
	Max int
	// Wait is how long to wait for the first one; zero answers at once.
	Wait time.Duration
	// Seal is the secret the storage token is sealed with: the worker's own
	// token, so that the shared secret never leaves the control plane.
	Seal secret.Text
	// Still is asked once runs are claimed and before they are handed over. Its
	// error gives them back, uncounted, and ends the claim. Nil: it is not asked.
	Still func(ctx context.Context) error
}

// Claim hands runs to a worker that asks. It answers as soon as there is one,
// and with none when the wait is over or the engine stops. What it returns is
// leased and accepted: whoever asked, runs it.
func (e *Engine) Claim(ctx context.Context, p Pull) ([]api.Dispatch, error) {
	if len(p.Services) == 0 || p.Max < 1 || p.Seal.Empty() {
		return nil, &InvalidError{Message: "A claim names a service, at least one run and the worker's token"}
	}
	e.live.heard(p.Services...)
	waiting, leave := e.wakes.wait(p.Services)
	defer leave()
	deadline := time.NewTimer(p.Wait)
	defer deadline.Stop()
	for {
		if e.stopped() {
			return []api.Dispatch{}, nil
		}
		out, err := e.claimOnce(ctx, p)
		if err != nil || len(out) > 0 || p.Wait <= 0 {
			return out, err
		}
		every := forever
		if !e.watched.Load() { // serverless: this request is all that is awake
			every = jittered(e.o.PollInterval)
		}
		poll := time.NewTimer(every)
		select {
		case <-waiting.wake:
			poll.Stop()
		case <-poll.C:
		case <-e.stopping:
			poll.Stop()
		case <-deadline.C:
			poll.Stop()
			return []api.Dispatch{}, nil
		case <-ctx.Done():
			poll.Stop()
			return nil, ctx.Err()
		}
	}
}

// claimOnce claims and prepares what there is now.
func (e *Engine) claimOnce(ctx context.Context, p Pull) ([]api.Dispatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Not cut short: a lease whose claimer left would have to be rescued.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	runs, err := e.store.ClaimTasks(bounded, store.ClaimTasks{
		Owner: p.Owner, Services: p.Services, Limit: p.Max, MaxRunning: e.o.MaxConcurrency, Accepted: true,
	})
	if err != nil {
		return nil, fmt.Errorf("claim task runs: %w", err)
	}
	if len(runs) > 0 {
		gone := ctx.Err()
		if gone == nil && p.Still != nil {
			gone = p.Still(bounded)
		}
		if gone != nil {
			return nil, errors.Join(gone, e.giveBack(bounded, runs, p.Owner))
		}
	}
	e.claimed(runs)
	return e.prepareAll(bounded, runs, p)
}

// prepareAll makes the dispatches of claimed runs. Those that cannot be handed
// out are ended.
func (e *Engine) prepareAll(ctx context.Context, runs []store.Claimed, p Pull) ([]api.Dispatch, error) {
	out := []api.Dispatch{}
	for _, run := range runs {
		if run.Task.Removed { // see dispatch
			if err := e.giveBack(ctx, []store.Claimed{run}, p.Owner); err != nil {
				return nil, err
			}
			continue
		}
		d, err := e.prepare(ctx, run, p.Seal)
		if err == nil {
			out = append(out, d)
			continue
		}
		log := e.log.With("run", run.TaskRun.Run, "task", run.TaskRun.Task, "worker", p.Owner)
		log.Warn("prepare run for a pulling worker", "error", err)
		if err := e.failDispatch(ctx, refOf(run, p.Owner), err); err != nil && !errors.Is(err, store.ErrLeaseLost) {
			log.Error("record failed dispatch", "error", err) // the rescuer will; the other runs go out
		}
	}
	return out, nil
}

// giveBack releases runs whose claimer is gone.
func (e *Engine) giveBack(ctx context.Context, runs []store.Claimed, owner string) error {
	refs := make([]store.AttemptRef, len(runs))
	for i, run := range runs {
		refs[i] = refOf(run, owner)
	}
	if err := e.store.ReleaseAttempts(ctx, refs); err != nil {
		return fmt.Errorf("give back claimed runs: %w", err)
	}
	e.wakes.work()
	return nil
}
