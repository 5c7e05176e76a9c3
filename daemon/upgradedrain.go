package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
)

// handful is what the control plane says of a worker's run in hand, now.
type handful struct {
	idle    bool   // it has none, or no process that could have one
	blind   bool   // nobody can tell: this host may not list the pool's workers
	enabled bool   // it may get another one
	text    string // what there is to wait for, for people
}

// inHand asks whether a worker has a run in hand. What is known from before
// does not count: a run may have begun since.
func (h *host) inHand(ctx context.Context, e manifest.Entry) handful {
	if status, known := h.supervisor.Status(e.ID); !known || status.PID == 0 {
		return handful{idle: true}
	}
	asked := time.Now()
	refresh, cancel := context.WithTimeout(ctx, h.o.askLimit)
	_, err := h.remote.Refresh(refresh, e) // how old the view is tells whether it came through
	cancel()
	view := h.remote.View(e)
	switch {
	case errors.Is(err, remote.ErrNoPoolToken):
		return handful{blind: true}
	case view.FetchedAt.Before(asked):
		return handful{text: "waiting for the control plane to say whether a run is in hand: " + view.Err}
	case view.Status == nil:
		return handful{idle: true} // it does not know the worker, so it gave it nothing
	case view.Status.CurrentRunID == nil || *view.Status.CurrentRunID == "":
		return handful{idle: true, enabled: !view.Status.Disabled}
	default:
		return handful{enabled: !view.Status.Disabled, text: "waiting for run " + *view.Status.CurrentRunID}
	}
}

// upgradeDrain waits until the run in hand has ended. No other one comes: the
// worker is disabled, and is again if somebody enables it meanwhile. What
// becomes of a run that does not end is decided by who asked: the upgrade goes
// back, or with force goes on, and the run has the worker's stop grace.
func upgradeDrain(ctx context.Context, op *operation) error {
	e, in, st, skip, err := needed(ctx, op)
	if err != nil || skip || st.Gone {
		return err
	}
	h := op.h
	if st.DrainSince.IsZero() {
		st.DrainSince = time.Now()
		if err := op.keep(ctx, st, ""); err != nil {
			return err
		}
	}
	limit := h.o.drainLimit
	if in.DrainMs > 0 {
		limit = time.Duration(in.DrainMs) * time.Millisecond
	}
	for {
		now := h.inHand(ctx, e)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case now.enabled && st.Switch:
			op.say("it was enabled meanwhile; asking the control plane for no more work again")
			if err := h.disableAgain(ctx, op, e); err == nil && now.idle {
				continue // a run may have come before
			}
		case now.idle:
			return nil
		case now.blind: // the process knows: it ends its run before it ends
			h.o.Log.Info("nobody tells whether a pool worker has a run in hand; it has its stop grace", "worker", e.ID)
			return nil
		default:
			op.say(fmt.Sprintf("%s, up to %s more", now.text, (limit - time.Since(st.DrainSince)).Round(time.Second)))
		}
		if time.Since(st.DrainSince) > limit {
			if in.Force {
				h.o.Log.Warn("the run in hand did not end in time; it has the stop grace", "worker", e.ID, "operation", op.record().ID, "waited", limit)
				return nil
			}
			return gaveUp(ctx, op, st, api.UpgradeFailedDrain, fmt.Sprintf("%s was not idle within %s: %s", e.Label, limit, now.text),
				"try again later, give it longer with --drain-timeout, or let the run have only the stop grace with --force")
		}
		timer := time.NewTimer(h.o.drainPace)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

func (h *host) disableAgain(ctx context.Context, op *operation, e manifest.Entry) error {
	ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	return h.switchFor(ask, e, false, op)
}
