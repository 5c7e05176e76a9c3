package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"

	"pipedai/api"
)

// Context is one attempt as its handler sees it. It is a context.Context that
// ends when the run is cancelled, the attempt times out, or the worker's
// patience while stopping is over; context.Cause says which. Its methods are
// safe for concurrent use until the handler returns.
type Context struct {
	context.Context
	facts facts
	env   environment
	log   *slog.Logger
	own   *ownAssets

	mu      sync.Mutex
	next    *[]string
	fetched map[string]string // upstream assets on disk, by key
}

// facts are what is fixed for an attempt.
type facts struct {
	task     Task
	wire     string // run id as it is on the wire
	pipeline string // pipeline run id, or ""
	attempt  int
	version  int
	hash     string
	input    json.RawMessage
	uploads  map[string]api.TempUpload // that the input names
	previous []api.PreviousAttempt
	dir      string // scratch folder
}

// environment is what differs between an attempt of a control plane, one in
// this process for debugging, and one inside a command.
type environment interface {
	// upstreamTasks lists the tasks whose outputs are there, in order.
	upstreamTasks() []string
	// upstream returns an output; ok is false when there is none.
	upstream(task string) (output json.RawMessage, ok bool, err error)
	// assetKeys lists the upstream assets, ascending.
	assetKeys() []string
	// fetch copies an upstream asset to the file dest; errNoAsset when there
	// is none.
	fetch(ctx context.Context, key, dest string) error
	// progress passes on how far the attempt is.
	progress(percent float64, message string)
	// added is called after an asset was added.
	added(asset ownAsset)
}

func newContext(ctx context.Context, f facts, env environment, sink logSink) *Context {
	c := &Context{Context: ctx, facts: f, env: env, own: newOwnAssets(f.dir), fetched: map[string]string{}}
	c.log = slog.New(&logHandler{sink: sink})
	return c
}

// RunID is the id of the task run. From the second attempt on it carries the
// attempt, so it differs between attempts.
func (c *Context) RunID() string { return c.facts.wire }

// PipelineRunID is the id of the pipeline run; empty outside a pipeline.
func (c *Context) PipelineRunID() string { return c.facts.pipeline }

// TaskID is the task that runs.
func (c *Context) TaskID() string { return c.facts.task.ID }

// Attempt counts from 1.
func (c *Context) Attempt() int { return c.facts.attempt }

// CodeVersion is the version of the code as the control plane counts it.
func (c *Context) CodeVersion() int { return c.facts.version }

// CodeHash is the hash this version was registered under.
func (c *Context) CodeHash() string { return c.facts.hash }

// PreviousAttempts are the failed attempts before this one, oldest first.
func (c *Context) PreviousAttempts() []api.PreviousAttempt { return slices.Clone(c.facts.previous) }

// RawInput is the input as JSON; "null" when there is none. In a pipeline it
// is the input of the pipeline run, the same for every task.
func (c *Context) RawInput() json.RawMessage { return c.facts.input }

// Input decodes the input. Its error ends the attempt for good: the input
// will not change.
func (c *Context) Input(into any) error {
	if err := json.Unmarshal(c.facts.input, into); err != nil {
		return Fatal(CodeBadInput, "the input does not fit task %s: %s", c.facts.task.ID, jsonProblem(err))
	}
	return nil
}

// UpstreamTasks lists the tasks whose outputs are there, direct predecessors
// last.
func (c *Context) UpstreamTasks() []string { return c.env.upstreamTasks() }

// HasUpstream reports whether the output of a task is there: tasks that were
// skipped, or failed in a run that goes on, have none.
func (c *Context) HasUpstream(task string) bool { return slices.Contains(c.env.upstreamTasks(), task) }

// Upstream decodes the output of an earlier task.
func (c *Context) Upstream(task string, into any) error {
	raw, err := c.RawUpstream(task)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("output of task %q: %s", task, jsonProblem(err))
	}
	return nil
}

// RawUpstream returns the output of an earlier task as JSON.
func (c *Context) RawUpstream(task string) (json.RawMessage, error) {
	raw, ok, err := c.env.upstream(task)
	if err != nil {
		return nil, fmt.Errorf("output of task %q: %w", task, err)
	}
	if !ok {
		return nil, fmt.Errorf("there is no output of task %q; there is: %s", task, listed(c.env.upstreamTasks()))
	}
	return raw, nil
}

// Log is the log of this attempt. Its lines are stored with the run, and shown
// by the worker from level info on.
func (c *Context) Log() *slog.Logger { return c.log }

// Progress says how far the attempt is, in percent. It never waits; when it
// is called often, only the newest is passed on.
func (c *Context) Progress(percent float64, message string) {
	if math.IsNaN(percent) {
		percent = 0
	}
	c.env.progress(min(max(percent, 0), 100), message)
}

// Next chooses which of the allowed tasks follow; none when called without.
// The last call counts. Without any call all of them follow. A task that is
// not allowed fails the attempt for good when the handler returns.
func (c *Context) Next(tasks ...string) {
	next := append([]string{}, tasks...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = &next
}

// Dir is a folder of this attempt alone, removed after it.
func (c *Context) Dir() string { return c.facts.dir }

// selected returns the choice of Next; nil means all.
func (c *Context) selected() (*[]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		return nil, nil
	}
	var wrong []string
	for _, task := range *c.next {
		if !slices.Contains(c.facts.task.AllowedNext, task) {
			wrong = append(wrong, task)
		}
	}
	if len(wrong) > 0 {
		return nil, Fatal(api.CodeInvalidNextTasks, "Invalid next tasks: %s", strings.Join(wrong, ", "))
	}
	return c.next, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// jsonProblem is what was wrong, in words of JSON and not of Go.
func jsonProblem(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		where := wrong.Field
		if where == "" {
			where = "it"
		}
		return fmt.Sprintf("%s cannot be a %s", where, wrong.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
