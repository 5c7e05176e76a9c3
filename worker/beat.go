package worker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pipedai/api"
)

// beat says that the worker lives, and which runs it has: at once, then often
// enough for every run, and sooner when one made progress.
func (p *puller) beat(ctx context.Context) {
	failing := false
	for {
		err := p.beatOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if fatal := refusedWorker(err); fatal != nil {
			p.fatal(fatal)
			return
		}
		if err != nil && !failing {
			p.log.Warn("heartbeat was not delivered, trying again", "error", err)
		}
		failing = err != nil
		if !p.waitForBeat(ctx) {
			return
		}
	}
}

func (p *puller) beatOnce(ctx context.Context) error {
	// A beat that hangs must not keep the next one from being sent in time.
	limit := max(p.hand.interval(p.options.BeatInterval), 5*time.Second)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := p.client.WorkerBeat(ctx, p.options.Version, api.WorkerBeatRequest{Runs: p.hand.beats()})
	if err != nil {
		return err
	}
	for _, wire := range answer.Cancel {
		p.hand.end(wire, ErrCancelled)
	}
	if answer.Rotate {
		p.rotate()
	}
	return nil
}

// waitForBeat waits until the next beat is due; false when ctx ended.
func (p *puller) waitForBeat(ctx context.Context) bool {
	started := time.Now()
	for {
		wait := p.hand.interval(p.options.BeatInterval) - time.Since(started)
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
			return true
		case <-p.hand.poke:
			timer.Stop()
		}
		// Progress goes out soon, but not each step of it on its own; a run that
		// was only just taken may make the next beat due sooner.
		if p.hand.hasNews() {
			pause := time.NewTimer(max(p.options.minBeat-time.Since(started), 0))
			select {
			case <-ctx.Done():
				pause.Stop()
				return false
			case <-pause.C:
				return true
			}
		}
	}
}

// hasNews reports whether progress waits for a beat.
func (h *hand) hasNews() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, run := range h.runs {
		if run.progress != nil {
			return true
		}
	}
	return false
}

// beatRun says that one pushed run lives: first after one interval, then after
// each, and sooner when it made progress. It ends when the run left the hand.
func (p *pusher) beatRun(run *held) {
	timer := time.NewTimer(run.interval)
	defer timer.Stop()
	for {
		said := p.client.Heartbeat
		select {
		case <-run.gone:
			return
		case <-p.live.Done():
			return
		case <-run.poke:
			said = p.client.Progress
		case <-timer.C:
		}
		ctx, cancel := context.WithTimeout(p.live, max(run.interval, 5*time.Second))
		answer, err := said(ctx, p.hand.beat(run))
		cancel()
		var remote *api.Error
		switch {
		case err == nil && answer.ShouldCancel, errors.As(err, &remote) && remote.Status == http.StatusNotFound:
			p.hand.end(run.wire, ErrCancelled)
		case err != nil && p.live.Err() == nil:
			p.log.Warn("heartbeat was not delivered", "run", run.wire, "error", err)
		}
		timer.Reset(run.interval)
		select { // the shortest time between two beats
		case <-run.gone:
			return
		case <-p.live.Done():
			return
		case <-time.After(min(p.options.minBeat, run.interval)):
		}
	}
}
