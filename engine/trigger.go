package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
	"pipedai/storage"
	"pipedai/store"
)

// Trigger asks for a run of a pipeline.
type Trigger struct {
	Pipeline       pipeline.ID
	Input          json.RawMessage      // empty: {}
	FailureMode    pipeline.FailureMode // empty: the pipeline's own
	Priority       *int                 // nil: each task's own
	Metadata       json.RawMessage
	IdempotencyKey string
	ScheduledFor   time.Time      // zero: now
	Validation     ValidationMode // ValidateWarn
	Backend        string         // id of the storage backend of the run; empty: the default one
	By             string         // who asks, in words for people
}

// Triggered is a run that was started.
type Triggered struct {
	Run      store.PipelineRun
	Entries  []store.TaskRun // in the order of Run.EntryTasks
	Warnings InputErrors     // what does not fit; nil when all does
}

// InvalidPipelineError is a trigger of a pipeline that cannot run.
type InvalidPipelineError struct{ Validation pipeline.Validation }

// Error names the first problem.
func (e *InvalidPipelineError) Error() string {
	text := "pipeline validation failed"
	for i, problem := range e.Validation.Errors {
		text += map[bool]string{true: ": ", false: "; "}[i == 0] + problem
	}
	return text
}

// InvalidError is a request that says something that cannot be.
type InvalidError struct{ Message string } // one sentence for people

// Error returns the sentence.
func (e *InvalidError) Error() string { return e.Message }

// Trigger starts a run and returns after the commit, with its entry tasks
// queued and whoever can claim them awake. It fails, in this order, with
// store.ErrMaintenance, *InvalidError, store.ErrNotFound,
// *InvalidPipelineError, or *InputError; then nothing was started.
func (e *Engine) Trigger(ctx context.Context, t Trigger) (Triggered, error) {
	started, err := e.trigger(ctx, t)
	if err == nil {
		return started, nil
	}
	// Maintenance comes first, but is not worth a read as long as all is well:
	// the step that starts the run checks it anyway.
	if !errors.Is(err, store.ErrMaintenance) {
		if mode, modeErr := e.store.Mode(ctx); modeErr == nil && mode.Mode != store.ModeRunning {
			err = store.ErrMaintenance
		}
	}
	return Triggered{}, fmt.Errorf("trigger pipeline %q: %w", t.Pipeline, err)
}

func (e *Engine) trigger(ctx context.Context, t Trigger) (Triggered, error) {
	if t.FailureMode != "" && !t.FailureMode.Valid() {
		return Triggered{}, &InvalidError{Message: fmt.Sprintf("Failure mode %q is not one of fail-fast, continue and partial-merge", t.FailureMode)}
	}
	p, err := e.runnable(ctx, t.Pipeline)
	if err != nil {
		return Triggered{}, err
	}
	warnings, uploads, err := e.fits(ctx, p, t)
	if err != nil {
		return Triggered{}, err
	}
	run := pipeline.NewRunID(time.Now())
	path := storage.PipelineInputPath(string(run))
	backend, err := e.choose(t.Backend)
	if err != nil {
		return Triggered{}, err
	}
	input, place, err := e.newInput(ctx, backend, path, t.Input)
	if err != nil {
		return Triggered{}, err
	}
	metadata, err := placed(t.Metadata, place)
	if err != nil {
		e.discard(ctx, backend, input)
		return Triggered{}, err
	}
	started, err := e.starts.do(ctx, store.StartRun{
		ID: run, Pipeline: t.Pipeline, Input: input,
		FailureMode: t.FailureMode, Priority: t.Priority, ScheduledFor: t.ScheduledFor,
		IdempotencyKey: t.IdempotencyKey, IdempotencyTTL: e.o.IdempotencyTTL, Metadata: metadata, Uploads: uploads, TriggeredBy: t.By,
	})
	if err == nil {
		err = started.Err
	}
	if refused(err) || err == nil && started.Run.ID != run { // or answered by an earlier run
		e.discard(ctx, backend, input)
	}
	if err != nil {
		return Triggered{}, err
	}
	return Triggered{Run: started.Run, Entries: started.Entries, Warnings: warnings}, nil
}

// fits holds the input of a trigger against the schemas of the tasks that get
// it first, and returns the uploads it names.
func (e *Engine) fits(ctx context.Context, p store.Pipeline, t Trigger) (wrong InputErrors, uploads []string, err error) {
	known := schemas{}
	if t.Validation != ValidateNone {
		if known, err = e.schemasOf(ctx, p.EntryTasks); err != nil {
			return nil, nil, err
		}
	}
	f := fitting{input: t.Input, names: uploadsIn(t.Input), mode: t.Validation, schemas: known, budget: inputschema.NewBudget()}
	if f.uploads, err = e.readUploads(ctx, f.names); err != nil {
		return nil, nil, err
	}
	wrong, uploads, err = f.fit(p.EntryTasks)
	if wrong != nil {
		e.log.Warn("the input does not fit", "pipeline", p.ID, "errors", told(wrong))
	}
	return wrong, uploads, err
}

// startRuns commits a batch of triggers and wakes whom they concern. It does
// so here and not in Trigger, whose caller may have left before the commit.
func (e *Engine) startRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	var (
		started []store.StartedRun
		claimed []store.Claimed
		err     error
		along   = e.claimer.ride(len(runs))
	)
	if along == nil {
		started, err = e.store.StartRuns(ctx, runs)
	} else {
		started, claimed, err = e.store.StartAndClaim(ctx, runs, along.claim())
	}
	enough := along.arrive(claimed)
	if err != nil {
		return nil, err
	}
	var entries []pipeline.TaskID
	for i, s := range started {
		if s.Err != nil {
			continue
		}
		e.feed.Publish(runChanged(s.Run))
		e.logEach("queued", s.Entries...)
		if i < len(runs) && !runs[i].ScheduledFor.IsZero() {
			e.wakes.due.set()
		}
		entries = append(entries, s.Run.EntryTasks...)
	}
	if len(entries) > 0 {
		e.wakes.others(e.catalog.servicesOf(entries)...)
	}
	if !enough {
		e.wakes.claimer.set()
	}
	return started, nil
}

// runnable returns a pipeline, and fails for one that does not exist or is not
// valid.
func (e *Engine) runnable(ctx context.Context, id pipeline.ID) (store.Pipeline, error) {
	p, age, known := e.catalog.validPipeline(id)
	if known {
		return p, nil
	}
	p, err := e.store.Pipeline(ctx, id)
	if err != nil {
		return p, err
	}
	validation, err := e.check(ctx, p)
	if err != nil {
		return p, err
	}
	if !validation.Valid() {
		return p, &InvalidPipelineError{Validation: validation}
	}
	e.catalog.foundValid(p, age)
	return p, nil
}
