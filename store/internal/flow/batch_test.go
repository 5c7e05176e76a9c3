package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rows is a database of one pipeline run, "r": a leads to b and c, both lead
// to d; c also leads to e, and e to d.
type rows struct {
	joins   map[pipeline.TaskID]pipeline.Edges
	removed pipeline.TaskID
	missing pipeline.TaskID
	pending []Pending
	running int
	reads   []string
}

var graph = pipeline.NewGraph(pipeline.Structure{
	"a": {AllowedNext: []pipeline.TaskID{"b", "c"}}, "b": {AllowedNext: []pipeline.TaskID{"d"}},
	"c": {AllowedNext: []pipeline.TaskID{"d", "e"}}, "e": {AllowedNext: []pipeline.TaskID{"d"}}, "d": {},
}, []pipeline.TaskID{"a"})

func (r *rows) Joins(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges, error) {
	r.reads = append(r.reads, "joins")
	return map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges{"r": r.joins}, nil
}

func (r *rows) Pipelines(context.Context, []pipeline.ID) (map[pipeline.ID]store.Pipeline, error) {
	return nil, nil // these cases start from runs that exist
}

func (r *rows) Tasks(_ context.Context, ids []pipeline.TaskID) (map[pipeline.TaskID]Task, error) {
	r.reads = append(r.reads, "tasks")
	out := map[pipeline.TaskID]Task{}
	for _, id := range ids {
		if id == r.missing {
			continue
		}
		t := Task{Task: store.Task{ID: id, Service: "svc", CodeVersion: 1, Priority: 100}, LastRun: 1}
		if id == r.removed {
			t.Removed, t.RemovedIn = true, "2"
		}
		out[id] = t
	}
	return out, nil
}

func (r *rows) Outputs(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]store.Upstream, error) {
	r.reads = append(r.reads, "outputs")
	return nil, nil
}

func (r *rows) ClaimKeys(context.Context, []KeyClaim) (map[string]KeyState, error) { return nil, nil }
func (r *rows) ClaimRunKeys(context.Context, []RunKeyClaim) (map[string]store.StartedRun, error) {
	return nil, nil
}

func (r *rows) TakePending(context.Context, pipeline.RunID) ([]Pending, error) { return r.pending, nil }
func (r *rows) AskToStop(context.Context, pipeline.RunID) (int, error)         { return r.running, nil }

// held is attempt 1 of a task of run r.
func held(task pipeline.TaskID, edit ...func(*Held)) Held {
	h := Held{AttemptRef: store.AttemptRef{ID: pipeline.TaskRunID(task), Attempt: 1, Owner: "w"}, Task: task, Run: "r", Accepted: true}
	for _, e := range edit {
		e(&h)
	}
	return h
}

func completes(task pipeline.TaskID, next ...pipeline.TaskID) store.EndAttempt {
	return store.EndAttempt{AttemptRef: held(task).AttemptRef, AllNext: next == nil, SelectedNext: next, OutputPath: string(task) + ".json"}
}

func fails(task pipeline.TaskID, edit ...func(*store.Failure)) store.EndAttempt {
	f := &store.Failure{Error: "boom"}
	for _, e := range edit {
		e(f)
	}
	return store.EndAttempt{AttemptRef: held(task).AttemptRef, Failure: f}
}

func final(f *store.Failure)   { f.Final = true }
func timeout(f *store.Failure) { f.Timeout = true }

// told writes down what a batch decided.
func told(c Changes, results []store.EndedAttempt) []string {
	var out []string
	add := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	for _, f := range c.Finishes {
		add("%s %s", f.ID, f.Status)
	}
	for _, q := range c.Requeues {
		add("%s again as %d in %s", q.ID, q.Attempt, max(0, q.Due.Sub(now)))
	}
	for _, x := range c.Cancels {
		add("%s cancelled: %s", x.ID, x.Error)
	}
	for _, d := range c.DeadLetters {
		add("%s dead: %s", d.TaskRun, d.Error)
	}
	for _, in := range c.Inserts {
		up := []pipeline.TaskID{}
		for _, u := range in.UpstreamRefs {
			up = append(up, u.Task)
		}
		add("new %s %s after %v", in.Task, in.Status, up)
	}
	for _, j := range c.Joins {
		add("join %s %v", j.Task, j.Edges)
	}
	for _, r := range c.Runs {
		add("run %s open %d %q", r.Status, r.Open, r.Error)
	}
	for _, task := range sortedKeys(c.Freed) {
		add("%s freed %d", task, c.Freed[task])
	}
	add("counts %+d", []int{c.Counts.Pending, c.Counts.Running, c.Counts.Completed, c.Counts.Failed, c.Counts.DeadLetters})
	for _, r := range results {
		if r.Err != nil {
			add("%s: %v", r.ID, r.Err)
		}
	}
	return out
}

func TestBatch_End(t *testing.T) {
	t.Parallel()
	retrying := func(h *Held) {
		h.Retry = pipeline.RetryPolicy{Retries: 1, Backoff: pipeline.BackoffFixed, Delay: time.Second}
	}
	tests := []struct {
		name string
		mode pipeline.FailureMode
		open int
		rows rows
		held []Held
		ends []store.EndAttempt
		want []string
	}{
		{
			name: "every successor follows", open: 1,
			held: []Held{held("a")}, ends: []store.EndAttempt{completes("a")},
			want: []string{"a completed", "new b pending after [a]", "new c pending after [a]", `run running open 2 ""`, "counts [+2 -1 +1 +0 +0]"},
		},
		{
			name: "a branch that is not selected does not hold up its join", open: 1,
			held: []Held{held("a")}, ends: []store.EndAttempt{completes("a", "b")},
			want: []string{"a completed", "new b pending after [a]", "join d {0 2 0}", `run running open 1 ""`, "counts [+1 -1 +1 +0 +0]"},
		},
		{
			name: "the last of a join's sources fires it, once", open: 2,
			rows: rows{joins: map[pipeline.TaskID]pipeline.Edges{"d": {Fired: 1}}},
			held: []Held{held("b"), held("e")}, ends: []store.EndAttempt{completes("b"), completes("e")},
			want: []string{"b completed", "e completed", "new d pending after [b e]", "join d {3 0 0}", `run running open 1 ""`, "counts [+1 -2 +2 +0 +0]"},
		},
		{
			name: "a report counts once, for its own attempt and owner", open: 1,
			held: []Held{held("d")},
			ends: []store.EndAttempt{
				{AttemptRef: store.AttemptRef{ID: "d", Attempt: 2}}, {AttemptRef: store.AttemptRef{ID: "d", Attempt: 1, Owner: "x"}},
				completes("d"), completes("d"),
			},
			want: []string{"d completed", `run completed open 0 ""`, "counts [+0 -1 +1 +0 +0]", "d: lease lost", "d: lease lost", "d: lease lost"},
		},
		{
			name: "a failure is tried again", open: 1,
			held: []Held{held("b", retrying, func(h *Held) { h.Slot = true })}, ends: []store.EndAttempt{fails("b")},
			want: []string{"b again as 2 in 1s", `run running open 1 ""`, "b freed 1", "counts [+1 -1 +0 +0 +0]"},
		},
		{
			name: "a final failure fails the run and stops the rest", mode: pipeline.FailFast, open: 3,
			rows: rows{pending: []Pending{{ID: "c", Task: "c", Run: "r"}}, running: 1},
			held: []Held{held("b", retrying)}, ends: []store.EndAttempt{fails("b", final)},
			want: []string{
				"b failed", "c cancelled: Pipeline failed in fail-fast mode", "b dead: boom", `run failed open 1 "boom"`,
				"counts [-1 -1 +0 +1 +1]",
			},
		},
		{
			name: "what the same batch queued is taken back", mode: pipeline.FailFast, open: 2,
			held: []Held{held("c", retrying), held("b")}, ends: []store.EndAttempt{fails("c"), fails("b", final)},
			want: []string{"b failed", "c cancelled", "b dead: boom", `run failed open 0 "boom"`, "counts [+0 -2 +0 +1 +1]"},
		},
		{
			name: "other branches go on", mode: pipeline.Continue, open: 2,
			held: []Held{held("c")}, ends: []store.EndAttempt{fails("c", timeout)},
			want: []string{"c timeout", "c dead: boom", "join d {0 0 2}", `run running open 1 "boom"`, "counts [+0 -1 +0 +0 +1]"},
		},
		{
			name: "nobody wants a stopped attempt again", open: 1,
			held: []Held{held("d", retrying, func(h *Held) { h.Cancel = true })}, ends: []store.EndAttempt{fails("d")},
			want: []string{"d cancelled", `run failed open 0 "boom"`, "counts [+0 -1 +0 +0 +0]"},
		},
		{
			name: "a removed task is not tried again", open: 1,
			held: []Held{held("d", retrying, func(h *Held) { h.RemovedIn = "2" })}, ends: []store.EndAttempt{fails("d")},
			want: []string{"d failed", "d dead: boom", `run failed open 0 "boom"`, "counts [+0 -1 +0 +1 +1]"},
		},
		{
			name: "a removed successor is born cancelled", mode: pipeline.Continue, open: 1, rows: rows{removed: "c"},
			held: []Held{held("a")}, ends: []store.EndAttempt{completes("a")},
			want: []string{
				"a completed", "new b pending after [a]", "new c cancelled after [a]", "join d {0 0 2}",
				`run running open 1 "Task type removed in version 2"`, "counts [+1 -1 +1 +0 +0]",
			},
		},
		{
			name: "a deleted successor breaks its branch", mode: pipeline.Continue, open: 1, rows: rows{missing: "c"},
			held: []Held{held("a")}, ends: []store.EndAttempt{completes("a")},
			want: []string{
				"a completed", "new b pending after [a]", "join d {0 0 2}", `run running open 1 "Tasks not found: c"`, "counts [+1 -1 +1 +0 +0]",
			},
		},
		{
			name: "a standalone run has no graph",
			held: []Held{held("x", func(h *Held) { h.Run = "" })}, ends: []store.EndAttempt{fails("x", final)},
			want: []string{"x failed", "x dead: boom", "counts [+0 -1 +0 +1 +1]"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var runs []*Run
			taken := map[pipeline.TaskRunID]Held{}
			for _, h := range tt.held {
				taken[h.ID] = h
				if h.Run != "" && runs == nil {
					runs = []*Run{{ID: "r", Graph: graph, Mode: tt.mode, Status: pipeline.RunRunning, Open: tt.open}}
				}
			}
			b := New(&tt.rows, now, runs)
			if err := b.End(t.Context(), taken, tt.ends); err != nil {
				t.Fatal(err)
			}
			results, err := b.Settle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, told(b.Changes, results)); diff != "" {
				t.Errorf("decided (-want +got):\n%s", diff)
			}
			reads := slices.Clone(tt.rows.reads)
			if slices.Sort(reads); len(slices.Compact(reads)) < len(tt.rows.reads) && tt.rows.removed+tt.rows.missing == "" {
				t.Errorf("read the same thing twice: %v", tt.rows.reads)
			}
		})
	}
}

func TestBatch_Release(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status pipeline.RunStatus
		held   Held
		want   []string
	}{
		{"it waits again", pipeline.RunRunning, held("b"), []string{"b again as 1 in 0s", `run running open 1 ""`, "counts [+1 -1 +0 +0 +0]"}},
		{"asked to stop", pipeline.RunRunning, held("b", func(h *Held) { h.Cancel = true }), []string{"b cancelled", `run failed open 0 "Cancelled"`, "counts [+0 -1 +0 +0 +0]"}},
		{"its run is over", pipeline.RunFailed, held("b"), []string{"b cancelled", `run failed open 0 ""`, "counts [+0 -1 +0 +0 +0]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := New(&rows{}, now, []*Run{{ID: "r", Graph: graph, Mode: pipeline.FailFast, Status: tt.status, Open: 1}})
			if err := b.Release(t.Context(), map[pipeline.TaskRunID]Held{"b": tt.held}); err != nil {
				t.Fatal(err)
			}
			results, err := b.Settle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, told(b.Changes, results)); diff != "" {
				t.Errorf("decided (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBatch_CancelRun(t *testing.T) {
	t.Parallel()
	db := &rows{pending: []Pending{{ID: "b", Task: "b", Run: "r"}}, running: 1}
	b := New(db, now, []*Run{{ID: "r", Graph: graph, Status: pipeline.RunRunning, Open: 2}})
	if err := b.CancelRun(t.Context(), "r", "enough"); err != nil {
		t.Fatal(err)
	}
	if err := b.CancelRun(t.Context(), "r", "again"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second time: %v", err)
	}
	if err := b.CancelRun(t.Context(), "none", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown run: %v", err)
	}
	results, err := b.Settle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"b cancelled: enough", `run cancelled open 1 "enough"`, "counts [-1 +0 +0 +0 +0]"}
	if diff := cmp.Diff(want, told(b.Changes, results)); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
}
