package pipeline_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"pipedai/pipeline"
)

var modes = []pipeline.FailureMode{pipeline.FailFast, pipeline.Continue, pipeline.PartialMerge}

// dag draws a graph without cycles: edges lead from lower to higher numbers.
// Entries are the tasks nothing leads to and, sometimes, one more.
func dag(t *rapid.T) (pipeline.Structure, []pipeline.TaskID) {
	n := rapid.IntRange(1, 12).Draw(t, "tasks")
	s := pipeline.Structure{}
	name := func(i int) pipeline.TaskID { return pipeline.TaskID(fmt.Sprintf("t%02d", i)) }
	for i := range n {
		var next []pipeline.TaskID
		for j := i + 1; j < n; j++ {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				next = append(next, name(j))
			}
		}
		s[name(i)] = pipeline.Node{AllowedNext: next}
	}
	entries := s.Entries()
	if extra := name(rapid.IntRange(0, n-1).Draw(t, "extra entry")); rapid.IntRange(0, 4).Draw(t, "has extra") == 0 && !slices.Contains(entries, extra) {
		entries = append(entries, extra)
	}
	return s, entries
}

// fates draws how each task ends should it run, once for all orders of ends.
func fates(t *rapid.T, g *pipeline.Graph, s pipeline.Structure) map[pipeline.TaskID]pipeline.End {
	out := map[pipeline.TaskID]pipeline.End{}
	for _, task := range s.Tasks() {
		end := pipeline.End{Task: task, Outcome: pipeline.Done}
		switch rapid.IntRange(0, 3).Draw(t, "fate") {
		case 0:
			end.Outcome = pipeline.Broke
		case 1:
			end.All = true
		default:
			for _, next := range append(g.Next(task), "stranger") {
				if rapid.Bool().Draw(t, "selected") {
					end.Selected = append(end.Selected, next)
				}
			}
		}
		out[task] = end
	}
	return out
}

// passage is one run through a graph, as a store would drive it.
type passage struct {
	g         *pipeline.Graph
	mode      pipeline.FailureMode
	edges     map[pipeline.TaskID]pipeline.Edges
	open      []pipeline.TaskID
	states    map[pipeline.TaskID]string
	firedWith map[pipeline.TaskID]pipeline.Edges // counts when queued or skipped
	aborted   bool
	tally     pipeline.Tally
}

func startPassage(g *pipeline.Graph, mode pipeline.FailureMode, entries []pipeline.TaskID) *passage {
	return &passage{
		g: g, mode: mode, edges: map[pipeline.TaskID]pipeline.Edges{}, open: slices.Clone(entries),
		states: map[pipeline.TaskID]string{}, firedWith: map[pipeline.TaskID]pipeline.Edges{},
	}
}

// end ends open tasks together, and fails the test when a task gets a second
// state.
func (p *passage) end(t *rapid.T, ends ...pipeline.End) {
	set := func(task pipeline.TaskID, state string) {
		if old, twice := p.states[task]; twice {
			t.Fatalf("%s is %s and then %s", task, old, state)
		}
		p.states[task] = state
	}
	for _, end := range ends {
		p.open = slices.DeleteFunc(p.open, func(id pipeline.TaskID) bool { return id == end.Task })
		if end.Outcome == pipeline.Broke {
			set(end.Task, "broke")
			p.tally.Broken++
			continue
		}
		set(end.Task, "done")
		p.tally.Completed++
		if p.g.IsEnd(end.Task) {
			p.tally.EndsCompleted++
		}
	}
	if p.aborted {
		return // results of a failed run are recorded, never continued
	}
	asked := map[pipeline.TaskID]bool{}
	effects, err := p.g.Advance(p.mode, func(task pipeline.TaskID) (pipeline.Edges, error) {
		if asked[task] {
			t.Fatalf("counts of %s are asked twice in one call", task)
		}
		asked[task] = true
		return p.edges[task], nil
	}, ends...)
	if err != nil {
		t.Fatal(err)
	}
	if effects.Abort {
		p.aborted = true
		if len(effects.Queue)+len(effects.Skip) > 0 {
			t.Fatalf("an abort queues or skips: %+v", effects)
		}
		return
	}
	maps.Copy(p.edges, effects.Edges)
	for task, e := range p.edges {
		if got, most := e.Fired+e.Dead+e.Broken, len(p.g.Predecessors(task)); got > most {
			t.Fatalf("%s has %d resolved in-edges of %d", task, got, most)
		}
	}
	for _, task := range append(slices.Clone(effects.Queue), effects.Skip...) {
		e := p.edges[task]
		if e.Fired+e.Dead+e.Broken != len(p.g.Predecessors(task)) {
			t.Fatalf("%s is decided with open in-edges: %+v", task, e)
		}
		if _, twice := p.firedWith[task]; twice {
			t.Fatalf("%s is decided twice", task)
		}
		p.firedWith[task] = e
	}
	for _, task := range effects.Queue {
		if p.firedWith[task].Fired == 0 {
			t.Fatalf("%s is queued though nothing selected it", task)
		}
		p.open = append(p.open, task)
	}
	for _, task := range effects.Skip {
		set(task, "skipped")
	}
}

// finish ends open tasks, some at a time, in a random order until none is.
func (p *passage) finish(t *rapid.T, fate map[pipeline.TaskID]pipeline.End) {
	for steps := 0; len(p.open) > 0; steps++ {
		if steps > len(fate) {
			t.Fatalf("the run does not end; open: %v", p.open)
		}
		order := rapid.Permutation(p.open).Draw(t, "order")
		together := rapid.IntRange(1, len(order)).Draw(t, "together")
		var ends []pipeline.End
		for _, task := range order[:together] {
			ends = append(ends, fate[task])
		}
		p.end(t, ends...)
	}
}

func TestGraph_Advance_anyGraphAnyOutcomeAnyOrder(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s, entries := dag(t)
				g := pipeline.NewGraph(s, entries)
				fate := fates(t, g, s)

				first := startPassage(g, mode, entries)
				first.finish(t, fate)
				second := startPassage(g, mode, entries)
				second.finish(t, fate)

				// Every task has a state, unless the run was cut off.
				if !first.aborted {
					for task := range s.Reachable(entries) {
						if first.states[task] == "" {
							t.Fatalf("%s has no state: %v", task, first.states)
						}
					}
				}
				if first.aborted != (mode == pipeline.FailFast && first.tally.Broken > 0) {
					t.Fatalf("aborted: %v with %+v", first.aborted, first.tally)
				}
				// The order of ends decides nothing but when a failing run is cut off.
				if diff := cmp.Diff(first.states, second.states); !first.aborted && diff != "" {
					t.Fatalf("the order of ends changed what ran:\n%s", diff)
				}
				status := pipeline.Ended(mode, first.tally)
				if other := pipeline.Ended(mode, second.tally); status != other {
					t.Fatalf("the order of ends changed the status: %s and %s", status, other)
				}
				if !status.Terminal() {
					t.Fatalf("a run with nothing open is %s", status)
				}
				if (status == pipeline.RunCompleted) != (first.tally.Broken == 0) {
					t.Fatalf("%s with %+v", status, first.tally)
				}
			})
		})
	}
}

// What each task must come to follows from its predecessors alone; the walk
// must agree with that definition.
func TestGraph_Advance_agreesWithTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, entries := dag(t)
		g := pipeline.NewGraph(s, entries)
		fate := fates(t, g, s)
		mode := rapid.SampledFrom(modes[1:]).Draw(t, "mode")
		p := startPassage(g, mode, entries)
		p.finish(t, fate)

		want := map[pipeline.TaskID]string{}
		dead := map[pipeline.TaskID]bool{} // skipped as nothing selected it
		for _, step := range pipeline.Plan(s, entries) {
			for _, task := range step.Tasks {
				var fired, broken int
				for _, from := range g.Predecessors(task) {
					end := fate[from]
					switch {
					case want[from] == "broke", want[from] == "skipped" && !dead[from]:
						broken++
					case want[from] == "done" && (end.All || slices.Contains(end.Selected, task)):
						fired++
					}
				}
				runs := slices.Contains(entries, task) ||
					fired > 0 && (broken == 0 || mode == pipeline.PartialMerge)
				switch {
				case !runs:
					want[task] = "skipped"
					dead[task] = fired == 0 && broken == 0
				case fate[task].Outcome == pipeline.Broke:
					want[task] = "broke"
				default:
					want[task] = "done"
				}
			}
		}
		if diff := cmp.Diff(want, p.states); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestGraph_Advance(t *testing.T) {
	t.Parallel()
	done := func(task pipeline.TaskID, selected ...pipeline.TaskID) pipeline.End {
		return pipeline.End{Task: task, Outcome: pipeline.Done, All: selected == nil, Selected: selected}
	}
	none := []pipeline.TaskID{"-"}
	broke := func(task pipeline.TaskID) pipeline.End { return pipeline.End{Task: task, Outcome: pipeline.Broke} }
	tests := []struct {
		name  string
		graph string
		modes []pipeline.FailureMode
		ends  []pipeline.End
		queue string // of the last end
		skip  string
		abort bool
	}{
		{name: "absent selection means all", graph: "a>b,c", modes: modes, ends: []pipeline.End{done("a")}, queue: "b c"},
		{name: "empty selection ends the branch", graph: "a>b,c", modes: modes, ends: []pipeline.End{done("a", none...)}, skip: "b c"},
		{name: "selection", graph: "a>b,c", modes: modes, ends: []pipeline.End{done("a", "c")}, queue: "c", skip: "b"},
		{name: "join waits", graph: "a>b,c b>d c>d", modes: modes, ends: []pipeline.End{done("a"), done("b")}},
		{name: "join fires with the last one", graph: "a>b,c b>d c>d", modes: modes, ends: []pipeline.End{done("a"), done("c"), done("b")}, queue: "d"},
		{name: "optional branch not chosen: the join runs", graph: "a>b,c b>d c>d", modes: modes, ends: []pipeline.End{done("a", "b"), done("b")}, queue: "d"},
		{name: "skips spread", graph: "a>b,c b>d d>e c>e", modes: modes, ends: []pipeline.End{done("a", none...)}, skip: "b c d e"},
		{name: "short cut to the join", graph: "a>b,c b>c", modes: modes, ends: []pipeline.End{done("a", "c")}, queue: "c", skip: "b"},
		{name: "fail-fast aborts", graph: "a>b,c b>d c>d", modes: modes[:1], ends: []pipeline.End{done("a"), broke("b")}, abort: true},
		{name: "continue skips the merge", graph: "a>b,c b>d c>d d>e", modes: modes[1:2], ends: []pipeline.End{done("a"), broke("b"), done("c")}, skip: "d e"},
		{name: "continue goes on elsewhere", graph: "a>b,c b>d c>e", modes: modes[1:2], ends: []pipeline.End{done("a"), broke("b"), done("c")}, queue: "e"},
		{name: "partial-merge merges what there is", graph: "a>b,c b>d c>d", modes: modes[2:], ends: []pipeline.End{done("a"), broke("b"), done("c")}, queue: "d"},
		{name: "partial-merge with nothing to merge", graph: "a>b b>c", modes: modes[2:], ends: []pipeline.End{done("a"), broke("b")}, skip: "c"},
		{name: "broken spreads through skipped tasks", graph: "a>b,c b>d d>e c>e", modes: modes[1:2], ends: []pipeline.End{done("a"), done("c"), broke("b")}, skip: "d e"},
		{name: "edge into an entry is ignored", graph: "a>z z>b", modes: modes, ends: []pipeline.End{done("a")}},
	}
	for _, tt := range tests {
		for _, mode := range tt.modes {
			t.Run(tt.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				g := pipeline.NewGraph(graph(tt.graph), ids("a z"))
				edges := map[pipeline.TaskID]pipeline.Edges{}
				var got pipeline.Effects
				for _, end := range tt.ends {
					var err error
					got, err = g.Advance(mode, func(id pipeline.TaskID) (pipeline.Edges, error) { return edges[id], nil }, end)
					if err != nil {
						t.Fatal(err)
					}
					maps.Copy(edges, got.Edges)
				}
				slices.Sort(got.Skip)
				want := pipeline.Effects{Queue: ids(tt.queue), Skip: ids(tt.skip), Abort: tt.abort}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(pipeline.Effects{}, "Edges"), cmpopts.EquateEmpty()); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestGraph_Advance_returnsTheErrorOfCounts(t *testing.T) {
	t.Parallel()
	fault := errors.New("disk on fire")
	_, err := pipeline.NewGraph(graph("a>b"), ids("a")).Advance(pipeline.Continue,
		func(pipeline.TaskID) (pipeline.Edges, error) { return pipeline.Edges{}, fault },
		pipeline.End{Task: "a", Outcome: pipeline.Done, All: true})
	if !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}

// A structure may hold a task that no entry leads to. A join must not wait for
// it: it never runs, so the run would end without the join.
func TestGraph_Advance_unreachablePredecessor(t *testing.T) {
	t.Parallel()
	g := pipeline.NewGraph(graph("a>c b>c"), ids("a"))
	got, err := g.Advance(pipeline.FailFast, func(pipeline.TaskID) (pipeline.Edges, error) { return pipeline.Edges{}, nil },
		pipeline.End{Task: "a", Outcome: pipeline.Done, All: true})
	if err != nil || !slices.Equal(got.Queue, ids("c")) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGraph_Ancestors(t *testing.T) {
	t.Parallel()
	g := pipeline.NewGraph(graph("a>b,c,f b>d c>d,e d>f e>f"), ids("a"))
	for task, want := range map[pipeline.TaskID]string{
		"a": "", "b": "a", "d": "a b c", "e": "a c",
		// The direct predecessors come last, a among them.
		"f": "b c a d e",
	} {
		if diff := cmp.Diff(ids(want), g.Ancestors(task), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", task, diff)
		}
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tally pipeline.Tally
		want  map[pipeline.FailureMode]pipeline.RunStatus
	}{
		{pipeline.Tally{Completed: 3, EndsCompleted: 1}, map[pipeline.FailureMode]pipeline.RunStatus{
			pipeline.FailFast: pipeline.RunCompleted, pipeline.Continue: pipeline.RunCompleted, pipeline.PartialMerge: pipeline.RunCompleted,
		}},
		{pipeline.Tally{Completed: 2, Broken: 1}, map[pipeline.FailureMode]pipeline.RunStatus{
			pipeline.FailFast: pipeline.RunFailed, pipeline.Continue: pipeline.RunFailed, pipeline.PartialMerge: pipeline.RunPartial,
		}},
		{pipeline.Tally{Completed: 2, Broken: 1, EndsCompleted: 1}, map[pipeline.FailureMode]pipeline.RunStatus{
			pipeline.FailFast: pipeline.RunFailed, pipeline.Continue: pipeline.RunPartial, pipeline.PartialMerge: pipeline.RunPartial,
		}},
		{pipeline.Tally{Broken: 1}, map[pipeline.FailureMode]pipeline.RunStatus{
			pipeline.FailFast: pipeline.RunFailed, pipeline.Continue: pipeline.RunFailed, pipeline.PartialMerge: pipeline.RunFailed,
		}},
	}
	for _, tt := range tests {
		for mode, want := range tt.want {
			if got := pipeline.Ended(mode, tt.tally); got != want {
				t.Errorf("%s %+v: got %s, want %s", mode, tt.tally, got, want)
			}
		}
	}
}
