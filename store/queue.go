package store

import (
	"context"
	"encoding/json"
	"time"

	"pipedai/pipeline"
)

// Queue moves task runs through their life.
type Queue interface {
	// StartRuns creates pipeline runs and queues their entry tasks. One result
	// per item, in order; ErrNotFound for an unknown pipeline, ErrMaintenance
	// for all of them.
	StartRuns(ctx context.Context, runs []StartRun) ([]StartedRun, error)
	// EnqueueTasks queues standalone task runs: all of them or none.
	EnqueueTasks(ctx context.Context, tasks []EnqueueTask) ([]EnqueuedTask, error)

	// ClaimTasks leases eligible task runs: pending, due, of a service that
	// Services admits, below the task's concurrency limit (exact across
	// replicas), lowest priority number first, then oldest; what Upkeep lifted
	// because it waited too long goes before all. A task at its limit does not
	// hold back others. A run is given to one claimer only.
	ClaimTasks(ctx context.Context, p ClaimTasks) ([]Claimed, error)
	// AcceptAttempts notes that workers took claimed attempts: from here the
	// heartbeat window runs. An item whose lease is lost is skipped.
	AcceptAttempts(ctx context.Context, attempts []AttemptRef) error
	// ReleaseAttempts gives back attempts that were sent to no worker, without
	// counting them. They keep their place in the queue and their number. One
	// whose task was removed meanwhile ends as cancelled, as if it had waited.
	ReleaseAttempts(ctx context.Context, attempts []AttemptRef) error
	// Held lists the attempts under way that these owners answer for, by owner.
	Held(ctx context.Context, owners []string) ([]Held, error)
	// ExtendLeases stores heartbeats and progress, one answer per item.
	ExtendLeases(ctx context.Context, beats []Heartbeat) ([]HeartbeatAnswer, error)
	// EndAttempts ends attempts, retries or dead-letters the failed ones,
	// resolves the edges of the run's graph (pipeline.Advance), queues what
	// follows and ends runs that have nothing open. One answer per item; its
	// Err is ErrLeaseLost when the attempt is not the one under lease and
	// ErrNotFound when there is no such task run. Answers that come with ErrUnsure
	// hold if the step was kept: taken again, it then says ErrLeaseLost of them.
	EndAttempts(ctx context.Context, ends []EndAttempt) ([]EndedAttempt, error)
	// StartAndClaim and EndAndClaim are StartRuns and EndAttempts, and ClaimTasks
	// right after, with one wait for the disk for both where the store can. The
	// claim sees what the first step made claimable. Its failure is not that of the
	// step, which is committed by then: it has just claimed nothing.
	StartAndClaim(ctx context.Context, runs []StartRun, p ClaimTasks) ([]StartedRun, []Claimed, error)
	EndAndClaim(ctx context.Context, ends []EndAttempt, p ClaimTasks) ([]EndedAttempt, []Claimed, error)
	// Rescue takes back up to limit leases whose deadline passed. Accepted ones
	// fail with code TIMEOUT and are retried or end as timeout. Others are given
	// back without counting, but not as the same attempt, because a worker may
	// have them without anybody knowing: the next attempt has the next number,
	// and the task run one more retry.
	Rescue(ctx context.Context, p Rescue) (Rescued, error)
	// PromoteDue makes pending runs whose time has come claimable, up to limit.
	// Next is when the following one is due; zero if there is none.
	PromoteDue(ctx context.Context, limit int) (promoted int, next time.Time, err error)
	// CancelRun cancels a pipeline run: pending tasks at once, running ones are
	// asked to stop. ErrConflict when it has ended.
	CancelRun(ctx context.Context, id pipeline.RunID, reason string) (PipelineRun, error)

	// CancelTaskRun cancels a standalone task run: at once when it is pending,
	// else its attempt is asked to stop, and cancelled when it ends without
	// completing. ErrConflict, as a *Refusal, when it has ended or belongs to a
	// pipeline run, which is cancelled as a whole.
	CancelTaskRun(ctx context.Context, id pipeline.TaskRunID, reason string) (TaskRun, error)

	// Input returns the bytes of an input that ride in the database, and
	// ErrNotFound when they are (only) in storage.
	Input(ctx context.Context, path string) ([]byte, error)
	// MarkInputStored says that the input is in storage as well.
	MarkInputStored(ctx context.Context, path string) error

	QueueStatus(ctx context.Context) (QueueStatus, error)
	Mode(ctx context.Context) (ModeStatus, error)
	// RefreshMode reads the mode and keeps the counts beside it, which other
	// programs read, up to date. It writes only what changed.
	RefreshMode(ctx context.Context) (ModeStatus, error)
	// SetMode moves the maintenance mode. ErrConflict, with the status as it is,
	// when it is not in from, or when maintenance is to be entered and something
	// is pending or running. Steps that create work see either the old mode or
	// the new one whole. The reason is kept until work is accepted again; an
	// empty one leaves what is there.
	SetMode(ctx context.Context, from []Mode, to Mode, reason ModeReason) (ModeStatus, error)
}

// Input is the input of a run. Small ones ride in the database and reach
// storage only when a worker needs them there.
type Input struct {
	Path string
	Data []byte // nil: already in storage
}

// StartRun asks for a pipeline run.
type StartRun struct {
	ID             pipeline.RunID
	Pipeline       pipeline.ID
	Input          Input
	FailureMode    pipeline.FailureMode // empty: the pipeline's own
	Priority       *int                 // nil: each task's own
	ScheduledFor   time.Time            // zero: now
	IdempotencyKey string               // see Idempotency
	IdempotencyTTL time.Duration
	Metadata       json.RawMessage
	Uploads        []string // that the input names; the first entry's run claims them
	TriggeredBy    string   // who asks, in words for people
}

// StartedRun answers a StartRun. An idempotency key may make it a run that
// exists already; its id is not the one asked for then.
type StartedRun struct {
	Run     PipelineRun
	Entries []TaskRun // in the order of Run.EntryTasks
	Err     error
}

// EnqueueTask asks for a standalone task run.
type EnqueueTask struct {
	ID             pipeline.TaskRunID
	Task           pipeline.TaskID
	Input          Input
	Priority       *int
	ScheduledFor   time.Time
	IdempotencyKey string
	Metadata       json.RawMessage
	Uploads        []string // that the input names; the run claims them
}

// EnqueuedTask answers an EnqueueTask. An idempotency key may make it a task run
// that exists already, under another id, or one born completed.
type EnqueuedTask struct {
	Run TaskRun
}

// ClaimTasks asks for work.
type ClaimTasks struct {
	// Owner is who will answer for the leases: a replica or a worker.
	Owner string
	// Services restricts the claim to these services. Empty means every service
	// that workers of are reached by push (a base URL is known).
	Services []pipeline.ServiceID
	// Limit is the most to claim. MaxRunning, if positive, bounds what runs in
	// the whole installation.
	Limit      int
	MaxRunning int
	// AcceptWithin is how long a claim may stay unaccepted before Rescue
	// releases it.
	AcceptWithin time.Duration
	// Accepted claims and accepts in one step (pull: whoever claims, runs).
	Accepted bool
	// SlotsOnly, of EndAndClaim alone, claims nothing but what can take over the
	// concurrency slots of the attempts that end; less or nothing is right too.
	SlotsOnly bool
}

// Claimed is a leased attempt with all that a dispatch needs.
type Claimed struct {
	TaskRun     TaskRun
	Task        Task
	Service     Service
	InputInline []byte // nil: read it from storage
	InputStored bool   // storage has it
}

// AttemptRef names one attempt, and who speaks for it.
type AttemptRef struct {
	ID      pipeline.TaskRunID
	Attempt int
	// Owner is who must hold the lease (ClaimTasks.Owner); to a step that names
	// another one it is lost. Empty means whoever holds it.
	Owner string
}

// Held is an attempt under way, and what it is an attempt at.
type Held struct {
	AttemptRef
	Task pipeline.TaskID
	Run  pipeline.RunID // empty: of no pipeline run
}

// Admits reports whether ref may speak for r, an attempt under lease.
func (r AttemptRef) Admits(ref AttemptRef) bool {
	return r.ID == ref.ID && r.Attempt == ref.Attempt && (ref.Owner == "" || ref.Owner == r.Owner)
}

// Heartbeat extends a lease.
type Heartbeat struct {
	AttemptRef
	Progress *float64 // percent; nil: unchanged
	Message  string
}

// HeartbeatAnswer is for one heartbeat. Known is false when the attempt is
// not (any more) the one under lease of its owner.
type HeartbeatAnswer struct {
	Known  bool
	Cancel bool            // the worker should stop
	Run    pipeline.RunID  // of a known attempt; empty: standalone
	Task   pipeline.TaskID // of a known attempt
}

// EndAttempt reports how an attempt ended. Failure is nil for success.
type EndAttempt struct {
	AttemptRef
	OutputPath   string
	OutputSize   int64
	OutputSHA256 string // hex; empty when the worker did not say
	LogsPath     string
	Assets       map[string]Asset
	AllNext      bool
	SelectedNext []pipeline.TaskID
	Failure      *Failure
}

// Failure says why an attempt failed.
type Failure struct {
	Error   string
	Code    string
	Final   bool // do not retry
	Timeout bool // a final one ends as timeout instead of failed
	// ReasonClass is ReasonInfra, or empty; see PastAttempt.
	ReasonClass string
	Details     json.RawMessage
}

// EndedAttempt is what an EndAttempt led to.
type EndedAttempt struct {
	ID          pipeline.TaskRunID
	Attempt     int
	Task        pipeline.TaskID
	Run         pipeline.RunID // empty: standalone
	Status      pipeline.TaskStatus
	Queued      []pipeline.TaskID // successors queued
	Unknown     []pipeline.TaskID // selected, but not a successor; ignored
	RetryAt     time.Time         // zero: not retried
	RunEnded    pipeline.RunStatus
	DeadLetter  pipeline.DeadLetterID
	CancelAsked bool // other attempts of the run were asked to stop
	Err         error
}

// Rescue asks for expired leases to be taken back.
type Rescue struct {
	Now   time.Time
	Limit int
}

// Rescued says what Rescue did.
type Rescued struct {
	Released int
	Ended    []EndedAttempt
	More     bool
}
