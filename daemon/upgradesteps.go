package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// upgradeDisable has the control plane give the worker no work for the time of
// the upgrade. One that is to be stopped here stays without a process.
func upgradeDisable(ctx context.Context, op *operation) error {
	e, _, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	h := op.h
	ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	if !st.Asked {
		process, _ := h.supervisor.Status(e.ID)
		here := e.Running || process.PID != 0
		st.Switch, st.Held, st.Asked = e.Enabled && here, !here, true
		if st.Switch {
			// An operator may have disabled it there: then it gets that back.
			if view, err := h.remote.Refresh(ask, e); err == nil && view.Status != nil && view.Status.Disabled {
				st.Switch = false
			}
		}
		if err := op.keep(ctx, st, ""); err != nil {
			return err
		}
	}
	if st.Held {
		h.holds.set(e.ID, op.record().ID)
	}
	if !st.Switch {
		return nil
	}
	err = h.switchFor(ask, e, false, op)
	if errors.Is(err, errGoneUpstream) {
		st.Gone = true
		return op.keep(ctx, st, "")
	}
	var up *upstreamError
	if errors.As(err, &up) && !undecided(err) {
		up.local.Message = e.Label + " could not be upgraded, for it could not be disabled; nothing was changed"
	}
	return settleUpstream(op, err)
}

// upgradePin chooses the version for the next start. Nothing runs from it yet.
func upgradePin(ctx context.Context, op *operation) error {
	e, _, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	return op.h.pin(ctx, e, st.ToPin)
}

func (h *host) pin(ctx context.Context, e manifest.Entry, version string) error {
	if err := h.manifest.SetVersion(ctx, e.ID, version); err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return again(h.unwritten(err))
	}
	return nil
}

// upgradeStop ends the process before, and keeps the worker without one.
func upgradeStop(ctx context.Context, op *operation) error {
	e, _, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	if err := hold(ctx, op, e, &st); err != nil {
		return err
	}
	h := op.h
	if err := h.ended(ctx, e.ID); err != nil {
		return err
	}
	// What the control plane hears from now on is not from this process.
	ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	if view, err := h.remote.Refresh(ask, e); err == nil && view.Status != nil {
		st.BeatBefore = view.Status.LastSeenAt.Time
	}
	return op.keep(ctx, st, "")
}

// ended waits until a worker that is to be stopped has no process.
func (h *host) ended(ctx context.Context, id string) error {
	err := h.supervisor.Stop(ctx, id)
	switch {
	case err == nil, errors.Is(err, supervisor.ErrUnknown):
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return again(err)
}

// hold keeps a worker without a process: the journal knows first.
func hold(ctx context.Context, op *operation, e manifest.Entry, st *upgradeState) error {
	if !st.Held {
		st.Held = true
		if err := op.keep(ctx, *st, ""); err != nil {
			return err
		}
	}
	op.h.holds.set(e.ID, op.record().ID)
	limit, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	if _, err := op.h.reload(limit); err != nil {
		return again(err)
	}
	op.h.changed()
	return nil
}

// let lets go: the worker is again what people want it to be.
func let(ctx context.Context, op *operation, st *upgradeState) error {
	worker := op.record().EntryID
	if st.Held {
		st.Held = false
		if err := op.keep(ctx, *st, ""); err != nil {
			return err
		}
	}
	op.h.holds.release(worker, op.record().ID)
	limit, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	if _, err := op.h.reload(limit); err != nil {
		return again(err)
	}
	op.h.changed()
	return nil
}

// upgradeStart starts the worker from the chosen version, if it is to run.
func upgradeStart(ctx context.Context, op *operation) error {
	e, _, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	if st.Held {
		// It has no process; but a daemon that has just begun may still have to
		// look at what there was.
		if err := op.h.ended(ctx, e.ID); err != nil {
			return err
		}
		process, _ := op.h.supervisor.Status(e.ID)
		st.Restarts, st.StartedAt = process.TotalRestarts, time.Now()
	} // else it was started by an earlier daemon
	return let(ctx, op, &st)
}

// upgradeRestore ends the exception: work comes again if it came before.
func upgradeRestore(ctx context.Context, op *operation) error {
	e, _, st, err := upgrading(ctx, op)
	if err != nil || e.ID == "" || st.Nothing {
		return err
	}
	if st.FromPin != st.ToPin { // else what there was before is still what to go back to
		if err := op.h.manifest.SetFormer(ctx, e.ID, &st.FromPin); err != nil && !errors.Is(err, manifest.ErrNotFound) {
			return again(op.h.unwritten(err))
		}
	}
	if err := op.h.manifest.ForgetFailed(ctx, e.ID, api.ProgramWorker, st.ToPin); err != nil {
		return again(op.h.unwritten(err))
	}
	return enableAgain(ctx, op, st)
}

// enableAgain has the control plane give a worker work that it got before,
// unless this host was told otherwise meanwhile. Nothing but an answer ends it:
// a worker is not left without work that nobody took from it. That the control
// plane revoked the credential is an answer: here all is as it was, and there it
// is for whoever connects the host again.
func enableAgain(ctx context.Context, op *operation, st upgradeState) error {
	h := op.h
	for st.Switch && !st.Gone && !op.refused {
		e, err := h.manifest.Entry(ctx, op.record().EntryID)
		if errors.Is(err, manifest.ErrNotFound) || err == nil && !e.Enabled {
			return nil
		}
		if err != nil {
			return again(err)
		}
		ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
		err = h.switchFor(ask, e, true, op)
		cancel()
		if why := h.credentialGone(e, err); why != nil {
			return noWork(ctx, op, st, e, why)
		}
		if err != nil && !gone(err) {
			op.settle() // what comes next for this worker need not wait for it
			return again(err)
		}
		now, err := h.manifest.Entry(ctx, e.ID)
		if err != nil || now.Enabled {
			break
		} // disabled here at the same moment: that stays
		ask, cancel = context.WithTimeout(ctx, h.o.askLimit)
		err = h.switchFor(ask, e, false, op)
		cancel()
		if err != nil && !gone(err) {
			return again(err)
		}
	}
	e, err := h.manifest.Entry(ctx, op.record().EntryID)
	if err == nil {
		refresh, cancel := context.WithTimeout(ctx, refreshTimeout)
		_, _ = h.remote.Refresh(refresh, e) // what is not known now is told later
		cancel()
	}
	h.changed()
	return nil
}

// noWork ends the wish to have a worker enabled at a control plane that does not
// hear this host any more, and says what is left to do.
func noWork(ctx context.Context, op *operation, st upgradeState, e manifest.Entry, why error) error {
	st.Warning = fmt.Sprintf("%s gets no work until it is enabled again: %v. Connect this host (%s), then: %s",
		e.Label, why, op.h.connect(e.APIURL), op.h.command("enable "+e.ID))
	op.h.o.Log.Warn("a worker was not given work again", "worker", e.ID, "operation", op.record().ID, "error", why)
	op.h.changed()
	return op.keep(ctx, st, "")
}

// upgradePrune removes versions that nobody runs or goes back to.
func upgradePrune(ctx context.Context, op *operation) error {
	if err := op.h.pruneVersions(ctx); err != nil && ctx.Err() == nil {
		op.h.o.Log.Warn("old versions stay", "error", err)
	}
	return nil
}

func (h *host) pruneVersions(ctx context.Context) error {
	keep, err := VersionsInUse(ctx, h.manifest, h.o.Dir, api.ProgramWorker)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	return h.versions.prune(limit, keep)
}
