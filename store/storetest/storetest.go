// Package storetest decides what a store.Store is: one suite that every
// implementation passes. A test of one implementation alone needs a reason.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Open returns a new, empty store; it is closed when the test ends.
type Open func(t testing.TB) store.Store

// Run runs the suite. Most cases start from a store that migrated returns,
// which saves the time of migrating where that can be done once and copied;
// those about migrations start from one that open returns, without any.
func Run(t *testing.T, open, migrated Open) {
	t.Helper()
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"schema", schemaCases},
		{"catalog", catalogCases},
		{"orphans", orphanCases},
		{"queue", queueCases},
		{"limits", limitCases},
		{"along", alongCases},
		{"graph", graphCases},
		{"run counts", runCountCases},
		{"objects", objectCases},
		{"lease", leaseCases},
		{"hostile", hostileCases},
		{"races", raceCases},
		{"long lists", longListCases},
		{"agreement", agreementCases},
		{"dead letters", deadLetterCases},
		{"idempotency", idempotencyCases},
		{"upkeep", upkeepCases},
		{"run events", runEventCases},
		{"status", statusCases},
		{"liveness", livenessCases},
		{"glance", glanceCases},
		{"hosts", hostCases},
		{"uploads", uploadCases},
		{"rollouts", rolloutCases},
		{"tokens", tokenCases},
		{"worker tokens", workerTokenCases},
		{"releases", releaseCases},
		{"workspaces", workspaceCases},
		{"audit", auditCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					start := migrated
					if c.bare {
						start = open
					}
					c.run(&fixture{TB: t, Store: start(t), ctx: t.Context()})
				})
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*fixture)
	bare bool // without migrating first
}

// fixture is a store with the short forms that cases use.
type fixture struct {
	testing.TB
	store.Store
	ctx context.Context
}

// must1 fails the test on an error and drops the value.
func (f *fixture) must1(_ any, err error) {
	f.Helper()
	f.must(err)
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) wantErr(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("got error %v, want %v", err, want)
	}
}

// task is a definition with short times.
func task(id pipeline.TaskID, next ...pipeline.TaskID) store.Task {
	return store.Task{
		ID: id, CodeHash: "hash-" + string(id), AllowedNext: next, Timeout: 300 * time.Second,
		Retry:             pipeline.RetryPolicy{Backoff: pipeline.BackoffFixed, Delay: time.Millisecond, MaxDelay: time.Hour},
		HeartbeatInterval: time.Minute, Priority: 100, IdempotencyTTL: time.Hour,
	}
}

// register announces service "svc" 1.0.0, reached by push.
func (f *fixture) register(tasks ...store.Task) store.Registered {
	f.Helper()
	return f.registerAs("svc", "1.0.0", tasks...)
}

func (f *fixture) registerAs(id pipeline.ServiceID, version string, tasks ...store.Task) store.Registered {
	f.Helper()
	got, err := f.Register(f.ctx, store.Register{
		Service: store.Service{ID: id, Version: version, BaseURL: "http://127.0.0.1:1"}, Tasks: tasks,
	})
	f.must(err)
	return got
}

// enqueue queues one standalone task run.
func (f *fixture) enqueue(id pipeline.TaskID) store.TaskRun {
	f.Helper()
	return f.enqueueAs(store.EnqueueTask{Task: id})
}

func (f *fixture) enqueueAs(p store.EnqueueTask) store.TaskRun {
	f.Helper()
	if p.ID == "" {
		p.ID = pipeline.NewTaskRunID(time.Now())
	}
	got, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{p})
	f.must(err)
	return got[0].Run
}

// start triggers a pipeline.
func (f *fixture) start(id pipeline.ID, mode pipeline.FailureMode) store.StartedRun {
	f.Helper()
	return f.startAs(store.StartRun{Pipeline: id, FailureMode: mode})
}

func (f *fixture) startAs(p store.StartRun) store.StartedRun {
	f.Helper()
	p.ID = pipeline.NewRunID(time.Now())
	if p.Input.Path == "" {
		p.Input.Path = "runs/" + string(p.ID) + "/input.json"
	}
	got, err := f.StartRuns(f.ctx, []store.StartRun{p})
	f.must(err)
	f.must(got[0].Err)
	return got[0]
}

// claim takes up to n runs and accepts them.
func (f *fixture) claim(n int) []store.Claimed {
	f.Helper()
	got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "test", Limit: n, AcceptWithin: time.Minute, Accepted: true})
	f.must(err)
	return got
}

// claimNames is what a claim took, in order.
func (f *fixture) claimNames(n int) []pipeline.TaskID {
	f.Helper()
	return names(f.claim(n))
}

func names(claimed []store.Claimed) []pipeline.TaskID {
	out := []pipeline.TaskID{}
	for _, c := range claimed {
		out = append(out, c.TaskRun.Task)
	}
	return out
}

func ref(c store.Claimed) store.AttemptRef {
	return store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt}
}

func done(c store.Claimed, next ...pipeline.TaskID) store.EndAttempt {
	return store.EndAttempt{
		AttemptRef: ref(c), OutputPath: "out/" + string(c.TaskRun.Task) + ".json", OutputSize: 7,
		AllNext: next == nil, SelectedNext: next,
	}
}

func failed(c store.Claimed, final bool) store.EndAttempt {
	return store.EndAttempt{AttemptRef: ref(c), Failure: &store.Failure{Error: "boom " + string(c.TaskRun.Task), Code: "BOOM", Final: final}}
}

// end ends one attempt.
func (f *fixture) end(e store.EndAttempt) store.EndedAttempt {
	f.Helper()
	got, err := f.EndAttempts(f.ctx, []store.EndAttempt{e})
	f.must(err)
	return got[0]
}

// step claims everything and ends it as how says; tasks without an entry
// complete with all successors.
func (f *fixture) step(how map[pipeline.TaskID]func(store.Claimed) store.EndAttempt) []store.EndedAttempt {
	f.Helper()
	var ends []store.EndAttempt
	for _, c := range f.claim(100) {
		if fn := how[c.TaskRun.Task]; fn != nil {
			ends = append(ends, fn(c))
		} else {
			ends = append(ends, done(c))
		}
	}
	got, err := f.EndAttempts(f.ctx, ends)
	f.must(err)
	for _, e := range got {
		f.must(e.Err)
	}
	return got
}

// drain steps until nothing is claimable.
func (f *fixture) drain(how map[pipeline.TaskID]func(store.Claimed) store.EndAttempt) {
	f.Helper()
	for len(f.step(how)) > 0 {
	}
}

func (f *fixture) taskRun(id pipeline.TaskRunID) store.TaskRun {
	f.Helper()
	got, err := f.TaskRun(f.ctx, id)
	f.must(err)
	return got
}

func (f *fixture) run(id pipeline.RunID) store.PipelineRun {
	f.Helper()
	got, err := f.PipelineRun(f.ctx, id)
	f.must(err)
	return got
}

// states are the states of a run's tasks, ascending: "a=completed".
func (f *fixture) states(id pipeline.RunID) []string {
	f.Helper()
	tasks, err := f.TasksOfRun(f.ctx, id)
	f.must(err)
	out := []string{}
	for _, t := range tasks {
		out = append(out, fmt.Sprintf("%s=%s", t.Task, t.Status))
	}
	slices.Sort(out)
	return out
}

// promote calls PromoteDue until n runs came due, for a few seconds: the
// store's clock is a real one.
func (f *fixture) promote(n int) {
	f.Helper()
	until := time.Now().Add(10 * time.Second)
	for got := 0; got < n; {
		if time.Now().After(until) {
			f.Fatalf("promoted %d task runs, want %d", got, n)
		}
		promoted, _, err := f.PromoteDue(f.ctx, 100)
		f.must(err)
		got += promoted
	}
}

func ids(t ...pipeline.TaskID) []pipeline.TaskID { return append([]pipeline.TaskID{}, t...) }

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// jsonInto decodes without rounding numbers.
func jsonInto(text string, to *any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return dec.Decode(to)
}
