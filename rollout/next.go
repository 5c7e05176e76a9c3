package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Change is what is to become of one target.
type Change struct {
	Target int // its index
	State  State
	Canary bool   // with Ordered: it is one of the first
	Error  string // why, where it is not the host that says so
}

// Decision is what is to be done now.
type Decision struct {
	Changes []Change // at most one for each target, in the order of the targets
	Status  Status   // of the rollout after them
	Reason  string
}

// Next decides what is to be done at the instant now. The order of the targets
// is the order of their turns. The same question has the same answer, and once
// the answer was applied there is nothing left to do until a host reports, a
// deadline passes or something of the outside changes.
func Next(r Rollout, targets []Target, now time.Time) Decision {
	n := next{targets: slices.Clone(targets), changed: map[int]Change{}}
	n.status, n.reason = r.Status, r.Reason
	n.leave(r.Status)
	n.expire(now)
	switch r.Status {
	case Aborting:
		n.withdraw()
	case Running, Paused:
		if n.end(r) {
			break
		}
		if r.Status == Running && !n.stop(r) {
			n.order(r)
		}
	}
	return n.decision()
}

// Apply carries a decision out on a copy of the targets.
func (d Decision) Apply(r Rollout, targets []Target, now time.Time) (Rollout, []Target) {
	targets = slices.Clone(targets)
	for _, c := range d.Changes {
		t := &targets[c.Target]
		t.State = c.State
		if c.Error != "" {
			t.Error = c.Error
		}
		if c.State == Ordered {
			t.Canary, t.Settled, t.Error, t.Deadline = c.Canary, false, "", now.Add(r.HostDeadline)
		}
	}
	r.Status, r.Reason = d.Status, d.Reason
	return r, targets
}

// next is a decision in the making; targets are as they will be.
type next struct {
	targets []Target
	changed map[int]Change
	status  Status
	reason  string
}

func (n *next) change(i int, c Change) {
	c.Target = i
	n.changed[i] = c
	n.targets[i].State, n.targets[i].Canary = c.State, c.Canary || n.targets[i].Canary
	if c.Error != "" {
		n.targets[i].Error = c.Error
	}
}

func (n *next) decision() Decision {
	d := Decision{Status: n.status, Reason: n.reason}
	for i := range n.targets {
		if c, ok := n.changed[i]; ok {
			d.Changes = append(d.Changes, c)
		}
	}
	return d
}

// leave drops the hosts that are not there any more. Whoever revoked one wanted
// that, so it is no failure of the version.
func (n *next) leave(status Status) {
	for i, t := range n.targets {
		if t.Gone && t.State.CanMove(Skipped) && (!status.Ended() || !t.State.Final()) {
			n.change(i, Change{State: Skipped, Error: "the host was revoked"})
		}
	}
}

// expire settles what has taken too long.
func (n *next) expire(now time.Time) {
	for i, t := range n.targets {
		if t.Deadline.IsZero() || now.Before(t.Deadline) {
			continue
		}
		switch t.State {
		case Ordered:
			n.change(i, Change{State: Overdue, Error: "the host did not begin in time"})
		case Underway:
			n.change(i, Change{State: Overdue, Error: "the host did not end in time"})
		case Withdrawing:
			n.change(i, Change{State: Withdrawn, Error: "the host did not say how it ended"})
		}
	}
}

// withdraw takes back what is open, and ends the rollout once nothing is.
func (n *next) withdraw() {
	open := false
	for i, t := range n.targets {
		switch t.State {
		case Waiting:
			n.change(i, Change{State: Withdrawn})
		case Ordered, Underway:
			n.change(i, Change{State: Withdrawing})
			open = true
		case Withdrawing:
			open = true
		}
	}
	if !open {
		n.status = Aborted
	}
}

// end ends a rollout that has no open target, and reports whether it did.
func (n *next) end(r Rollout) bool {
	if slices.ContainsFunc(n.targets, func(t Target) bool { return !t.State.Final() }) {
		return false
	}
	c := Count(n.targets)
	n.status = Succeeded
	if c.Charged > r.MaxFailures || c.Succeeded == 0 && c.Failed+c.Refused > 0 {
		n.status = Failed
	}
	n.reason = ""
	if c.Failed > 0 {
		n.reason = fmt.Sprintf("%s failed: %s", hosts(c.Failed), n.names(Target.broken))
	}
	if c.Refused > 0 {
		if n.reason != "" {
			n.reason += "; "
		}
		n.reason += fmt.Sprintf("%s refused: %s", hosts(c.Refused), n.names(func(t Target) bool { return t.State == Refused }))
	}
	return true
}

func (t Target) broken() bool { return t.State == Broken || t.State == Overdue }

// stop pauses a rollout whose failures are more than it may cause, and reports
// whether it did. A canary that fails has done its duty: it always stops it.
func (n *next) stop(r Rollout) bool {
	canary := func(t Target) bool { return t.Canary && t.failed() }
	switch c := Count(n.targets); {
	case c.Charged > r.MaxFailures:
		n.reason = fmt.Sprintf("%s failed, %d allowed: %s", hosts(c.Charged), r.MaxFailures, n.names(Target.failed))
	case slices.ContainsFunc(n.targets, canary):
		n.reason = "a canary failed: " + n.names(canary)
	default:
		return false
	}
	n.status = Paused
	return true
}

// order gives orders as far as the limits allow. A canary is whichever host
// comes first, in the order of turns: one that is away does not hold up the
// others.
func (n *next) order(r Rollout) {
	free := r.MaxUnavailable
	proven, tried := 0, 0 // canaries that succeeded; these and those that are out
	for _, t := range n.targets {
		if t.out() {
			free--
		}
		if t.Canary && t.State == Done {
			proven++
		}
		if t.Canary && (t.State == Done || t.State == Ordered || t.State == Underway) {
			tried++
		}
	}
	canaries := proven < r.Canary
	for i, t := range n.targets {
		if free <= 0 || canaries && tried >= r.Canary {
			return
		}
		if t.State != Waiting || !t.Online || t.Busy {
			continue
		}
		n.change(i, Change{State: Ordered, Canary: canaries})
		free--
		tried++
	}
}

// named is how many hosts a reason names; a list shows the others.
const named = 5

// names lists the hosts that match, for people.
func (n *next) names(match func(Target) bool) string {
	var all []string
	for _, t := range n.targets {
		if match(t) {
			all = append(all, t.Host)
		}
	}
	if more := len(all) - named; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:named], ", "), more)
	}
	return strings.Join(all, ", ")
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}
