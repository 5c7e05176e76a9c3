package flow

import (
	"context"
	"encoding/json"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Tx is what a Batch reads and takes inside the store's transaction.
type Tx interface {
	// Joins returns the counts that exist of the tasks named for each run; nil
	// names all of them.
	Joins(ctx context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges, error)
	// Pipelines returns the pipeline definitions that exist.
	Pipelines(ctx context.Context, ids []pipeline.ID) (map[pipeline.ID]store.Pipeline, error)
	// Tasks returns the task definitions that exist.
	Tasks(ctx context.Context, ids []pipeline.TaskID) (map[pipeline.TaskID]Task, error)
	// Outputs returns the results of those of the tasks named that completed.
	Outputs(ctx context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]store.Upstream, error)
	// ClaimKeys gives keys to task runs (in this transaction, so that of two
	// that ask at once the second waits) and says what stands against those it
	// did not give. A key that its run does not hold any more is given.
	ClaimKeys(ctx context.Context, claims []KeyClaim) (map[string]KeyState, error)
	// ClaimRunKeys does so for pipeline runs; it answers with the runs that hold
	// a key.
	ClaimRunKeys(ctx context.Context, claims []RunKeyClaim) (map[string]store.StartedRun, error)
	// TakePending takes the queued task runs of a pipeline run out of the queue.
	TakePending(ctx context.Context, run pipeline.RunID) ([]Pending, error)
	// AskToStop marks the leases of a pipeline run and returns how many there are.
	AskToStop(ctx context.Context, run pipeline.RunID) (int, error)
}

// Task is a definition with what queueing needs besides.
type Task struct {
	store.Task
	RemovedIn string // version of the service that no longer has it
	LastRun   int    // code version of its newest run; 0: it never ran
}

// Run is a pipeline run under lock.
type Run struct {
	ID         pipeline.RunID
	Graph      *pipeline.Graph // its snapshot
	Mode       pipeline.FailureMode
	Status     pipeline.RunStatus
	Open       int // task runs that have not ended
	Tally      pipeline.Tally
	Priority   *int // given by the trigger; nil: each task's own
	InputPath  string
	Placement  json.RawMessage // see Placement; nil: none
	Error      string          // of the first final failure
	EndOutput  string          // output of the end task that completed last
	OutputPath string
	Ended      bool // by this batch
	Reopened   bool // by this batch: it had ended
	Blamed     bool // by this batch: Error is new
}

func (r *Run) active() bool {
	return r.Status == pipeline.RunRunning || r.Status == pipeline.RunPending
}

// Held is an attempt whose lease the transaction took away from its owner.
type Held struct {
	store.AttemptRef
	Task     pipeline.TaskID
	Run      pipeline.RunID
	Slot     bool // it counts against its task's concurrency limit
	Accepted bool
	Cancel   bool
	Deadline time.Time     // when the task's own timeout passes
	Timeout  time.Duration // of the task, when it was claimed
	Retry    pipeline.RetryPolicy
	// RemovedIn is the version of its service that no longer has the task; empty:
	// it is there.
	RemovedIn string
	Key       string // idempotency key, not scoped
}

// Pending is a task run taken out of the queue.
type Pending struct {
	ID   pipeline.TaskRunID
	Task pipeline.TaskID
	Run  pipeline.RunID
}

// Changes is what the store has to write, in this order.
type Changes struct {
	Starts      []Start
	Inputs      []store.Input
	Finishes    []Finish
	Requeues    []Requeue
	Cancels     []Cancel
	DeadLetters []DeadLetter
	Supersedes  []Supersede
	Inserts     []Insert
	Claims      []KeyClaim // of runs that repeat others; a key that is taken is left
	Hits        []Hit
	Caches      []Cached
	Unclaims    []pipeline.TaskRunID // their keys, where they have some
	Joins       []Join
	Runs        []*Run // locked ones that changed
	Seen        map[pipeline.TaskID]int
	Freed       map[pipeline.TaskID]int // slots of tasks with a concurrency limit
	Counts      Counts
	Uploads     []UploadClaim // after all the others
}

// UploadClaim gives the uploads that an input names to a task run, and lets every
// task run with that input use them.
type UploadClaim struct {
	Path    string // of the input
	TaskRun pipeline.TaskRunID
	Uploads []string
}

// Start is a new pipeline run.
type Start struct {
	store.PipelineRun
	Priority *int
	Open     int
}

// Insert is a new task run. A scheduled time after now puts it under the
// timer, otherwise it is claimable at once.
type Insert struct {
	store.TaskRun
	Service pipeline.ServiceID
	Limited bool // its task has a concurrency limit
}

// Finish ends a task run that is running.
type Finish struct {
	ID           pipeline.TaskRunID
	Status       pipeline.TaskStatus
	OutputPath   string
	OutputSize   int64
	OutputSHA256 string
	LogsPath     string
	Assets       map[string]store.Asset
	SelectedNext []pipeline.TaskID // nil: all
	Error        string
	ErrorCode    string
	Details      json.RawMessage
	Past         *store.PastAttempt // appended
}

// Requeue makes a running task run pending again: at Due, or at once. Attempt
// is the number the next attempt has, Retries how far the numbers may go: the
// last attempt is number Retries+1.
type Requeue struct {
	ID      pipeline.TaskRunID
	Attempt int
	Retries int
	Due     time.Time
	Past    *store.PastAttempt

	run pipeline.RunID
	by  int
}

// Cancel ends a task run that is pending.
type Cancel struct {
	ID    pipeline.TaskRunID
	Error string
}

// DeadLetter records a task run that failed for good; the rest of it is copied
// from the task run.
type DeadLetter struct {
	ID      pipeline.DeadLetterID
	TaskRun pipeline.TaskRunID
	Error   string
	Details json.RawMessage
}

// Supersede makes a task run that ended void in favour of another, and its dead
// letter with it.
type Supersede struct {
	ID, By pipeline.TaskRunID
}

// Join is the new count of one join.
type Join struct {
	Run  pipeline.RunID
	Task pipeline.TaskID
	pipeline.Edges
}

// Counts are differences to the kept counts.
type Counts struct {
	Pending, Running, Completed, Failed, DeadLetters int
}
