package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// A definition by hand runs what its entries lead to, in its own failure mode,
// and a run under way keeps the graph it started with.
func TestDefine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{}).run()
	f.register(diamond)
	p, validation, err := f.Define(t.Context(), Define{ID: "half", EntryTasks: []pipeline.TaskID{"b"}, FailureMode: pipeline.Continue})
	if err != nil || !validation.Valid() {
		t.Fatalf("got %+v, %v", validation, err)
	}
	want := pipeline.Structure{"b": {AllowedNext: []pipeline.TaskID{"d"}}, "d": {AllowedNext: []pipeline.TaskID{}}}
	if diff := cmp.Diff(want, p.Structure); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
	if p.Name != "half" || p.Version != "1.0.0" || p.FailureMode != pipeline.Continue || p.Source != "api" {
		t.Errorf("got %+v", p)
	}

	// While b is at work, it comes to lead elsewhere.
	working, goOn := make(chan struct{}), make(chan struct{})
	f.fleet.work["b"] = func(d api.Dispatch) outcome {
		working <- struct{}{}
		<-goOn
		return outcome{}
	}
	run := f.trigger(func(tr *Trigger) { tr.Pipeline = "half" })
	<-working
	f.register(edges{"a": {"b", "c"}, "b": {"c"}, "c": nil, "d": nil})
	goOn <- struct{}{}
	if ended := f.ended(run.ID); ended.Status != pipeline.RunCompleted {
		t.Errorf("run %+v", ended)
	}
	if diff := cmp.Diff(map[pipeline.TaskID]pipeline.TaskStatus{"b": "completed", "d": "completed"}, f.statuses(run.ID)); diff != "" {
		t.Errorf("the run under way (-want +got):\n%s", diff)
	}
	run = f.trigger(func(tr *Trigger) { tr.Pipeline = "half" })
	<-working
	goOn <- struct{}{}
	f.ended(run.ID)
	if diff := cmp.Diff(map[pipeline.TaskID]pipeline.TaskStatus{"b": "completed", "c": "completed"}, f.statuses(run.ID)); diff != "" {
		t.Errorf("the next run (-want +got):\n%s", diff)
	}

	if err := f.Undefine(t.Context(), "half"); err != nil {
		t.Error(err)
	}
	if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "half"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("trigger of a deleted pipeline: %v", err)
	}
	if err := f.Undefine(t.Context(), "svc"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deleting a derived pipeline: %v", err)
	}
}

// Everything that is wrong is said at once, and nothing is stored.
func TestDefine_invalid(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.register(edges{"a": {"b"}, "b": {"c"}, "c": {"a", "c"}, "x": {"missing"}})
	for _, tt := range []struct {
		name    string
		entries []pipeline.TaskID
		want    []string
	}{
		{"no entries", nil, []string{"At least one entry task is required"}},
		{"unknown tasks", []pipeline.TaskID{"a", "q", "p"}, []string{"Tasks not found: p, q"}},
		{"cycles and a hole", []pipeline.TaskID{"a", "x"}, []string{
			"Task 'x' references non-existent task 'missing' in allowedNext",
			"Cycle detected: a -> b -> c -> a", "Cycle detected: c -> c",
		}},
	} {
		for _, try := range []bool{false, true} {
			_, validation, err := f.Define(t.Context(), Define{ID: "p", EntryTasks: tt.entries, Try: try})
			var invalid *InvalidPipelineError
			if errors.As(err, &invalid) == try {
				t.Errorf("%s, try %t: got %v", tt.name, try, err)
			}
			if diff := cmp.Diff(tt.want, validation.Errors); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
	if _, err := f.Store().Pipeline(t.Context(), "p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("stored all the same: %v", err)
	}
}
