package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
	"pipedai/store"
)

// ValidationMode says what an input means that does not fit the schema of a
// task it goes to.
type ValidationMode string

const (
	// ValidateWarn starts the run and says what does not fit. The default.
	ValidateWarn ValidationMode = "warn"
	// ValidateStrict refuses the input.
	ValidateStrict ValidationMode = "strict"
	// ValidateNone does not look.
	ValidateNone ValidationMode = "none"
)

// InputErrors are what is wrong with an input, by task.
type InputErrors map[pipeline.TaskID][]inputschema.Error

// InputError is an input that was refused. Index is the place of a batch that
// it has.
type InputError struct {
	Errors InputErrors
	Index  int
}

// Error names the tasks.
func (e *InputError) Error() string {
	return fmt.Sprintf("the input does not fit %v", slices.Sorted(maps.Keys(e.Errors)))
}

// taskSchema is the schema of a task: none, one, or one that cannot be read.
type taskSchema struct {
	schema   *inputschema.Schema
	unusable bool
}

func (s taskSchema) check(input json.RawMessage, b *inputschema.Budget) []inputschema.Error {
	switch {
	case s.unusable:
		return inputschema.Unusable()
	case s.schema == nil:
		return nil
	case len(input) == 0:
		input = json.RawMessage("{}")
	}
	return s.schema.Validate(input, b)
}

// check returns what is wrong with an input for each of the tasks it goes to;
// nil when nothing is.
func (s schemas) check(tasks []pipeline.TaskID, input json.RawMessage, b *inputschema.Budget) InputErrors {
	var out InputErrors
	for _, task := range tasks {
		if wrong := s[task].check(input, b); len(wrong) > 0 {
			if out == nil {
				out = InputErrors{}
			}
			out[task] = wrong
		}
	}
	return out
}

// fitting is an input with what it is held against.
type fitting struct {
	input   json.RawMessage
	names   []named // the uploads it names
	mode    ValidationMode
	schemas schemas
	uploads map[string]store.Upload
	budget  *inputschema.Budget
}

// fit holds an input against the schemas of the tasks it goes to, and against
// the uploads it names; those that exist it returns. It fails with *InputError
// in strict mode.
func (f fitting) fit(tasks []pipeline.TaskID) (wrong InputErrors, uploads []string, err error) {
	for _, n := range f.names {
		if _, exists := f.uploads[n.id]; exists {
			uploads = append(uploads, n.id)
		}
	}
	if f.mode == ValidateNone {
		return nil, uploads, nil
	}
	wrong = f.schemas.check(tasks, f.input, f.budget)
	for _, task := range tasks {
		if bad := checkUploads(f.schemas[task], f.input, f.names, f.uploads); len(bad) > 0 {
			if wrong == nil {
				wrong = InputErrors{}
			}
			wrong[task] = append(wrong[task], bad...)
		}
	}
	if wrong != nil && f.mode == ValidateStrict {
		return nil, nil, &InputError{Errors: wrong}
	}
	return wrong, uploads, nil
}

// told are errors as a log line shows them: never with what was sent.
func told(wrong InputErrors) []string {
	const enough = 20
	var out []string
	for _, task := range slices.Sorted(maps.Keys(wrong)) {
		for _, one := range wrong[task] {
			if len(out) == enough {
				return append(out, "…")
			}
			out = append(out, fmt.Sprintf("%s: %s %s", task, one.Field, one.Code))
		}
	}
	return out
}

// schemas are those of some tasks.
type schemas map[pipeline.TaskID]taskSchema

// schemasOf returns the schemas of tasks that exist. What was read lately is
// not read again, and what was parsed is parsed again only when it changed.
func (e *Engine) schemasOf(ctx context.Context, tasks []pipeline.TaskID) (schemas, error) {
	out, missing, age := e.catalog.schemasOf(tasks)
	if len(missing) == 0 {
		return out, nil
	}
	for _, id := range missing {
		task, err := e.store.Task(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue // the step that queues it says so
		}
		if err != nil {
			return nil, fmt.Errorf("read task %q: %w", id, err)
		}
		out[id] = e.catalog.learnSchema(task, age)
	}
	return out, nil
}

// CheckInput holds an input against the schema of a task, and returns nothing
// for a task without one. It fails with store.ErrNotFound.
func (e *Engine) CheckInput(ctx context.Context, id pipeline.TaskID, input json.RawMessage) ([]inputschema.Error, error) {
	task, err := e.store.Task(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("check input of task %q: %w", id, err)
	}
	return e.catalog.parse(task).check(input, inputschema.NewBudget()), nil
}

// knownSchema is a schema with the moment it was looked at.
type knownSchema struct {
	taskSchema
	at time.Time
}

// parsedSchema is a schema with the text it was read from.
type parsedSchema struct {
	taskSchema
	text string
}

// schemasOf returns what is known. For the missing ones, age is what
// learnSchema wants.
func (c *catalog) schemasOf(tasks []pipeline.TaskID) (known schemas, missing []pipeline.TaskID, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known = make(schemas, len(tasks))
	now := time.Now()
	for _, id := range tasks {
		if s, ok := c.schemas[id]; ok && now.Sub(s.at) < catalogAge {
			known[id] = s.taskSchema
		} else if !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	return known, missing, c.age
}

// learnSchema notes the schema of a task that was read, unless a registration
// came between.
func (c *catalog) learnSchema(task store.Task, age int) taskSchema {
	s := c.parse(task)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.age == age {
		c.schemas[task.ID] = knownSchema{s, time.Now()}
	}
	return s
}

// parse reads the schema of a task, once for each text.
func (c *catalog) parse(task store.Task) taskSchema {
	if len(task.InputSchema) == 0 {
		return taskSchema{}
	}
	c.mu.Lock()
	was, known := c.parsed[task.ID]
	c.mu.Unlock()
	if known && was.text == string(task.InputSchema) {
		return was.taskSchema
	}
	schema, problems := inputschema.Parse(task.InputSchema)
	s := taskSchema{schema: schema, unusable: len(problems) > 0}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parsed[task.ID] = parsedSchema{s, string(task.InputSchema)}
	return s
}
