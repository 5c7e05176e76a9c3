package rollout

import "slices"

// Pause holds a rollout up; ok is false when there is nothing to hold up.
func Pause(r Rollout, why string) (_ Rollout, ok bool) {
	if r.Status != Running {
		return r, false
	}
	r.Status, r.Reason = Paused, why
	return r, true
}

// Resume goes on with a rollout that is paused, or with retry one that failed:
// with retry, those that failed or refused are tried again; without, they are
// forgiven and do not count any more. ok is false when that makes no
// difference.
func Resume(r Rollout, targets []Target, retry bool) (_ Rollout, _ []Target, ok bool) {
	targets = slices.Clone(targets)
	retried := false
	for i := range targets {
		t := &targets[i]
		switch {
		case retry && t.retriable() && !t.Gone:
			*t = Target{Host: t.Host, State: Waiting, Online: t.Online, Busy: t.Busy}
			retried = true
		case t.broken():
			t.Forgiven = true
		}
	}
	if r.Status != Paused && (r.Status != Failed || !retried) {
		return r, targets, false
	}
	r.Status, r.Reason = Running, ""
	return r, targets, true
}

// retriable reports whether the host may be asked again. One that is overdue
// may not: its order is in the way until the host has said how it ended.
func (t Target) retriable() bool { return t.State == Broken || t.State == Refused }

// Abort ends a rollout; ok is false when it has ended or is ending. What is out
// is taken back by Next.
func Abort(r Rollout, why string) (_ Rollout, ok bool) {
	if r.Status != Running && r.Status != Paused {
		return r, false
	}
	r.Status, r.Reason = Aborting, why
	return r, true
}
