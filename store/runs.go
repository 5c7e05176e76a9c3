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
	PipelineRuns(ctx context.Context, f RunFilter) (page []PipelineRun, total int, err error) // newest first
	PipelineRun(ctx context.Context, id pipeline.RunID) (PipelineRun, error)
	// TasksOfRun lists the task runs of a pipeline run by creation.
	TasksOfRun(ctx context.Context, id pipeline.RunID) ([]TaskRun, error)
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
