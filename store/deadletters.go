package store

import (
	"context"
	"encoding/json"
	"time"

	"pipedai/pipeline"
)

// DeadLetters are task runs that failed for good, and the ways back. A task run
// enters once, when it fails for good.
type DeadLetters interface {
	// DeadLetters lists them, newest failure first. The total costs little as
	// long as nothing restricts the list.
	DeadLetters(ctx context.Context, f DeadLetterFilter) (page []DeadLetter, total int, err error)
	// DeadLetterHeads lists what is needed to tell many apart, newest failure
	// first: up to limit that follow another one, zero for the first. Limit and
	// Offset of the filter do not count. It costs the same however many there are.
	DeadLetterHeads(ctx context.Context, f DeadLetterFilter, after DeadLetterHead, limit int) ([]DeadLetterHead, error)
	// DeadLetter reads one by its id, or by the id of its task run.
	DeadLetter(ctx context.Context, ref string) (DeadLetter, error)
	// RetryDeadLetters runs them again, named as for DeadLetter: a new task run
	// with the current code and retries, the input, upstream results and
	// priority of the old one, in the same pipeline run, which goes on
	// (pipeline.Graph.Replay). All of the call commits together, with the note
	// that they were retried; one answer per item. Its Err is ErrNotFound, or a
	// *Refusal (ErrConflict): already retried, the run cancelled or not quite
	// over, the task removed. Fails with ErrMaintenance.
	RetryDeadLetters(ctx context.Context, refs []string) ([]RetriedLetter, error)
	// PurgeDeadLetters deletes up to limit that failed before a time, retried or
	// not, and says how many.
	PurgeDeadLetters(ctx context.Context, before time.Time, limit int) (int, error)
	// DeleteDeadLetters deletes those with these ids, retried or not, and says
	// how many there were. Unknown ids are left out.
	DeleteDeadLetters(ctx context.Context, ids []pipeline.DeadLetterID) (int, error)
	// ReplayRun runs everything again that broke in a pipeline run that is
	// failed, partial or cancelled, and keeps what completed. A *Refusal
	// (ErrConflict) says why not. Fails with ErrMaintenance.
	ReplayRun(ctx context.Context, id pipeline.RunID) (Replayed, error)
	// ReplayPlan says what ReplayRun would do, and changes nothing.
	ReplayPlan(ctx context.Context, id pipeline.RunID) (Replayed, error)
}

// DeadLetter is a task run that failed for good.
type DeadLetter struct {
	ID               pipeline.DeadLetterID
	TaskRun          pipeline.TaskRunID
	Task             pipeline.TaskID
	Run              pipeline.RunID // empty: standalone
	Pipeline         pipeline.ID    // of Run
	CodeVersion      int            // at the failure
	CodeHash         string
	Error            string
	Attempts         int
	PreviousAttempts []PastAttempt
	InputPath        string
	UpstreamRefs     UpstreamRefs
	FailedAt         time.Time
	RetriedAt        time.Time // zero: not retried
	RetryRun         pipeline.TaskRunID
	Metadata         json.RawMessage
}

// DeadLetterFilter selects dead letters; zero fields do not restrict.
type DeadLetterFilter struct {
	Pipeline       pipeline.ID
	Task           pipeline.TaskID
	From, To       time.Time // failure
	IncludeRetried bool
	IDs            []pipeline.DeadLetterID // nil: any
	Limit          int                     // 0: 100
	Offset         int
}

// DeadLetterHead is what tells one dead letter from another.
type DeadLetterHead struct {
	ID       pipeline.DeadLetterID
	Task     pipeline.TaskID
	FailedAt time.Time
	Error    string // its first 500 characters
}

// RetriedLetter is what a retry led to.
type RetriedLetter struct {
	ID      pipeline.DeadLetterID
	TaskRun pipeline.TaskRunID // that failed
	Run     TaskRun            // that takes its place
	Err     error
}

// Replayed is what a replay did, or would do.
type Replayed struct {
	Run PipelineRun
	// Queued run now; Later follow once what they wait for has run. Kept is how
	// many task runs that completed stay as they are. All ascending.
	Queued, Later []pipeline.TaskID
	Kept          int
}

// Refusal is an ErrConflict with the reason in words for people.
type Refusal struct{ Reason string }

// Refuse makes a *Refusal.
func Refuse(reason string) error { return &Refusal{Reason: reason} }

// Error returns the reason.
func (e *Refusal) Error() string { return e.Reason }

// Unwrap says what kind of error it is.
func (e *Refusal) Unwrap() error { return ErrConflict }
