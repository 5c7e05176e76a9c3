package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"pipedai/pipeline"
	"pipedai/store"
)

// Agree takes two migrated stores through the same random pipelines, with the
// same random ends of attempts, and compares where everything ended.
func Agree(t *testing.T, one, two store.Store) {
	t.Helper()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		p := drawPlan(rt, round)
		a, b := p.play(t, one), p.play(t, two)
		if diff := cmp.Diff(a, b); diff != "" {
			rt.Fatalf("%s and %s disagree about %+v\n(-%s +%s):\n%s",
				one.Info().Name, two.Info().Name, p, one.Info().Name, two.Info().Name, diff)
		}
	})
}

// plan is a random pipeline and what its tasks do.
type plan struct {
	Service  pipeline.ServiceID
	Mode     pipeline.FailureMode
	Tasks    []store.Task
	Acts     map[pipeline.TaskID][]act // by attempt
	CancelAt int                       // claims before the run is cancelled; 0: never
	Batch    int
	Laps     []string // what follows when the run ended badly: "replay" or "retry"
}

type act struct {
	How  string // "all", "some", "fail", "final", "release"
	Next []pipeline.TaskID
}

func drawPlan(rt *rapid.T, round int) plan {
	n := rapid.IntRange(1, 6).Draw(rt, "tasks")
	// Ids are new in each round: both stores keep what earlier rounds did.
	id := func(i int) pipeline.TaskID { return pipeline.TaskID(fmt.Sprintf("t%04d-%d", round, i)) }
	p := plan{
		Service: pipeline.ServiceID(fmt.Sprintf("s%04d", round)),
		Mode:    rapid.SampledFrom([]pipeline.FailureMode{pipeline.FailFast, pipeline.Continue, pipeline.PartialMerge}).Draw(rt, "mode"),
		Acts:    map[pipeline.TaskID][]act{},
		Batch:   rapid.IntRange(1, 4).Draw(rt, "batch"),
	}
	if rapid.IntRange(0, 5).Draw(rt, "cancel") == 0 {
		p.CancelAt = rapid.IntRange(1, 4).Draw(rt, "cancel at")
	}
	for range rapid.IntRange(0, 2).Draw(rt, "laps") {
		p.Laps = append(p.Laps, rapid.SampledFrom([]string{"replay", "retry"}).Draw(rt, "lap"))
	}
	for i := range n {
		t := task(id(i))
		t.Retry.Retries = rapid.IntRange(0, 1).Draw(rt, "retries")
		t.Retry.Delay = 0 // claimable at once, so that no clock has a say
		t.Priority = rapid.IntRange(1, 3).Draw(rt, "priority")
		t.Concurrency = rapid.IntRange(0, 1).Draw(rt, "concurrency")
		for j := i + 1; j < n; j++ {
			if rapid.Bool().Draw(rt, "edge") {
				t.AllowedNext = append(t.AllowedNext, id(j))
			}
		}
		for range 2 {
			a := act{How: rapid.SampledFrom([]string{"all", "all", "some", "fail", "final", "release"}).Draw(rt, "act")}
			for _, next := range t.AllowedNext {
				if rapid.Bool().Draw(rt, "selected") {
					a.Next = append(a.Next, next)
				}
			}
			p.Acts[t.ID] = append(p.Acts[t.ID], a)
		}
		p.Tasks = append(p.Tasks, t)
	}
	return p
}

// play runs the plan to its end and tells how everything ended.
func (p plan) play(t testing.TB, s store.Store) []string {
	t.Helper()
	f := &fixture{TB: t, Store: s, ctx: t.Context()}
	f.registerAs(p.Service, "1", p.Tasks...)
	run := f.start(pipeline.ID(p.Service), p.Mode).Run.ID
	trace := p.lap(f, run, 0)
	for i, lap := range p.Laps {
		if f.run(run).Status == pipeline.RunCompleted {
			break
		}
		trace = append(trace, p.again(f, run, lap)...)
		trace = append(trace, p.lap(f, run, i+1)...)
	}
	return trace
}

// again takes up a run that ended badly.
func (p plan) again(f *fixture, run pipeline.RunID, lap string) []string {
	f.Helper()
	if lap == "replay" {
		did, err := f.ReplayRun(f.ctx, run)
		return []string{fmt.Sprintf("replay: %v then %v, kept %d, %v", did.Queued, did.Later, did.Kept, err)}
	}
	var trace, refs []string
	page, _, err := f.DeadLetters(f.ctx, store.DeadLetterFilter{Pipeline: pipeline.ID(p.Service), Limit: 1000})
	f.must(err)
	slices.SortFunc(page, func(a, b store.DeadLetter) int { return strings.Compare(string(a.Task), string(b.Task)) })
	for i, l := range page {
		if i%2 == 0 || f.run(run).FailureMode == pipeline.FailFast {
			refs = append(refs, string(l.ID))
		}
	}
	answers, err := f.RetryDeadLetters(f.ctx, refs)
	f.must(err)
	for i, a := range answers {
		trace = append(trace, fmt.Sprintf("retry %d: %s %s upstream %d, %v", i, a.Run.Task, a.Run.Status, len(a.Run.UpstreamRefs), a.Err))
	}
	return trace
}

// lap takes the run to its end. What its tasks do changes with each lap.
func (p plan) lap(f *fixture, run pipeline.RunID, lap int) []string {
	f.Helper()
	s := f.Store
	var trace []string
	released := map[pipeline.TaskRunID]bool{}
	for round := 1; round < 100; round++ {
		claimed, err := s.ClaimTasks(f.ctx, store.ClaimTasks{
			Owner: "p", Services: []pipeline.ServiceID{p.Service}, Limit: p.Batch, Accepted: true,
		})
		f.must(err)
		if len(claimed) == 0 {
			break
		}
		trace = append(trace, fmt.Sprint(names(claimed)))
		if round == p.CancelAt && lap == 0 {
			_, err := s.CancelRun(f.ctx, run, "enough")
			trace = append(trace, fmt.Sprintf("cancelled: %v", err == nil))
		}
		var batch []store.EndAttempt
		var back []store.AttemptRef
		for _, c := range claimed {
			a := p.Acts[c.TaskRun.Task][(min(c.TaskRun.Attempt, 2)-1+lap)%2]
			switch {
			case a.How == "release" && !released[c.TaskRun.ID]:
				released[c.TaskRun.ID] = true
				back = append(back, ref(c))
			case a.How == "some":
				batch = append(batch, selecting(a.Next...)(c))
			case a.How == "fail" || a.How == "final":
				batch = append(batch, failed(c, a.How == "final"))
			default:
				batch = append(batch, done(c))
			}
		}
		f.must(s.ReleaseAttempts(f.ctx, back))
		ended, err := s.EndAttempts(f.ctx, batch)
		f.must(err)
		for _, e := range ended {
			slices.Sort(e.Queued)
			trace = append(trace, fmt.Sprintf("%s: %s queued %v, run %q, asked %v, %v", e.Task, e.Status, e.Queued, e.RunEnded, e.CancelAsked, e.Err))
		}
	}
	r := f.run(run)
	trace = append(trace, fmt.Sprintf("run: %s %q %q", r.Status, r.Error, r.OutputPath))
	tasks, err := s.TasksOfRun(f.ctx, run)
	f.must(err)
	for _, t := range tasks {
		trace = append(trace, fmt.Sprintf("%s: %s attempt %d, past %d, error %q, upstream %d", t.Task, t.Status, t.Attempt,
			len(t.PreviousAttempts), t.Error, len(t.UpstreamRefs)))
	}
	status, err := f.QueueStatus(f.ctx)
	f.must(err)
	slices.Sort(trace[len(trace)-len(tasks):])
	trace = append(trace, fmt.Sprintf("counts %d %d %d %d", status.Pending, status.Running, status.Completed, status.DeadLetters))
	if !r.Status.Terminal() {
		trace = append(trace, "never ended")
		f.Errorf("%s: the run never ended: %v", s.Info().Name, trace)
	}
	return trace
}
