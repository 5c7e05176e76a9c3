package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var catalogCases = []testCase{
	{name: "a service and its tasks", run: serviceAndTasks},
	{name: "code versions and history", run: codeVersions},
	{name: "code versions of two versions of a service", run: alternatingVersions},
	{name: "a run has the code version of its queueing", run: versionAtQueueing},
	{name: "derived pipelines", run: derivedPipelines},
	{name: "explicit beats derived", run: explicitPipelines},
	{name: "deleting keeps the history", run: deletePipeline},
	{name: "an explicit definition follows its tasks", run: explicitFollows},
	{name: "deleting waits for attempts of cancelled runs", run: deleteUnderWay},
	{name: "a task moves to another service", run: movedTask},
}

func serviceAndTasks(f *fixture) {
	want := store.Task{
		ID: "a", Service: "svc", CodeHash: "h", CodeVersion: 1, AllowedNext: ids("b"), Timeout: 90 * time.Second,
		Retry:             pipeline.RetryPolicy{Retries: 4, Backoff: pipeline.BackoffExponential, Delay: 1500 * time.Millisecond, MaxDelay: time.Minute},
		HeartbeatInterval: 20 * time.Second, Concurrency: 3, Priority: -5, IdempotencyTTL: time.Hour,
		Description: "does a", InputSchema: raw(`{"type": "object"}`),
	}
	f.must1(f.Register(f.ctx, store.Register{
		Service: store.Service{ID: "svc", Version: "1.2.3", BaseURL: "http://h:1", InlineInput: true, Metadata: raw(`{"lang":"go"}`)},
		Tasks:   []store.Task{want, task("b")},
	}))
	got, err := f.Task(f.ctx, "a")
	f.must(err)
	want.RegisteredAt, want.UpdatedAt = got.RegisteredAt, got.UpdatedAt
	if diff := cmp.Diff(string(want.InputSchema), string(got.InputSchema)); diff != "" && len(got.InputSchema) == 0 {
		f.Errorf("input schema (-want +got):\n%s", diff)
	}
	want.InputSchema = got.InputSchema
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("task (-want +got):\n%s", diff)
	}
	s, err := f.Service(f.ctx, "svc")
	f.must(err)
	if s.Version != "1.2.3" || s.BaseURL != "http://h:1" || !s.InlineInput || s.TaskCount != 2 || s.Status != "active" ||
		s.RegisteredAt.IsZero() || s.LastHeartbeat.IsZero() {
		f.Errorf("service %+v", s)
	}
	_, err = f.Service(f.ctx, "nope")
	f.wantErr(err, store.ErrNotFound)
	_, err = f.Task(f.ctx, "nope")
	f.wantErr(err, store.ErrNotFound)

	f.registerAs("newer", "1", task("c"))
	services, err := f.Services(f.ctx)
	f.must(err)
	if len(services) != 2 || services[0].ID != "newer" {
		f.Errorf("services %+v", services)
	}
	for service, want := range map[pipeline.ServiceID]int{"": 3, "svc": 2, "newer": 1} {
		tasks, err := f.Tasks(f.ctx, service)
		f.must(err)
		if len(tasks) != want {
			f.Errorf("tasks of %q: %d, want %d", service, len(tasks), want)
		}
	}
}

func codeVersions(f *fixture) {
	reg := func(hash, version string) []store.CodeChange {
		t := task("a")
		t.CodeHash = hash
		return f.registerAs("svc", version, t).CodeChanges
	}
	if got := reg("h1", "1"); len(got) != 0 {
		f.Errorf("first registration changed %v", got)
	}
	if got := reg("h1", "1"); len(got) != 0 {
		f.Errorf("same hash changed %v", got)
	}
	want := []store.CodeChange{{Task: "a", OldHash: "h1", NewHash: "h2", OldVersion: 1, NewVersion: 2}}
	if diff := cmp.Diff(want, reg("h2", "2")); diff != "" {
		f.Errorf("changes (-want +got):\n%s", diff)
	}
	if got := reg("h1", "3"); len(got) != 1 || got[0].NewVersion != 3 {
		f.Errorf("a return to the older hash changed %v", got)
	}
	history, err := f.TaskHistory(f.ctx, "a")
	f.must(err)
	var got []string
	for _, v := range history {
		got = append(got, fmt.Sprintf("%d %s %s", v.Version, v.Hash, v.ServiceVersion))
	}
	if diff := cmp.Diff([]string{"3 h1 3", "2 h2 2", "1 h1 1"}, got); diff != "" {
		f.Errorf("history (-want +got):\n%s", diff)
	}
}

// alternatingVersions is a rolling deployment: two versions of a service
// register again and again, at the same time. Each change of the hash is a
// version of its own, with its row in the history and its change told once.
func alternatingVersions(f *fixture) {
	const rounds = 8
	var mu sync.Mutex
	var told []string
	var wg sync.WaitGroup
	for _, v := range []string{"1", "2"} {
		wg.Go(func() {
			for range rounds {
				a := task("a")
				a.CodeHash = "h" + v
				got, err := f.Register(f.ctx, store.Register{Service: store.Service{ID: "svc", Version: v, BaseURL: "http://w"}, Tasks: []store.Task{a}})
				if err != nil {
					f.Errorf("register: %v", err)
					return
				}
				mu.Lock()
				for _, c := range got.CodeChanges {
					told = append(told, fmt.Sprintf("%d %s after %s", c.NewVersion, c.NewHash, c.OldHash))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	history, err := f.TaskHistory(f.ctx, "a")
	f.must(err)
	slices.Reverse(history)
	var want []string
	for i, v := range history {
		if v.Version != i+1 || v.Hash != "h"+v.ServiceVersion {
			f.Errorf("row %d of the history is %+v", i, v)
		}
		if i > 0 {
			want = append(want, fmt.Sprintf("%d %s after %s", v.Version, v.Hash, history[i-1].Hash))
			if v.Hash == history[i-1].Hash {
				f.Errorf("version %d has the code of the one before", v.Version)
			}
		}
	}
	slices.Sort(told)
	slices.Sort(want)
	if diff := cmp.Diff(want, told); diff != "" {
		f.Errorf("changes that were told (-want +got):\n%s", diff)
	}
	if t, err := f.Task(f.ctx, "a"); err != nil || t.CodeVersion != len(history) || t.CodeHash != history[len(history)-1].Hash {
		f.Errorf("task %+v, %v; want version %d", t, err, len(history))
	}
}

func versionAtQueueing(f *fixture) {
	a := task("a")
	a.CodeHash, a.Retry = "old", pipeline.RetryPolicy{Retries: 1, Backoff: pipeline.BackoffFixed}
	f.register(a)
	tr := f.enqueue("a")
	a.CodeHash = "new"
	f.register(a)
	c := f.claim(1)[0]
	if c.TaskRun.CodeHash != "old" || c.TaskRun.CodeVersion != 1 {
		f.Errorf("claimed %s, version %d", c.TaskRun.CodeHash, c.TaskRun.CodeVersion)
	}
	f.end(failed(c, false))
	f.claim(1)
	if got := f.taskRun(tr.ID); got.CodeHash != "new" || got.CodeVersion != 2 {
		f.Errorf("the retry has %s, version %d", got.CodeHash, got.CodeVersion)
	}
}

func (f *fixture) pipelineNames() []string {
	f.Helper()
	all, err := f.Pipelines(f.ctx)
	f.must(err)
	out := []string{}
	for _, p := range all {
		out = append(out, fmt.Sprintf("%s %s %v %v", p.ID, p.Source, p.EntryTasks, p.Structure.Tasks()))
	}
	slices.Sort(out)
	return out
}

func (f *fixture) wantPipelines(want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, f.pipelineNames()); diff != "" {
		f.Errorf("pipelines (-want +got):\n%s", diff)
	}
}

func derivedPipelines(f *fixture) {
	f.registerAs("pdf", "2.0.0", task("download", "read"), task("read", "later"), task("solo"))
	f.wantPipelines("download task [download] [download read]", "pdf service [download solo] [download read solo]", "solo task [solo] [solo]")
	p, err := f.Pipeline(f.ctx, "pdf")
	f.must(err)
	if p.Version != "2.0.0" || p.Name != "pdf" || p.FailureMode != pipeline.FailFast {
		f.Errorf("pipeline %+v", p)
	}
	if diff := cmp.Diff(ids("later"), p.Structure["read"].AllowedNext); diff != "" {
		f.Errorf("an edge to a task that is still to come (-want +got):\n%s", diff)
	}
	// Another service brings the missing task, names an entry, and has a task
	// named like a service.
	f.registerAs("other", "1", task("later"), task("start", "solo"), task("pdf"))
	f.wantPipelines(
		"download task [download] [download later read]",
		"other service [pdf start] [pdf solo start]",
		"pdf service [download] [download later read]",
		"start task [start] [solo start]",
	)
	_, err = f.Pipeline(f.ctx, "nope")
	f.wantErr(err, store.ErrNotFound)
}

func explicitPipelines(f *fixture) {
	f.register(task("a"), task("b"))
	def := store.Pipeline{
		ID: "svc", Name: "Mine", Description: "by hand", EntryTasks: ids("b"),
		Structure: pipeline.Structure{"b": {AllowedNext: ids()}}, FailureMode: pipeline.Continue, Version: "9", Metadata: raw(`{"team":"x"}`),
	}
	put, err := f.PutPipeline(f.ctx, def)
	f.must(err)
	if put.Source != "api" || put.CreatedAt.IsZero() || put.Name != "Mine" || put.Description != "by hand" || put.FailureMode != pipeline.Continue || put.Version != "9" {
		f.Errorf("put %+v", put)
	}
	f.registerAs("svc", "2.0.0", task("a"), task("b"))
	f.wantPipelines("a task [a] [a]", "b task [b] [b]", "svc api [b] [b]")

	run := f.start("svc", "")
	if run.Run.FailureMode != pipeline.Continue || run.Run.Version != "9" {
		f.Errorf("run %+v", run.Run)
	}
	f.wantErr(f.DeletePipeline(f.ctx, "svc"), store.ErrConflict) // active
	f.drain(nil)
	f.must(f.DeletePipeline(f.ctx, "svc"))
	f.wantPipelines("a task [a] [a]", "b task [b] [b]", "svc service [a b] [a b]")
	if got := f.run(run.Run.ID); got.FailureMode != pipeline.Continue || len(got.Structure) != 1 {
		f.Errorf("the run lost its snapshot: %+v", got)
	}
	f.wantErr(f.DeletePipeline(f.ctx, "nope"), store.ErrNotFound)
}

func deletePipeline(f *fixture) {
	f.register(task("a"))
	f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "mine", EntryTasks: ids("a"), Structure: pipeline.Structure{"a": {}}}))
	run := f.start("mine", "")
	f.drain(nil)
	f.must(f.DeletePipeline(f.ctx, "mine"))
	f.wantPipelines("a task [a] [a]", "svc service [a] [a]")
	_, err := f.Pipeline(f.ctx, "mine")
	f.wantErr(err, store.ErrNotFound)
	f.wantErr(f.DeletePipeline(f.ctx, "mine"), store.ErrNotFound)
	got, err := f.StartRuns(f.ctx, []store.StartRun{{ID: "prun_x", Pipeline: "mine"}})
	f.must(err)
	f.wantErr(got[0].Err, store.ErrNotFound)
	// What ran is history, and nobody deleted that.
	if r := f.run(run.Run.ID); r.Status != pipeline.RunCompleted || r.Pipeline != "mine" {
		f.Errorf("run %+v", r)
	}
	if st, err := f.QueueStatus(f.ctx); err != nil || st.Completed != 1 {
		f.Errorf("status %+v, %v", st, err)
	}
	f.register(task("a")) // renewing leaves it deleted
	f.wantPipelines("a task [a] [a]", "svc service [a] [a]")
	f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "mine", EntryTasks: ids("a"), Structure: pipeline.Structure{"a": {}}}))
	f.start("mine", "")
}

// The graph of an explicit definition follows its tasks; what people wrote in
// it does not change, and neither does a run under way.
func explicitFollows(f *fixture) {
	f.register(task("a", "b"), task("b"))
	def := store.Pipeline{
		ID: "mine", Name: "Mine", EntryTasks: ids("a"), FailureMode: pipeline.Continue, Version: "3", Metadata: raw(`{"team":"x"}`),
		Structure: pipeline.Structure{"a": {AllowedNext: ids("b")}, "b": {AllowedNext: ids()}},
	}
	put, err := f.PutPipeline(f.ctx, def)
	f.must(err)
	again, err := f.PutPipeline(f.ctx, def)
	f.must(err)
	if !again.UpdatedAt.Equal(put.UpdatedAt) {
		f.Error("writing the same definition again changed it")
	}
	before := f.start("mine", "")
	f.register(task("a", "b", "c"), task("b"), task("c"))
	got, err := f.Pipeline(f.ctx, "mine")
	f.must(err)
	if got.Name != "Mine" || got.Version != "3" || got.FailureMode != pipeline.Continue || got.Source != "api" || len(got.Structure) != 3 {
		f.Errorf("pipeline %+v", got)
	}
	after := f.start("mine", "")
	f.drain(nil)
	f.wantStates(before.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed")
	f.wantStates(after.Run.ID, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed")
}

// The run is over, but a worker still holds an attempt of it. Deleting its rows
// under the lease would leave a lease that no rescue could ever end.
func deleteUnderWay(f *fixture) {
	a := task("a")
	a.Concurrency = 1
	f.register(a)
	f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "mine", EntryTasks: ids("a"), Structure: pipeline.Structure{"a": {}}}))
	run := f.start("mine", "")
	c := f.claim(1)[0]
	f.must1(f.CancelRun(f.ctx, run.Run.ID, ""))
	f.wantErr(f.DeletePipeline(f.ctx, "mine"), store.ErrConflict)
	got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(time.Hour), Limit: 10})
	f.must(err)
	if len(got.Ended) != 1 || got.Ended[0].ID != c.TaskRun.ID || got.Ended[0].Status != pipeline.TaskCancelled {
		f.Errorf("rescued %+v", got)
	}
	f.must(f.DeletePipeline(f.ctx, "mine"))
	f.enqueue("a")
	if n := len(f.claim(1)); n != 1 {
		f.Errorf("claimed %d: the slot was not given back", n)
	}
}

func movedTask(f *fixture) {
	f.registerAs("one", "1", task("a"))
	f.enqueue("a")
	two := store.Register{Service: store.Service{ID: "two", Version: "1"}, Tasks: []store.Task{task("a"), task("b")}}
	for i, want := range [][]store.TakenOver{{{Task: "a", From: "one"}}, nil} {
		reg, err := f.Register(f.ctx, two)
		f.must(err)
		if diff := cmp.Diff(want, reg.TakenOver); diff != "" {
			f.Errorf("taken over by registration %d (-want +got):\n%s", i+1, diff)
		}
	}
	if got := f.claimNames(1); len(got) != 0 {
		f.Errorf("pushed %v to the service that no longer has it", got)
	}
	got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Services: []pipeline.ServiceID{"two"}, Limit: 1, Accepted: true})
	f.must(err)
	if len(got) != 1 || got[0].Service.ID != "two" {
		f.Errorf("claimed %+v", got)
	}
}
