package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// RunEvents keeps what workers say happened while they had a task run.
type RunEvents interface {
	// AddRunEvents keeps those that are not there yet, told by task run, attempt
	// and seq, and returns how many that were. Events of a task run that does not
	// exist are left out. Whoever sends a batch again changes nothing.
	AddRunEvents(ctx context.Context, events []RunEvent) (added int, err error)
	// RunEvents reads what came after the event with the id after, in the order
	// it came, at most limit.
	RunEvents(ctx context.Context, id pipeline.TaskRunID, after int64, limit int) ([]RunEvent, error)
	// DeleteRunEvents deletes some that came before a time, oldest first; fewer
	// than limit mean that no more are left.
	DeleteRunEvents(ctx context.Context, before time.Time, limit int) (int, error)
}

// RunEvent is one event of an attempt of a task run.
type RunEvent struct {
	ID      int64 // in the order of arrival
	TaskRun pipeline.TaskRunID
	Attempt int
	Seq     int64 // within the attempt, given by its worker
	Type    string
	At      time.Time
	Payload []byte // JSON
}
