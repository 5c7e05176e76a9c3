package rollout

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound what a rollout may do at once and what it may break.
type Limits struct {
	// Canary hosts go first and alone: no other is ordered before so many of them
	// succeeded. Zero: none.
	Canary int
	// MaxUnavailable hosts have an order at the same time, at most. At least one.
	MaxUnavailable int
	// MaxFailures hosts may fail; one more and the rollout pauses.
	MaxFailures int
	// HostDeadline is how long one host may take, from its order on.
	HostDeadline time.Duration
}

// Validate says everything that is wrong with the limits.
func (l Limits) Validate() error {
	var errs []error
	if l.Canary < 0 {
		errs = append(errs, errors.New("canary must not be negative"))
	}
	if l.MaxUnavailable < 1 {
		errs = append(errs, errors.New("max-unavailable must be at least 1"))
	}
	if l.MaxFailures < 0 {
		errs = append(errs, errors.New("max-failures must not be negative"))
	}
	if l.HostDeadline < time.Minute {
		errs = append(errs, fmt.Errorf("the deadline of a host must be at least %v", time.Minute))
	}
	return errors.Join(errs...)
}

// Rollout is one version on its way to some hosts.
type Rollout struct {
	Limits
	Status Status
	Reason string // why it paused or how it ended, for people
}

// Target is one host of a rollout.
type Target struct {
	Host  string // for people
	State State
	// Canary says that it was ordered as one of the first.
	Canary bool
	// Forgiven says that it failed and that somebody went on all the same: it
	// does not count any more.
	Forgiven bool
	// Settled says that the host has said its last word about the order.
	Settled  bool
	Deadline time.Time // of the order that is out; zero before
	// Error is why it failed, was refused or was skipped.
	Error string

	// How things are at this moment, which is not part of the rollout.

	Online bool // the host was heard of lately
	Busy   bool // the host has an order of another rollout, not settled
	Gone   bool // the host was revoked or removed
}

// out reports whether the host may be unavailable because of the rollout. One
// that is overdue and away holds no place: nobody knows when it comes back, and
// then it finds its order taken back.
func (t Target) out() bool {
	switch t.State {
	case Ordered, Underway, Withdrawing:
		return true
	case Overdue:
		return !t.Settled && t.Online && !t.Gone
	}
	return false
}

// failed reports whether the target counts against the failure budget.
func (t Target) failed() bool {
	return (t.State == Broken || t.State == Overdue) && !t.Forgiven
}

// Counts sums the targets of a rollout up.
type Counts struct {
	Total, Waiting, Offline, Out, Succeeded, Failed, Refused, Withdrawn, Skipped int
	// Charged are the failures that count against the budget.
	Charged int
}

// Count sums targets up. Offline is the part of Waiting whose host is not heard
// of; Out is whatever has an order that holds a place.
func Count(targets []Target) Counts {
	c := Counts{Total: len(targets)}
	for _, t := range targets {
		if t.out() {
			c.Out++
		}
		if t.failed() {
			c.Charged++
		}
		switch t.State {
		case Waiting:
			c.Waiting++
			if !t.Online {
				c.Offline++
			}
		case Done:
			c.Succeeded++
		case Broken, Overdue:
			c.Failed++
		case Refused:
			c.Refused++
		case Withdrawn:
			c.Withdrawn++
		case Skipped:
			c.Skipped++
		}
	}
	return c
}

// Plus sums up, with n times what o counts.
func (c Counts) Plus(o Counts, n int) Counts {
	c.Total += n * o.Total
	c.Waiting += n * o.Waiting
	c.Offline += n * o.Offline
	c.Out += n * o.Out
	c.Succeeded += n * o.Succeeded
	c.Failed += n * o.Failed
	c.Refused += n * o.Refused
	c.Withdrawn += n * o.Withdrawn
	c.Skipped += n * o.Skipped
	c.Charged += n * o.Charged
	return c
}
