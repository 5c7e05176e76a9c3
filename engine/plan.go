package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
	"pipedai/store"
)

// Planned is how a run would go, had it been started.
type Planned struct {
	Validation pipeline.Validation
	Steps      []pipeline.Step // none when the pipeline is not valid
	// Limits are the concurrency limits of those of its tasks that have one.
	Limits map[pipeline.TaskID]int
	// Schemas are those of the entry tasks, as far as they have one.
	Schemas map[pipeline.TaskID]json.RawMessage
	// Input is what is wrong with the input, if there was one.
	Input InputErrors
}

// Plan validates a pipeline and lays out how it would run with an input; nil
// is none, which is not looked at. It works in every maintenance mode.
func (e *Engine) Plan(ctx context.Context, id pipeline.ID, input json.RawMessage) (Planned, error) {
	p, err := e.store.Pipeline(ctx, id)
	if err != nil {
		return Planned{}, fmt.Errorf("plan pipeline %q: %w", id, err)
	}
	tasks, err := e.registered(ctx)
	if err != nil {
		return Planned{}, fmt.Errorf("plan pipeline %q: %w", id, err)
	}
	out := Planned{Validation: validate(p, tasks), Steps: []pipeline.Step{}, Limits: map[pipeline.TaskID]int{}, Schemas: map[pipeline.TaskID]json.RawMessage{}}
	known := schemas{}
	for _, task := range tasks {
		if slices.Contains(p.EntryTasks, task.ID) && !task.Removed {
			if known[task.ID] = e.catalog.parse(task); task.InputSchema != nil {
				out.Schemas[task.ID] = task.InputSchema
			}
		}
		if _, part := p.Structure[task.ID]; part && task.Concurrency > 0 {
			out.Limits[task.ID] = task.Concurrency
		}
	}
	if input != nil {
		out.Input = known.check(p.EntryTasks, input, inputschema.NewBudget())
	}
	if out.Validation.Valid() {
		out.Steps = pipeline.Plan(p.Structure, p.EntryTasks)
	}
	return out, nil
}

// check validates a definition against the tasks that are registered now.
func (e *Engine) check(ctx context.Context, p store.Pipeline) (pipeline.Validation, error) {
	tasks, err := e.registered(ctx)
	if err != nil {
		return pipeline.Validation{}, err
	}
	return validate(p, tasks), nil
}

// registered lists all tasks, and remembers whose they are.
func (e *Engine) registered(ctx context.Context) ([]store.Task, error) {
	tasks, err := e.store.Tasks(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	for _, task := range tasks {
		if !task.Removed {
			e.catalog.learn(task.ID, task.Service)
		}
	}
	return tasks, nil
}

// validate holds a definition against tasks.
func validate(p store.Pipeline, tasks []store.Task) pipeline.Validation {
	limits := make(map[pipeline.TaskID]int, len(tasks))
	for _, task := range tasks {
		if !task.Removed {
			limits[task.ID] = task.Concurrency
		}
	}
	return pipeline.Validate(p.Structure, p.EntryTasks, func(id pipeline.TaskID) (int, bool) {
		limit, known := limits[id]
		return limit, known
	})
}
