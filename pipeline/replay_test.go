package pipeline_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"pipedai/pipeline"
)

// was is what a run remembers of a passage that is over.
func (p *passage) was(fate map[pipeline.TaskID]pipeline.End) map[pipeline.TaskID]pipeline.Was {
	out := map[pipeline.TaskID]pipeline.Was{}
	for task, state := range p.states {
		switch state {
		case "done":
			out[task] = pipeline.Was{Status: pipeline.TaskCompleted, All: fate[task].All, Selected: fate[task].Selected}
		case "broke":
			out[task] = pipeline.Was{Status: pipeline.TaskFailed}
		}
	}
	return out
}

// ran are the states of the tasks that have a task run.
func (p *passage) ran() map[pipeline.TaskID]string {
	out := maps.Clone(p.states)
	maps.DeleteFunc(out, func(_ pipeline.TaskID, state string) bool { return state == "skipped" })
	return out
}

// A run that is replayed until nothing breaks ends like one in which nothing
// ever broke: the same tasks ran, with the same status. What completed before
// any failure could matter to it runs once.
func TestGraph_Replay_endsLikeARunThatNeverBroke(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s, entries := dag(t)
				g := pipeline.NewGraph(s, entries)
				fate := fates(t, g, s)
				p := startPassage(g, mode, entries)
				p.finish(t, fate)

				// Some of what broke works the next time, until all of it does.
				for round := 0; p.tally.Broken > 0; round++ {
					if round > len(s)+4 {
						t.Fatalf("replayed %d times and still broken: %v", round, p.states)
					}
					before := p.was(fate)
					fixed := maps.Clone(fate)
					for task, end := range fate {
						if before[task].Status == pipeline.TaskFailed && end.Outcome == pipeline.Broke && (round > 2 || rapid.Bool().Draw(t, "works")) {
							fixed[task] = pipeline.End{Task: task, Outcome: pipeline.Done, All: true}
						}
					}
					plan, err := g.Replay(mode, before, nil)
					if err != nil {
						t.Fatal(err)
					}
					p = resume(t, g, mode, before, fate, plan)
					p.finish(t, fixed)
					fate = fixed
				}

				fresh := startPassage(g, mode, entries)
				fresh.finish(t, fate)
				if diff := cmp.Diff(fresh.ran(), p.ran()); diff != "" && fresh.tally.Broken == 0 {
					t.Fatalf("never broken (-), replayed (+):\n%s", diff)
				}
				if fresh.tally.Broken == 0 && fresh.tally != p.tally {
					t.Fatalf("tally %+v, of a run that never broke %+v", p.tally, fresh.tally)
				}
			})
		})
	}
}

// One task at a time leads to the same end, where the mode allows it.
func TestGraph_Replay_oneByOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, entries := dag(t)
		g := pipeline.NewGraph(s, entries)
		fate := fates(t, g, s)
		mode := rapid.SampledFrom(modes[1:]).Draw(t, "mode")
		p := startPassage(g, mode, entries)
		p.finish(t, fate)
		for range 4 * len(s) {
			before := p.was(fate)
			var broke []pipeline.TaskID
			for task, w := range before {
				if w.Status == pipeline.TaskFailed {
					broke = append(broke, task)
				}
			}
			if len(broke) == 0 {
				break
			}
			slices.Sort(broke)
			one := rapid.SampledFrom(broke).Draw(t, "again")
			plan, err := g.Replay(mode, before, []pipeline.TaskID{one})
			if err != nil {
				t.Fatal(err)
			}
			p = resume(t, g, mode, before, fate, plan)
			for task, end := range fate {
				if end.Outcome == pipeline.Broke && task == one {
					fate[task] = pipeline.End{Task: task, Outcome: pipeline.Done, All: true}
				}
			}
			p.finish(t, fate)
			again := startPassage(g, mode, entries)
			again.finish(t, fate)
			if diff := cmp.Diff(again.ran(), p.ran()); diff != "" {
				t.Fatalf("from the start (-), from %s (+):\n%s", one, diff)
			}
			if again.tally != p.tally {
				t.Fatalf("tally %+v, from the start %+v", p.tally, again.tally)
			}
		}
		if p.tally.Broken > 0 {
			t.Fatalf("still broken: %v", p.states)
		}
	})
}

// resume is the passage that a plan leaves behind.
func resume(t *rapid.T, g *pipeline.Graph, mode pipeline.FailureMode, was map[pipeline.TaskID]pipeline.Was,
	fate map[pipeline.TaskID]pipeline.End, plan pipeline.Replay,
) *passage {
	p := startPassage(g, mode, plan.Queue)
	p.edges, p.tally = plan.Edges, plan.Tally
	if plan.Open != len(plan.Queue) {
		t.Fatalf("%d open with %v queued and nothing live", plan.Open, plan.Queue)
	}
	void := append(slices.Clone(plan.Queue), plan.Later...)
	for task, w := range was {
		if slices.Contains(void, task) {
			if w.Status == pipeline.TaskCompleted && mode != pipeline.PartialMerge {
				t.Fatalf("%s completed and runs again", task)
			}
			continue
		}
		p.states[task] = map[bool]string{true: "done", false: "broke"}[w.Status == pipeline.TaskCompleted]
		p.firedWith[task] = plan.Edges[task]
	}
	return p
}

func TestGraph_Replay(t *testing.T) {
	t.Parallel()
	completed := pipeline.Was{Status: pipeline.TaskCompleted, All: true}
	failed, timeout := pipeline.Was{Status: pipeline.TaskFailed}, pipeline.Was{Status: pipeline.TaskTimeout}
	cancelled, running := pipeline.Was{Status: pipeline.TaskCancelled}, pipeline.Was{Status: pipeline.TaskRunning}
	type state = map[pipeline.TaskID]pipeline.Was
	tests := []struct {
		name         string
		graph        string
		mode         pipeline.FailureMode
		was          state
		again        string // "" is all
		queue, later string
		tally        pipeline.Tally
		open         int
		err          error
	}{
		{
			name: "fail-fast takes up what it cancelled", graph: "a>b,c b>d c>d", mode: pipeline.FailFast,
			was: state{"a": completed, "b": failed, "c": cancelled}, again: "b",
			queue: "b c", tally: pipeline.Tally{Completed: 1}, open: 2,
		},
		{
			name: "what completed after the end is followed up", graph: "a>b,c c>e b>d", mode: pipeline.FailFast,
			was:   state{"a": completed, "b": timeout, "c": completed},
			queue: "b e", tally: pipeline.Tally{Completed: 2}, open: 2,
		},
		{
			name: "continue leaves other failures alone", graph: "a>b,c b>d c>e", mode: pipeline.Continue,
			was: state{"a": completed, "b": failed, "c": failed}, again: "b",
			queue: "b", tally: pipeline.Tally{Completed: 1, Broken: 1}, open: 1,
		},
		{
			name: "a merge without the task is made again", graph: "a>b,c b>d c>d d>e", mode: pipeline.PartialMerge,
			was:   state{"a": completed, "b": failed, "c": completed, "d": completed, "e": completed},
			queue: "b", later: "d e", tally: pipeline.Tally{Completed: 2}, open: 1,
		},
		{
			name: "not while that merge runs", graph: "a>b,c b>d c>d", mode: pipeline.PartialMerge,
			was: state{"a": completed, "b": failed, "c": completed, "d": running}, err: pipeline.ErrUnderWay,
		},
		{
			name: "other branches may run meanwhile", graph: "a>b,c b>d c>e", mode: pipeline.Continue,
			was:   state{"a": completed, "b": failed, "c": running},
			queue: "b", tally: pipeline.Tally{Completed: 1}, open: 2,
		},
		{
			name: "entries start over, and only those that broke", graph: "a>b z>b", mode: pipeline.FailFast,
			was:   state{"a": completed, "z": cancelled},
			queue: "z", tally: pipeline.Tally{Completed: 1}, open: 1,
		},
		{
			name: "a cancelled run goes on where it was", graph: "a>b b>c", mode: pipeline.Continue,
			was: state{"a": completed}, queue: "b", tally: pipeline.Tally{Completed: 1}, open: 1,
		},
		{
			name: "nothing to do", graph: "a>b", mode: pipeline.Continue,
			was: state{"a": completed, "b": completed}, tally: pipeline.Tally{Completed: 2, EndsCompleted: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := pipeline.NewGraph(graph(tt.graph), ids("a z"))
			var again []pipeline.TaskID
			if tt.again != "" {
				again = ids(tt.again)
			}
			got, err := g.Replay(tt.mode, tt.was, again)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			want := pipeline.Replay{Queue: ids(tt.queue), Later: ids(tt.later), Tally: tt.tally, Open: tt.open}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(pipeline.Replay{}, "Edges"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
