package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
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
