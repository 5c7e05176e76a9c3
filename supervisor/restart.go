package supervisor

import (
	"fmt"
	"slices"
	"time"
)

// Defaults of Policy.
const (
	DefaultStable = 60 * time.Second
	DefaultBudget = 20
	jitterShare   = 0.1
)

var defaultBackoff = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 60 * time.Second, 300 * time.Second}

// Policy is when a worker that ended by itself is started again. The zero
// value restarts after any exit, also 0.
type Policy struct {
	// Backoff is the pause before the 1st, 2nd, ... restart in a row; the last
	// one repeats. 1, 5, 15, 60, 300 s when empty. Up to a tenth is added or
	// taken off by chance, so that many workers do not come back in step.
	Backoff []time.Duration
	// Stable is how long a run must last to forget the restarts before it;
	// 60 s when zero.
	Stable time.Duration
	// Budget is how many restarts in a row are tried before the worker is left
	// crashed; 20 when zero (about an hour and a quarter), negative for ever.
	Budget int
	// FinalCodes are exit codes after which a restart cannot help. 0 among
	// them leaves the worker stopped, any other leaves it crashed.
	FinalCodes []int
}

// history is what the decision looks back on.
type history struct {
	restarts  int       // in a row, without a stable run in between
	total     int       // ever
	startedAt time.Time // of the run that ended; zero when it never ran
}

// ending is how a run, or the try at one, ended.
type ending struct {
	exit     *Exit // nil for a spawn error
	spawnErr error
	// transient: the host, not the worker, is at fault (out of descriptors,
	// processes or memory), so the try does not count against the budget.
	transient bool
}

type action uint8

const (
	actRestart action = iota + 1
	actRest           // leave it stopped
	actGiveUp         // leave it crashed
)

// decision is what to do, with the reason as a person reads it.
type decision struct {
	action   action
	delay    time.Duration
	restarts int
	total    int
	reason   string
}

// decide is the whole restart policy. jitter is in [0, 1).
func decide(p Policy, h history, e ending, now time.Time, jitter float64) decision {
	restarts := h.restarts
	ran := time.Duration(0)
	if !h.startedAt.IsZero() {
		ran = now.Sub(h.startedAt)
	}
	if ran >= p.stable() {
		restarts = 0
	}
	what := describe(e)
	if e.exit != nil && e.exit.Code != nil && slices.Contains(p.FinalCodes, *e.exit.Code) {
		d := decision{action: actGiveUp, restarts: restarts, total: h.total, reason: what + "; the policy does not restart after this code"}
		if *e.exit.Code == 0 {
			d.action = actRest
		}
		return d
	}
	if e.transient {
		restarts = min(restarts, p.budget()-1) // a full budget must not trip on it
	}
	if p.Budget >= 0 && restarts >= p.budget() {
		return decision{action: actGiveUp, restarts: restarts, total: h.total,
			reason: fmt.Sprintf("%s; gave up after %d restarts without a run of %s", what, restarts, p.stable())}
	}
	restarts++
	steps := p.Backoff
	if len(steps) == 0 {
		steps = defaultBackoff
	}
	delay := steps[min(restarts, len(steps))-1]
	delay += time.Duration(float64(delay) * jitterShare * (2*jitter - 1))
	if e.transient {
		restarts--
		return decision{action: actRestart, delay: delay, restarts: max(restarts, 0), total: h.total + 1,
			reason: what + "; this host is short of resources, trying again"}
	}
	reason := fmt.Sprintf("%s; restart %d", what, restarts)
	if p.Budget >= 0 {
		reason = fmt.Sprintf("%s of %d", reason, p.budget())
	}
	return decision{action: actRestart, delay: delay, restarts: restarts, total: h.total + 1, reason: reason}
}

// Steps are the pauses of p with the default filled in.
func (p Policy) Steps() []time.Duration {
	if len(p.Backoff) == 0 {
		return slices.Clone(defaultBackoff)
	}
	return slices.Clone(p.Backoff)
}

func (p Policy) stable() time.Duration {
	if p.Stable <= 0 {
		return DefaultStable
	}
	return p.Stable
}

func (p Policy) budget() int {
	if p.Budget == 0 {
		return DefaultBudget
	}
	return max(p.Budget, 1)
}

func describe(e ending) string {
	switch {
	case e.spawnErr != nil:
		return "could not be started: " + e.spawnErr.Error()
	case e.exit == nil || e.exit.Code == nil && e.exit.Signal == nil:
		return "ended, how is not known"
	case e.exit.Signal != nil:
		return "killed by " + *e.exit.Signal
	default:
		return fmt.Sprintf("exited with code %d", *e.exit.Code)
	}
}
