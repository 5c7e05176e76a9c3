package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
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
	ScheduledFor   time.Time      // zero: now
	Validation     ValidationMode // ValidateWarn
	Backend        string         // id of the storage backend of the run; empty: the default one
}

// Enqueued answers an Enqueue.
type Enqueued struct {
	store.EnqueuedTask
	Warnings InputErrors // what does not fit; nil when all does

	uploads []string
}

// Enqueue queues task runs, all of them or none, and returns after the commit
// with whoever can claim them awake. It fails with store.ErrMaintenance,
// *InvalidError, store.ErrNotFound for a task that is not registered, or
// *InputError.
func (e *Engine) Enqueue(ctx context.Context, wanted []Enqueue) ([]Enqueued, error) {
	if len(wanted) == 0 {
		return []Enqueued{}, nil
	}
	out, err := e.fitAll(ctx, wanted)
	if err != nil {
		return nil, err
	}
	tasks, err := e.newTasks(ctx, wanted)
	if err != nil {
		e.discardAll(ctx, tasks)
		return nil, err
	}
	for i := range tasks {
		tasks[i].Uploads = out[i].uploads
	}
	queued, err := e.store.EnqueueTasks(ctx, tasks)
	if err != nil {
		if refused(err) {
			e.discardAll(ctx, tasks)
		}
		return nil, fmt.Errorf("enqueue task runs: %w", err)
	}
	var names []pipeline.TaskID
	known, scheduled := map[pipeline.TaskID]bool{}, false
	for i, q := range queued {
		out[i].EnqueuedTask = q
		if q.Run.ID != tasks[i].ID {
			e.discardAll(ctx, tasks[i:i+1]) // an open run has the key
			continue
		}
		e.feed.Publish(api.StreamEvent{Type: "run", TaskRunID: string(q.Run.ID), Status: string(q.Run.Status)})
		e.logEach("queued", q.Run)
		scheduled = scheduled || !q.Run.ScheduledFor.IsZero()
		if !known[q.Run.Task] {
			known[q.Run.Task] = true
			names = append(names, q.Run.Task)
		}
	}
	if scheduled {
		e.wakes.due.set()
	}
	e.wakes.work(e.catalog.servicesOf(names)...)
	return out, nil
}

// fitAll holds the inputs of a batch against the schemas of their tasks, and
// has a place for every answer.
func (e *Engine) fitAll(ctx context.Context, wanted []Enqueue) ([]Enqueued, error) {
	out := make([]Enqueued, len(wanted))
	var tasks []pipeline.TaskID
	seen := map[pipeline.TaskID]bool{}
	for _, w := range wanted {
		if !seen[w.Task] && w.Validation != ValidateNone {
			seen[w.Task] = true
			tasks = append(tasks, w.Task)
		}
	}
	known, err := e.schemasOf(ctx, tasks)
	if err != nil {
		return nil, fmt.Errorf("enqueue task runs: %w", err)
	}
	names := make([][]named, len(wanted))
	for i, w := range wanted {
		names[i] = uploadsIn(w.Input)
	}
	uploads, err := e.readUploads(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("enqueue task runs: %w", err)
	}
	budget := inputschema.NewBudget()
	for i, w := range wanted {
		f := fitting{input: w.Input, names: names[i], mode: w.Validation, schemas: known, uploads: uploads, budget: budget}
		out[i].Warnings, out[i].uploads, err = f.fit([]pipeline.TaskID{w.Task})
		var refused *InputError
		switch {
		case errors.As(err, &refused):
			// Maintenance comes first, as with a trigger.
			if mode, err := e.store.Mode(ctx); err == nil && mode.Mode != store.ModeRunning {
				return nil, fmt.Errorf("enqueue task runs: %w", store.ErrMaintenance)
			}
			return nil, &InputError{Errors: refused.Errors, Index: i}
		case out[i].Warnings != nil:
			e.log.Warn("the input does not fit", "task", w.Task, "errors", told(out[i].Warnings))
		}
	}
	return out, nil
}

// newTasks gives every run an id and its input a place. After an error, what
// it returns are the inputs that may be in storage.
func (e *Engine) newTasks(ctx context.Context, wanted []Enqueue) ([]store.EnqueueTask, error) {
	now := time.Now()
	tasks := make([]store.EnqueueTask, len(wanted))
	var large errgroup.Group // inputs that do not ride in the row; several at a time
	large.SetLimit(16)
	var invalid error
	for i, w := range wanted {
		id := pipeline.NewTaskRunID(now)
		path := storage.StandaloneInputPath(string(id))
		tasks[i] = store.EnqueueTask{
			ID: id, Task: w.Task, Input: store.Input{Path: path}, Priority: w.Priority,
			ScheduledFor: w.ScheduledFor, IdempotencyKey: w.IdempotencyKey, Metadata: w.Metadata,
		}
		task := &tasks[i]
		place := func() error {
			backend, err := e.choose(w.Backend)
			if err != nil {
				return err
			}
			input, place, err := e.newInput(ctx, backend, path, w.Input)
			if err != nil {
				return fmt.Errorf("enqueue task %q: %w", w.Task, err)
			}
			task.Input = input
			task.Metadata, err = placed(w.Metadata, place)
			return err
		}
		if len(w.Input) > e.o.InlineLimit {
			large.Go(place)
		} else if invalid = place(); invalid != nil {
			tasks = tasks[:i]
			break
		}
	}
	return tasks, errors.Join(invalid, large.Wait())
}

func (e *Engine) discardAll(ctx context.Context, tasks []store.EnqueueTask) {
	for _, task := range tasks {
		if backend, err := e.backendOf(placementOf(task.Metadata)); err == nil {
			e.discard(ctx, backend, task.Input)
		}
	}
}
