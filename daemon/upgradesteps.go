package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// wantedBy is what an upgrade of a worker is to look for.
func (h *host) wantedBy(ctx context.Context, e manifest.Entry, in upgradeInput, running string) wantedVersion {
	npm := in.NPM
	if in.FromLocal == "" && in.Channel == "" && e.Version != "" {
		now, err := h.manifest.Installed(ctx, api.ProgramWorker, e.Version)
		npm = npm || err == nil && now.Kind == manifest.InstallNPM
	}
	want := wantedVersion{
		entry: e, version: in.Version, channel: in.Channel, npm: npm, local: in.FromLocal,
		running: running, allowDowngrade: in.AllowDowngrade, remote: in.Remote,
	}
	if in.Rollback && e.Former != nil {
		want.version = *e.Former
	}
	if want.version != "" && !in.Remote { // somebody here knows what lies here
		before, err := h.manifest.Installed(ctx, api.ProgramWorker, want.version)
		want.back = err == nil
		want.npm = want.npm && (err != nil || before.Kind == manifest.InstallNPM)
	}
	return want
}

// versionOf is what a worker runs, in the program's own words; "" when nobody
// knows.
func (h *host) versionOf(ctx context.Context, e manifest.Entry, view remote.View) string {
	if view.Status != nil && view.Status.Version != nil && *view.Status.Version != "" {
		return *view.Status.Version
	}
	if e.Version != "" {
		if v, err := h.manifest.Installed(ctx, api.ProgramWorker, e.Version); err == nil {
			return cmp.Or(v.Reports, v.Version)
		}
		return e.Version
	}
	path, err := h.programOf("")
	if err != nil {
		return ""
	}
	said, _ := h.probe(ctx, path) // one that does not say is worth an upgrade
	return said
}

// upgradeCheck remembers how the worker is, and decides what it is to run.
func upgradeCheck(ctx context.Context, op *operation) error {
	e, in, st, _, err := needed(ctx, op)
	if err != nil {
		return err
	}
	h := op.h
	ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	if !st.Known {
		view := h.remote.View(e)
		_, changed := h.programOf(e.Version)
		st = upgradeState{
			Known: true, Running: e.Running, Enabled: e.Enabled, FromPin: e.Version, FromVersion: h.versionOf(ask, e, view),
			Damaged: e.Version != "" && changed != nil,
		}
	}
	found, nothing, err := h.lookFor(ask, e, in, st.FromVersion)
	if err != nil {
		return err
	}
	st.Nothing, st.ToPin, st.ToVersion = nothing, found.version, found.version
	st.Source, st.SignedBy, st.Channel, st.Notes = found.source, found.signedBy, found.channel, found.notes
	st.Size, st.Installed = found.size, found.installed
	op.found = &found
	return op.keep(ctx, st, "")
}

// lookFor finds the version that an upgrade is for. nothing says that the
// worker is at it.
func (h *host) lookFor(ctx context.Context, e manifest.Entry, in upgradeInput, running string) (found foundVersion, nothing bool, err error) {
	if in.Rollback {
		switch {
		case e.Former == nil:
			return found, false, conflict(e.Label+" was not upgraded before, so there is nothing to go back to", "name a version: "+h.command("upgrade "+e.ID+" --version <version>"))
		case *e.Former == "": // the default program is always there
			return foundVersion{source: "the default program of this host", installed: true}, e.Version == "", nil
		}
	}
	found, err = h.versions.find(ctx, h.wantedBy(ctx, e, in, running))
	var answer *api.Error
	if errors.As(err, &answer) && answer.Code == api.CodeDowngrade && in.Version == "" && in.FromLocal == "" && !in.Rollback && !in.Remote {
		return foundVersion{version: e.Version}, true, nil // the newest there is older: this one is ahead of it
	}
	if err != nil {
		return found, false, err
	}
	if err := notFailedHere(ctx, h, e, in, found.version); err != nil {
		return found, false, err
	}
	same := e.Version == "" && found.version == running && in.Parent != ""
	if e.Version != "" { // and its files are what was installed, else they are installed anew
		same = found.version == e.Version && found.installed
	}
	return found, same && found.version != "" && !in.Force, nil
}

// upgradeFetch puts the version beside the others, and asks it what it is.
func upgradeFetch(ctx context.Context, op *operation) error {
	e, in, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	h := op.h
	reports := ""
	if st.ToPin != "" || in.FromLocal != "" {
		if op.found == nil { // an earlier daemon found it
			in.Version, in.Rollback = cmp.Or(st.ToPin, in.Version), false
			want := h.wantedBy(ctx, e, in, st.FromVersion)
			want.back = true // that was decided
			found, err := h.versions.find(ctx, want)
			if err != nil {
				return err
			}
			op.found = &found
		}
		got, err := h.versions.fetch(ctx, *op.found, func(done, total int64) { op.say(fetched(done, total)) })
		if err != nil {
			return err
		}
		if err := notFailedHere(ctx, h, e, in, got.Version); err != nil {
			return err
		}
		st.ToPin, st.Installed, reports = got.Version, true, got.Reports
	}
	path, err := h.programOf(st.ToPin)
	var said string
	if err == nil {
		op.say("asking it for its version")
		said, err = h.probe(ctx, path)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && reports != "" && said != reports {
		err = fmt.Errorf("it says that it is version %s", said)
	}
	if err != nil {
		why := fmt.Sprintf("version %s cannot be used: %v", cmp.Or(st.ToPin, "of the default program"), err)
		if noted := failsHere(ctx, op, st.ToPin, why); noted != nil && st.ToPin != "" {
			return noted
		}
		return gaveUp(ctx, op, st, "probe", why, "")
	}
	st.ToVersion = said
	st.Nothing = st.ToPin == e.Version && !st.Damaged && !in.Force
	return op.keep(ctx, st, "")
}

func fetched(done, total int64) string {
	if total <= 0 {
		return fmt.Sprintf("fetching it: %d KiB", done>>10)
	}
	return fmt.Sprintf("fetching it: %d %% of %d KiB", done*100/total, total>>10)
}

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
