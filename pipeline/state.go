package pipeline

import "slices"

// TaskStatus is the state of a task run, in the words of the database and the
// API.
type TaskStatus string

const (
	// TaskPending waits to be claimed, now or at its scheduled time.
	TaskPending TaskStatus = "pending"
	// TaskWaiting is a join whose predecessors are still open. The engine never
	// writes it (open joins are counters, not rows) but reads it as open.
	TaskWaiting TaskStatus = "waiting"
	// TaskRunning is claimed: an attempt holds a lease on it.
	TaskRunning TaskStatus = "running"
	// TaskCompleted ended well.
	TaskCompleted TaskStatus = "completed"
	// TaskFailed used its attempts, or failed in a way that is not retried.
	TaskFailed TaskStatus = "failed"
	// TaskTimeout used its attempts, the last one by missing a deadline.
	TaskTimeout TaskStatus = "timeout"
	// TaskCancelled was taken back: cancelled run, fail-fast, or removed task.
	TaskCancelled TaskStatus = "cancelled"
)

// RunStatus is the state of a pipeline run.
type RunStatus string

const (
	// RunPending is created and not started (a scheduled start).
	RunPending RunStatus = "pending"
	// RunRunning has open tasks.
	RunRunning RunStatus = "running"
	// RunCompleted ended with no failure.
	RunCompleted RunStatus = "completed"
	// RunFailed ended with a failure its mode does not forgive.
	RunFailed RunStatus = "failed"
	// RunPartial ended with failures and with something to show.
	RunPartial RunStatus = "partial"
	// RunCancelled was cancelled by request.
	RunCancelled RunStatus = "cancelled"
)

// The tables of legal moves. Every write to a status names the status it
// leaves, and these tables say which pairs exist. An empty source is creation.
var (
	taskMoves = map[TaskStatus][]TaskStatus{
		"":            {TaskPending, TaskRunning, TaskCompleted}, // running: leased at birth; completed: idempotency hit
		TaskPending:   {TaskRunning, TaskCancelled},
		TaskWaiting:   {TaskPending, TaskCancelled},
		TaskRunning:   {TaskCompleted, TaskFailed, TaskTimeout, TaskCancelled, TaskPending},
		TaskFailed:    nil,
		TaskTimeout:   nil,
		TaskCompleted: nil,
		TaskCancelled: nil,
	}
	runMoves = map[RunStatus][]RunStatus{
		"":           {RunPending, RunRunning},
		RunPending:   {RunRunning, RunCancelled},
		RunRunning:   {RunCompleted, RunFailed, RunPartial, RunCancelled},
		RunFailed:    {RunRunning}, // replayed, or a dead letter of it is retried
		RunPartial:   {RunRunning},
		RunCancelled: {RunRunning}, // replayed
		RunCompleted: nil,
	}
)

// CanMove reports whether a task run may go from s to next.
func (s TaskStatus) CanMove(next TaskStatus) bool { return slices.Contains(taskMoves[s], next) }

// Terminal reports whether no move leaves s.
func (s TaskStatus) Terminal() bool {
	moves, known := taskMoves[s]
	return known && s != "" && len(moves) == 0
}

// CanMove reports whether a pipeline run may go from s to next.
func (s RunStatus) CanMove(next RunStatus) bool { return slices.Contains(runMoves[s], next) }

// Terminal reports whether a run in s has ended. A failed, partial or cancelled
// run can be taken up again (Graph.Replay); it has ended until then.
func (s RunStatus) Terminal() bool { return s != "" && s != RunPending && s != RunRunning }
