package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/internal/workerlog"
	"pipedai/manifest"
	"pipedai/supervisor"
)

func (h *host) verifyLimit(in upgradeInput) time.Duration {
	if in.VerifyMs > 0 {
		return time.Duration(in.VerifyMs) * time.Millisecond
	}
	return h.o.VerifyLimit
}

// verification is how far a new version is with proving itself.
type verification struct {
	h     *host
	op    *operation
	st    upgradeState
	limit time.Duration
	began time.Time

	pid     int
	since   time.Time // of the process pid, of its first heartbeat, or of what it reports
	heard   time.Time // the last answer of the control plane
	deaf    string    // why there was none since
	beat    bool      // the process was heard there
	seen    time.Time // when last, by the control plane's clock
	reports string    // the version it says there
	twice   bool      // it said so more than once
}

// upgradeVerify waits until the version has proved itself: its process is up
// and stays, was heard at the control plane, and reports the version that was
// asked for. Clocks do not matter: a heartbeat counts when it is newer, by the
// control plane's clock, than the last of the process before. One of that
// process may still have been under way when it ended, so another version than
// the one asked for has to be said twice.
//
// A worker that is to be stopped proves nothing here; that its program says its
// version has to do.
func upgradeVerify(ctx context.Context, op *operation) error {
	e, in, st, skip, err := needed(ctx, op)
	if err != nil || skip {
		return err
	}
	h := op.h
	v := &verification{h: h, op: op, st: st, limit: h.verifyLimit(in), began: time.Now()}
	for {
		if e, err = h.manifest.Entry(ctx, e.ID); err != nil && ctx.Err() == nil {
			return again(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.Running {
			return nil // somebody stopped it
		}
		if err := h.refuseRevoked(e); err != nil {
			return err // which says nothing about the version
		}
		done, failure, why := v.look(ctx, e)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case done:
			return nil
		case failure != "":
			return v.refute(ctx, e, failure, why)
		}
		op.say(fmt.Sprintf("%s, up to %s more", why, (v.limit - time.Since(v.began)).Round(time.Second)))
		timer := time.NewTimer(h.o.verifyPace)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// look looks once. Without a failure, why is what there is to wait for.
func (v *verification) look(ctx context.Context, e manifest.Entry) (done bool, failure, why string) {
	late := time.Since(v.began) > v.limit
	s, _ := v.h.supervisor.Status(e.ID)
	if failure, why = v.absent(s, late); why != "" {
		return false, failure, why
	}
	if s.PID != v.pid {
		v.pid, v.since, v.beat = s.PID, time.Now(), false
	}
	v.ask(ctx, e)
	if now, _ := v.h.supervisor.Status(e.ID); now.PID != s.PID {
		return false, "", "waiting for the process" // it ended meanwhile; the next look tells how
	}
	return v.judge(time.Since(v.since) >= v.h.o.verifyStay, late)
}

// absent is why there is no process, or not the first one; empty when there is.
func (v *verification) absent(s supervisor.Status, late bool) (failure, why string) {
	switch {
	case s.State == supervisor.Stopped && !late:
		return "", "waiting for the process" // what is said of it is about the version before
	case s.LastError != "" && s.PID == 0:
		return api.UpgradeFailedStart, "it could not be started: " + s.LastError
	case s.TotalRestarts > v.st.Restarts, s.State == supervisor.BackingOff, s.State == supervisor.Crashed:
		return api.UpgradeFailedCrash, "it ended by itself" + ended(s)
	case s.PID == 0 && late:
		return api.UpgradeFailedStart, "it did not start within " + v.limit.String()
	case s.PID == 0:
		return "", "waiting for the process"
	}
	return "", ""
}

// judge is what the control plane's word on a process that is up comes to.
func (v *verification) judge(stays, late bool) (done bool, failure, why string) {
	want := v.st.ToVersion
	switch {
	case !v.beat && late && time.Since(v.heard) > v.limit/2:
		return false, api.UpgradeFailedHostOffline, fmt.Sprintf("this host itself did not reach the control plane (%s), so whether the version works is not known", cmp.Or(v.deaf, "no answer"))
	case !v.beat && late:
		return false, api.UpgradeFailedSilent, fmt.Sprintf("its process runs, but the control plane did not hear from it within %s: it hangs, or cannot reach the control plane", v.limit)
	case !v.beat && v.deaf != "":
		return false, "", "waiting for the control plane to answer: " + v.deaf
	case !v.beat:
		return false, "", "waiting for its first heartbeat"
	case v.reports != want && want != "" && (stays && v.twice || late):
		return false, api.UpgradeFailedVersion, fmt.Sprintf("it reports version %s, not %s", cmp.Or(v.reports, "none"), want)
	case v.reports != want && want != "":
		return false, "", "waiting for it to report version " + want
	case !stays:
		return false, "", "it works; waiting whether it stays"
	}
	return true, "", ""
}

// ask takes the control plane's word on the process.
func (v *verification) ask(ctx context.Context, e manifest.Entry) {
	ask, cancel := context.WithTimeout(ctx, v.h.o.askLimit)
	defer cancel()
	view, err := v.h.remote.Refresh(ask, e)
	switch {
	case v.st.Gone, errors.Is(err, remote.ErrNoPoolToken):
		// Nobody can tell; that the process stays up has to do.
		v.beat, v.reports = time.Since(v.since) >= v.h.o.verifyStay, v.st.ToVersion
	case err != nil:
		v.deaf = cmp.Or(view.Err, err.Error())
	default:
		v.heard, v.deaf = time.Now(), ""
		if view.Status == nil {
			return
		}
		seen := view.Status.LastSeenAt.Time
		if v.st.BeatBefore.IsZero() { // it was not known: the next one is newer
			v.st.BeatBefore = seen
			if !seen.IsZero() {
				return
			}
		}
		reports := ""
		if view.Status.Version != nil {
			reports = *view.Status.Version
		}
		if seen.After(v.st.BeatBefore) || seen.IsZero() && view.Status.Status == derivedOnline {
			switch {
			case reports != v.reports || !v.beat:
				v.since, v.twice = time.Now(), false // many a program ends after its first word
			case seen.After(v.seen):
				v.twice = true
			}
			v.beat, v.reports, v.seen = true, reports, seen
		}
	}
}

func ended(s supervisor.Status) string {
	if x := s.LastExit; x != nil {
		switch {
		case x.Code != nil:
			return fmt.Sprintf(" with exit code %d", *x.Code)
		case x.Signal != nil:
			return " by " + *x.Signal
		}
	}
	return ""
}

// keptLines is how many lines of a version that failed are told.
const keptLines = 10

// refute ends the upgrade, with what the version wrote last.
func (v *verification) refute(ctx context.Context, e manifest.Entry, failure, why string) error {
	message := fmt.Sprintf("version %s does not work for %s: %s", cmp.Or(v.st.ToVersion, v.st.ToPin), e.Label, why)
	if failure == api.UpgradeFailedHostOffline {
		message = fmt.Sprintf("version %s was taken back from %s: %s", cmp.Or(v.st.ToVersion, v.st.ToPin), e.Label, why)
	}
	v.st.LastLines = v.h.lastLines(ctx, e.ID, v.st.StartedAt)
	if n := len(v.st.LastLines); n > 0 {
		message += "; the last it wrote: " + strings.Join(v.st.LastLines[max(0, n-3):], " | ")
	}
	if failure != api.UpgradeFailedHostOffline && v.st.ToPin != "" {
		if err := failsHere(ctx, v.op, v.st.ToPin, why); err != nil {
			return err
		}
	}
	return gaveUp(ctx, v.op, v.st, failure, message, "read what it wrote: "+v.h.command("logs "+e.ID))
}

// lastLines are what a worker wrote last, since a time. They
// went through the redaction of secrets.
func (h *host) lastLines(ctx context.Context, id string, since time.Time) []string {
	files, err := h.Logs(ctx, id)
	if err != nil {
		return nil // it wrote nothing
	}
	defer files.Close()
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	page, err := files.Find(look, workerlog.Query{Since: since, Limit: keptLines})
	if err != nil {
		return nil
	}
	var lines []string
	for _, l := range page.Lines {
		text := l.Text
		if len(text) > 200 {
			text = strings.ToValidUTF8(text[:200], "") + "…"
		}
		lines = append(lines, text)
	}
	return lines
}
