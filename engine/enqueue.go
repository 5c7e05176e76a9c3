package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

// Enqueue asks for a run of one task, outside any pipeline.
type Enqueue struct {
	Task           pipeline.TaskID
	Input          json.RawMessage // empty: {}
	Priority       *int            // nil: the task's own
	Metadata       json.RawMessage
	IdempotencyKey string
	ScheduledFor   time.Time // zero: now
}

// Enqueue queues task runs, all of them or none, and returns after the commit
// with whoever can claim them awake. It fails with store.ErrMaintenance,
// *InvalidError, or store.ErrNotFound for a task that is not registered.
func (e *Engine) Enqueue(ctx context.Context, wanted []Enqueue) ([]store.EnqueuedTask, error) {
	if len(wanted) == 0 {
		return []store.EnqueuedTask{}, nil
	}
	now := time.Now()
	tasks := make([]store.EnqueueTask, 0, len(wanted))
	names := make([]pipeline.TaskID, 0, len(wanted))
	for _, w := range wanted {
		id := pipeline.NewTaskRunID(now)
		input, err := e.newInput(ctx, storage.StandaloneInputPath(string(id)), w.Input)
		if err != nil {
			e.discardAll(ctx, tasks)
			return nil, fmt.Errorf("enqueue task %q: %w", w.Task, err)
		}
		names = append(names, w.Task)
		tasks = append(tasks, store.EnqueueTask{
			ID: id, Task: w.Task, Input: input, Priority: w.Priority,
			ScheduledFor: w.ScheduledFor, IdempotencyKey: w.IdempotencyKey, Metadata: w.Metadata,
		})
	}
	queued, err := e.store.EnqueueTasks(ctx, tasks)
	if err != nil {
		if refused(err) {
			e.discardAll(ctx, tasks)
		}
		return nil, fmt.Errorf("enqueue task runs: %w", err)
	}
	for _, q := range queued {
		e.feed.Publish(api.StreamEvent{Type: "run", TaskRunID: string(q.Run.ID), Status: string(q.Run.Status)})
		if !q.Run.ScheduledFor.IsZero() {
			e.wakes.due.set()
		}
	}
	e.wakes.work(e.catalog.servicesOf(names)...)
	return queued, nil
}

func (e *Engine) discardAll(ctx context.Context, tasks []store.EnqueueTask) {
	for _, task := range tasks {
		e.discard(ctx, task.Input)
	}
}
