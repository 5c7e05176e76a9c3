package store

import (
	"context"
	"slices"
	"time"

	"pipedai/pipeline"
)

// RunEvents keeps what workers say happened while they had a task run.
type RunEvents interface {
	// AddRunEvents keeps those that are not there yet, told by task run, attempt
	// and seq, as far as there is room. Events of a task run that does not exist
	// are left out. Whoever sends a batch again changes nothing.
	AddRunEvents(ctx context.Context, p AddRunEvents) (AddedRunEvents, error)
	// RunEvents reads what came after the event with the id after, in the order
	// it came, at most limit.
	RunEvents(ctx context.Context, id pipeline.TaskRunID, after int64, limit int) ([]RunEvent, error)
	// DeleteRunEvents deletes some that came before a time, oldest first; fewer
	// than limit mean that no more are left.
	DeleteRunEvents(ctx context.Context, before time.Time, limit int) (int, error)
}

// AddRunEvents is events as they came, of one attempt or of several.
type AddRunEvents struct {
	Events []RunEvent
	Most   int64 // bytes of payloads that are kept of one attempt
}

// AddedRunEvents is what became of them.
type AddedRunEvents struct {
	Added  int // are kept, and were not before
	NoRoom int // are not, because their attempt has too many bytes
}

// Attempts are the attempts that the events are of, each once.
func (p AddRunEvents) Attempts() []AttemptRef {
	var out []AttemptRef
	for _, e := range p.Events {
		if ref := (AttemptRef{ID: e.TaskRun, Attempt: e.Attempt}); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
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
