package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// Runs reads the history.
type Runs interface {
	// RecentRuns lists up to perPipeline of the newest runs of each pipeline,
	// without their graphs: by pipeline, newest first.
	RecentRuns(ctx context.Context, perPipeline int) ([]RunGlance, error)
	// CountRuns counts the newest runs that were created in a span of time, by
	// pipeline, by status and by part of the span. It looks at no more than Most,
	// however many there are.
	CountRuns(ctx context.Context, p CountRuns) (RunCounts, error)
	PipelineRuns(ctx context.Context, f RunFilter) (page []PipelineRun, total int, err error) // newest first
	PipelineRun(ctx context.Context, id pipeline.RunID) (PipelineRun, error)
	// TasksOfRun lists the task runs of a pipeline run by creation.
	TasksOfRun(ctx context.Context, id pipeline.RunID) ([]TaskRun, error)
	// NewsOfRun lists those task runs of a pipeline run that are named, and those
	// created after another one, by creation; and counts all that the run has.
	NewsOfRun(ctx context.Context, n RunNews) (news []TaskRun, total int, err error)
	TaskRun(ctx context.Context, id pipeline.TaskRunID) (TaskRun, error)
	// TaskRuns lists task runs by priority, then creation.
	TaskRuns(ctx context.Context, f TaskRunFilter) (page []TaskRun, total int, err error)
}

// RunGlance is what a list shows of a run.
type RunGlance struct {
	ID          pipeline.RunID
	Pipeline    pipeline.ID
	Status      pipeline.RunStatus
	CreatedAt   time.Time
	StartedAt   time.Time
	CompletedAt time.Time
}

// RunFilter selects pipeline runs; zero fields do not restrict.
type RunFilter struct {
	Pipeline pipeline.ID
	Version  string // of the definition
	Status   pipeline.RunStatus
	// Text is in the id of the run or of its pipeline, or in its error, in any case.
	Text     string
	From, To time.Time // creation
	Limit    int       // 0: 100
	Offset   int
}

// RunNews is what a reader of a pipeline run wants to hear again.
type RunNews struct {
	Run   pipeline.RunID
	Named []pipeline.TaskRunID // those that changed
	// After is the last task run that the reader knows of. Creations may become
	// visible out of order, so the total decides whether it knows of all.
	After pipeline.TaskRunID
	Limit int // of each kind; 0: 100
}

// TaskRunFilter selects task runs; zero fields do not restrict.
type TaskRunFilter struct {
	Status pipeline.TaskStatus
	Task   pipeline.TaskID
	Run    pipeline.RunID
	Code   int  // the version of the code
	Newest bool // newest first, not by priority
	Limit  int  // 0: 100
	Offset int
}

// CountRuns says which runs are counted: those created at From or later, and before To.
type CountRuns struct {
	From, To time.Time
	Part     time.Duration // the length of one part of the span
	Most     int           // runs that are looked at, the newest first
}

// RunCounts is what CountRuns found.
type RunCounts struct {
	Cells []RunCount // in no order; without those that are zero
	// Counted is how many runs were looked at, and Oldest when the oldest of them
	// was created. When Counted is Most there may be older ones.
	Counted int
	Oldest  time.Time
	Failed  []FailedRun // of each pipeline with failed runs among them the newest, in no order
}

// RunCount is the number of runs of a pipeline in one part of a span that are
// in a status now.
type RunCount struct {
	Pipeline pipeline.ID
	Part     int // from 0
	Status   pipeline.RunStatus
	Runs     int
}

// FailedRun is a run that failed, and why.
type FailedRun struct {
	ID        pipeline.RunID
	Pipeline  pipeline.ID
	Error     string // its first 500 characters
	CreatedAt time.Time
}
