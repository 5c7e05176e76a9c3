package daemon

import (
	"context"
	"errors"
	"time"

	"pipedai/supervisor"
)

// The way back of an upgrade. Each part is taken back on its own, the last
// first, whether or not it had come to its end.

// upgradeEnd ends the process of the version that did not prove itself. It has
// no run in hand, so it is not given long.
func upgradeEnd(ctx context.Context, op *operation) error {
	e, _, st, err := upgrading(ctx, op)
	if err != nil || e.ID == "" || st.Nothing {
		return err
	}
	if err := hold(ctx, op, e, &st); err != nil {
		return err
	}
	h := op.h
	quick, cancel := context.WithTimeout(ctx, min(quickGrace, h.o.StopGrace))
	err = h.supervisor.Stop(quick, e.ID)
	cancel()
	if err != nil && ctx.Err() == nil && !errors.Is(err, supervisor.ErrUnknown) {
		if err := h.supervisor.Kill(e.ID); err != nil && !errors.Is(err, supervisor.ErrUnknown) {
			return again(err)
		}
	}
	return h.ended(ctx, e.ID)
}

// upgradeUnpin chooses the version from before, and has the worker run from it
// if it is to run.
func upgradeUnpin(ctx context.Context, op *operation) error {
	e, in, st, err := upgrading(ctx, op)
	if err != nil || e.ID == "" || st.Nothing {
		return err
	}
	if err := op.h.pin(ctx, e, st.FromPin); err != nil {
		return err
	}
	if err := let(ctx, op, &st); err != nil {
		return err
	}
	op.h.waitUp(ctx, e.ID, op.h.verifyLimit(in))
	return nil
}

// waitUp waits until a worker that is to run does, but not for ever: one that
// did not run before, or whose control plane revoked this host, does not now.
func (h *host) waitUp(ctx context.Context, id string, limit time.Duration) {
	tick := time.NewTicker(stopPoll)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		s, known := h.supervisor.Status(id)
		e, err := h.manifest.Entry(ctx, id)
		switch {
		case !known, err != nil, !e.Running, h.refuseRevoked(e) != nil, s.State == supervisor.Crashed, s.State == supervisor.BackingOff:
			return
		case s.State == supervisor.Running && s.PID != 0 && !s.Draining:
			return
		case s.Draining: // it ends within its grace, and then starts
			deadline = time.Now().Add(limit)
		case time.Now().After(deadline):
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// upgradeEnable takes back that the worker gets no work, and that it has no
// process.
func upgradeEnable(ctx context.Context, op *operation) error {
	e, _, st, err := upgrading(ctx, op)
	if err != nil || e.ID == "" || st.Nothing || !st.Asked {
		return err
	}
	if st.Held {
		if err := let(ctx, op, &st); err != nil {
			return err
		}
	}
	return enableAgain(ctx, op, st)
}
