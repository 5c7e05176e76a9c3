package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// Runs reads the history.
type Runs interface {
	PipelineRuns(ctx context.Context, f RunFilter) (page []PipelineRun, total int, err error) // newest first
	PipelineRun(ctx context.Context, id pipeline.RunID) (PipelineRun, error)
	// TasksOfRun lists the task runs of a pipeline run by creation.
	TasksOfRun(ctx context.Context, id pipeline.RunID) ([]TaskRun, error)
	TaskRun(ctx context.Context, id pipeline.TaskRunID) (TaskRun, error)
	// TaskRuns lists task runs by priority, then creation.
	TaskRuns(ctx context.Context, f TaskRunFilter) (page []TaskRun, total int, err error)
}

// RunFilter selects pipeline runs; zero fields do not restrict.
type RunFilter struct {
	Pipeline pipeline.ID
	Status   pipeline.RunStatus
	From, To time.Time // creation
	Limit    int       // 0: 100
	Offset   int
}

// TaskRunFilter selects task runs; zero fields do not restrict.
type TaskRunFilter struct {
	Status pipeline.TaskStatus
	Task   pipeline.TaskID
	Run    pipeline.RunID
	Limit  int // 0: 100
	Offset int
}
