package rollout

import "slices"

// Status is where a rollout is.
type Status string

const (
	// Running gives orders as its limits allow.
	Running Status = "running"
	// Paused gives none; orders that are out go on.
	Paused Status = "paused"
	// Aborting has taken back what was out and waits for the hosts' word.
	Aborting Status = "aborting"
	// Succeeded ended within its failure budget.
	Succeeded Status = "succeeded"
	// Failed ended beyond its failure budget, or without a host that took the
	// version. It may be resumed with those that failed.
	Failed Status = "failed"
	// Aborted was ended by somebody.
	Aborted Status = "aborted"
)

// State is where a target is.
type State string

const (
	// Waiting has no order yet.
	Waiting State = "waiting"
	// Ordered has an order that its host has not answered.
	Ordered State = "ordered"
	// Underway is being carried out by its host.
	Underway State = "running"
	// Withdrawing has an order that was taken back; its host has not said how it
	// ended.
	Withdrawing State = "withdrawing"
	// Overdue was not settled by its deadline. It counts as failed, its order is
	// taken back, and the host may still say how it ended.
	Overdue State = "overdue"
	// Done runs the version.
	Done State = "succeeded"
	// Broken could not be brought to the version; its host says why.
	Broken State = "failed"
	// Refused was not begun, for a reason that the host gives. Nothing happened to
	// it, so it does not count as failed.
	Refused State = "refused"
	// Withdrawn was not carried out, because the rollout was aborted.
	Withdrawn State = "withdrawn"
	// Skipped is not meant any more: its host left.
	Skipped State = "skipped"
)

// Statuses and States list every value, for schemas and documents.
var (
	Statuses = []Status{Running, Paused, Aborting, Succeeded, Failed, Aborted}
	States   = []State{Waiting, Ordered, Underway, Withdrawing, Overdue, Done, Broken, Refused, Withdrawn, Skipped}
)

// Ended reports whether the rollout gives no order any more by itself.
func (s Status) Ended() bool { return s == Succeeded || s == Failed || s == Aborted }

// Final reports whether the target holds up the end of its rollout no more.
func (s State) Final() bool {
	return !slices.Contains([]State{Waiting, Ordered, Underway, Withdrawing}, s)
}

// The moves of a target; every other one is refused by Take and never asked
// for by Next. An empty source is creation.
var moves = map[State][]State{
	"":          {Waiting},
	Waiting:     {Ordered, Withdrawn, Skipped},
	Ordered:     {Underway, Done, Broken, Refused, Withdrawing, Overdue, Skipped},
	Underway:    {Done, Broken, Refused, Withdrawing, Overdue, Skipped},
	Withdrawing: {Done, Broken, Withdrawn, Skipped},
	Overdue:     {Done, Broken, Refused, Skipped},
	Broken:      {Waiting}, // tried again
	Refused:     {Waiting},
	Withdrawn:   {Done, Broken}, // the host's late word
	Done:        nil,
	Skipped:     nil,
}

// CanMove reports whether a target may go from s to next.
func (s State) CanMove(next State) bool { return slices.Contains(moves[s], next) }
