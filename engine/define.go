package engine

import (
	"cmp"
	"context"
	"fmt"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// Define is a pipeline as people write it down. Its graph is not part of it:
// that follows from where its entries lead.
type Define struct {
	ID          pipeline.ID
	Name        string // the id
	Description string
	EntryTasks  []pipeline.TaskID
	FailureMode pipeline.FailureMode // fail-fast
	Version     string               // 1.0.0
	Metadata    []byte               // a JSON object
	// Try validates, and stores nothing.
	Try bool
}

// defineTries bounds how often a definition is made again because tasks were
// registered at the same moment.
const defineTries = 3

// Define creates or replaces an explicit definition, after a look at the whole
// graph that its entries lead to. It fails with *InvalidPipelineError when that
// cannot run. The validation of one that is only tried may have errors.
func (e *Engine) Define(ctx context.Context, d Define) (store.Pipeline, pipeline.Validation, error) {
	for try := 1; ; try++ {
		p, validation, tasks, err := e.draft(ctx, d)
		if err != nil {
			return store.Pipeline{}, validation, fmt.Errorf("define pipeline %q: %w", d.ID, err)
		}
		if d.Try {
			return p, validation, nil
		}
		if !validation.Valid() {
			return store.Pipeline{}, validation, &InvalidPipelineError{Validation: validation}
		}
		stored, err := e.store.PutPipeline(ctx, p)
		if err != nil {
			return store.Pipeline{}, validation, fmt.Errorf("define pipeline %q: %w", d.ID, err)
		}
		// A registration before the write is not in the graph; one after it renews
		// the graph itself.
		now, err := e.store.Tasks(ctx, "")
		if err != nil {
			return store.Pipeline{}, validation, fmt.Errorf("define pipeline %q: list tasks: %w", d.ID, err)
		}
		if try < defineTries && newer(now, tasks) {
			continue
		}
		e.catalog.forget()
		e.feed.Publish(api.StreamEvent{Type: "pipeline", PipelineID: string(stored.ID)})
		return stored, validation, nil
	}
}

// draft is the definition with its graph, and what is wrong with it.
func (e *Engine) draft(ctx context.Context, d Define) (store.Pipeline, pipeline.Validation, []store.Task, error) {
	validation := pipeline.Validation{Errors: []string{}, Warnings: []string{}}
	tasks, err := e.store.Tasks(ctx, "")
	if err != nil {
		return store.Pipeline{}, validation, nil, fmt.Errorf("list tasks: %w", err)
	}
	p := store.Pipeline{
		ID: d.ID, Name: cmp.Or(d.Name, string(d.ID)), Description: d.Description, EntryTasks: d.EntryTasks,
		Structure:   store.Registrations(tasks).Reachable(d.EntryTasks),
		FailureMode: cmp.Or(d.FailureMode, pipeline.FailFast), Version: cmp.Or(d.Version, "1.0.0"), Metadata: d.Metadata,
	}
	if d.ID == "" {
		validation.Errors = append(validation.Errors, "Pipeline ID is required")
	}
	if len(d.EntryTasks) == 0 {
		validation.Errors = append(validation.Errors, "At least one entry task is required")
		return p, validation, tasks, nil
	}
	found := validate(p, tasks)
	validation.Errors = append(validation.Errors, found.Errors...)
	validation.Warnings = append(validation.Warnings, found.Warnings...)
	return p, validation, tasks, nil
}

// newer reports whether a task was announced since an earlier look.
func newer(now, earlier []store.Task) bool {
	if len(now) != len(earlier) {
		return true
	}
	for i, task := range now { // both by id
		if was := earlier[i]; task.ID != was.ID || !task.UpdatedAt.Equal(was.UpdatedAt) || task.Removed != was.Removed {
			return true
		}
	}
	return false
}

// Undefine deletes an explicit definition; a derived one may take its place.
// It fails with store.ErrNotFound, and with store.ErrConflict for a derived
// one and while runs of it are active.
func (e *Engine) Undefine(ctx context.Context, id pipeline.ID) error {
	if err := e.store.DeletePipeline(ctx, id); err != nil {
		return fmt.Errorf("delete pipeline %q: %w", id, err)
	}
	e.catalog.forget()
	e.feed.Publish(api.StreamEvent{Type: "pipeline", PipelineID: string(id)})
	return nil
}
