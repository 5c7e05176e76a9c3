package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

// inBubble runs a test with a clock of its own, over real parts.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	inBubble(t, "join after two branches", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		began := time.Now()
		run := f.ended(f.trigger().ID)

		if run.Status != pipeline.RunCompleted {
			t.Errorf("got %s: %s", run.Status, run.Error)
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, f.fleet.tasks()); diff != "" {
			t.Errorf("each task once: %s", diff)
		}
		// The bubble's clock moves only when everybody waits for it: nobody did.
		if waited := time.Since(began); waited != 0 {
			t.Errorf("somewhere on the way something waited %s for a clock", waited)
		}
	})
	inBubble(t, "what a worker is told", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		run := f.ended(f.trigger().ID)

		d := f.fleet.of("d")[0]
		if d.PipelineRunID != string(run.ID) || d.Attempt != 1 || d.CodeHash != "hash-d" || d.CodeVersion != 1 {
			t.Errorf("got %+v", d)
		}
		if d.InputPath != storage.PipelineInputPath(string(run.ID)) || d.Input != nil {
			t.Errorf("input: got %q, %s", d.InputPath, d.Input)
		}
		if d.HeartbeatIntervalMs != 10_000 || d.TimeoutMs != 600_000 {
			t.Errorf("times: got %d, %d", d.HeartbeatIntervalMs, d.TimeoutMs)
		}
		if string(d.PreviousAttempts) != "[]" {
			t.Errorf("previous attempts: got %s", d.PreviousAttempts)
		}
		if got := string(f.fleet.of("a")[0].UpstreamRefs); got != "{}" {
			t.Errorf("an entry builds on %s", got)
		}
		var refs store.UpstreamRefs
		if err := json.Unmarshal(d.UpstreamRefs, &refs); err != nil {
			t.Fatal(err)
		}
		var names []pipeline.TaskID
		for _, ref := range refs {
			names = append(names, ref.Task)
		}
		if !slices.Equal(names, []pipeline.TaskID{"a", "b", "c"}) {
			t.Errorf("upstream: got %v, want every ancestor, direct ones last", names)
		}
		cfg, err := storage.Unseal(testSecret.Reveal(), d.StorageToken)
		if err != nil || cfg.Provider != "local" {
			t.Errorf("token: got %v, %v", cfg.Provider, err)
		}
		r, object, err := f.bucket.Get(t.Context(), d.InputPath)
		if err != nil {
			t.Fatalf("the input is not where the worker reads it: %v", err)
		}
		_ = r.Close()
		if object.Size != int64(len(`{"n":1}`)) {
			t.Errorf("input has %d bytes", object.Size)
		}
	})
	inBubble(t, "optional branch not chosen", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		f.fleet.work["a"] = always(outcome{next: []pipeline.TaskID{"c", "stranger"}})
		run := f.ended(f.trigger().ID)
		if run.Status != pipeline.RunCompleted {
			t.Errorf("got %s: %s", run.Status, run.Error)
		}
		if diff := cmp.Diff([]string{"a", "c", "d"}, f.fleet.tasks()); diff != "" {
			t.Error(diff)
		}
	})
	inBubble(t, "empty selection ends the run", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		f.fleet.work["a"] = always(outcome{next: []pipeline.TaskID{}})
		run := f.ended(f.trigger().ID)
		if got := f.fleet.tasks(); run.Status != pipeline.RunCompleted || !slices.Equal(got, []string{"a"}) {
			t.Errorf("got %s after %v", run.Status, got)
		}
	})
	inBubble(t, "retry, then success", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond)
		f.fleet.work["b"] = failing(3, store.Failure{Error: "try", Code: "FLAKY"})
		began := time.Now()
		run := f.ended(f.trigger().ID)
		if run.Status != pipeline.RunCompleted {
			t.Fatalf("got %s: %s", run.Status, run.Error)
		}
		// 1 s after the first failure, 2 s after the second; not a poll interval.
		if waited := time.Since(began); waited < 3*time.Second || waited > 3100*time.Millisecond {
			t.Errorf("three attempts took %s, want 3 s", waited)
		}
		tries := f.fleet.of("b")
		if len(tries) != 3 {
			t.Fatalf("got %d attempts", len(tries))
		}
		id := f.taskRun(run.ID, "b").ID
		for i, d := range tries {
			if d.Attempt != i+1 || d.RunID != id.Wire(i+1) {
				t.Errorf("attempt %d: got %d under %s", i+1, d.Attempt, d.RunID)
			}
		}
		var past []store.PastAttempt
		if err := json.Unmarshal(tries[2].PreviousAttempts, &past); err != nil {
			t.Fatal(err)
		}
		if len(past) != 2 || past[0].Error != "try 1" || past[1].Attempt != 2 || past[1].ErrorCode != "FLAKY" {
			t.Errorf("previous attempts: got %+v", past)
		}
	})
	inBubble(t, "wide fan-in", func(t *testing.T) {
		f := newFixture(t, Options{MaxConcurrency: 64}).run()
		wide := edges{"start": nil, "join": nil}
		for i := range 200 {
			id := pipeline.TaskID(fmt.Sprintf("leaf-%03d", i))
			wide["start"] = append(wide["start"], id)
			wide[id] = []pipeline.TaskID{"join"}
		}
		f.register(wide)
		run := f.ended(f.trigger().ID)
		if got := len(f.fleet.of("join")); run.Status != pipeline.RunCompleted || got != 1 || len(f.fleet.tasks()) != 202 {
			t.Errorf("got %s, %d joins, %d tasks", run.Status, got, len(f.fleet.tasks()))
		}
	})
}

func TestPipeline_finalFailure(t *testing.T) {
	t.Parallel()
	const (
		completed = pipeline.TaskCompleted
		failed    = pipeline.TaskFailed
	)
	graph := edges{"a": {"b", "c"}, "b": {"d"}, "c": {"d", "e"}, "d": nil, "e": nil}
	tests := []struct {
		mode   pipeline.FailureMode
		status pipeline.RunStatus
		tasks  map[pipeline.TaskID]pipeline.TaskStatus
	}{
		{pipeline.Continue, pipeline.RunPartial, map[pipeline.TaskID]pipeline.TaskStatus{"a": completed, "b": failed, "c": completed, "e": completed}},
		{pipeline.PartialMerge, pipeline.RunPartial, map[pipeline.TaskID]pipeline.TaskStatus{"a": completed, "b": failed, "c": completed, "d": completed, "e": completed}},
	}
	for _, tt := range tests {
		inBubble(t, string(tt.mode), func(t *testing.T) {
			f := newFixture(t, Options{}).run()
			f.register(graph)
			f.fleet.work["b"] = always(outcome{fail: &store.Failure{Error: "broken", Final: true}})
			run := f.ended(f.trigger(func(t *Trigger) { t.FailureMode = tt.mode }).ID)
			if run.Status != tt.status || run.FailureMode != tt.mode {
				t.Errorf("got %s in mode %s", run.Status, run.FailureMode)
			}
			if diff := cmp.Diff(tt.tasks, f.statuses(run.ID)); diff != "" {
				t.Error(diff)
			}
		})
	}
	inBubble(t, "fail-fast", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(graph)
		// c is still running when b fails: it is asked to stop, and what it
		// reports is recorded and leads to nothing.
		failedRun, running := make(chan struct{}), make(chan struct{})
		f.fleet.work["b"] = func(api.Dispatch) outcome {
			<-running
			return outcome{fail: &store.Failure{Error: "broken", Final: true}}
		}
		f.fleet.work["c"] = func(d api.Dispatch) outcome {
			close(running)
			<-failedRun
			id, attempt := pipeline.ParseWire(d.RunID)
			answer, err := f.Heartbeat(t.Context(), store.Heartbeat{AttemptRef: store.AttemptRef{ID: id, Attempt: attempt}})
			if err != nil || !answer.Known || !answer.Cancel {
				t.Errorf("a run to be stopped hears %+v, %v", answer, err)
			}
			return outcome{}
		}
		run := f.ended(f.trigger().ID)
		if run.Status != pipeline.RunFailed || run.Error == "" {
			t.Errorf("got %s: %q", run.Status, run.Error)
		}
		close(failedRun)
		f.fleet.busy.Wait()
		f.stop()
		if diff := cmp.Diff([]string{"a", "b", "c"}, f.fleet.tasks()); diff != "" {
			t.Errorf("after the failure more ran: %s", diff)
		}
	})
	inBubble(t, "attempts used up", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		f.fleet.work["a"] = always(outcome{fail: &store.Failure{Error: "never works"}})
		run := f.ended(f.trigger().ID)
		if got := len(f.fleet.of("a")); run.Status != pipeline.RunFailed || got != 3 {
			t.Errorf("got %s after %d attempts, want 1 and 2 retries", run.Status, got)
		}
		queue, err := f.Store().QueueStatus(t.Context())
		if err != nil || queue.DeadLetters != 1 {
			t.Errorf("got %+v, %v, want one dead letter", queue, err)
		}
	})
	for name, failure := range map[string]store.Failure{
		"not retryable":      {Error: "bad document", Code: "BAD_PDF", Final: true},
		"invalid next tasks": {Error: "no such successor", Code: api.CodeInvalidNextTasks},
		"no error text":      {Final: true},
	} {
		inBubble(t, name, func(t *testing.T) {
			f := newFixture(t, Options{}).run()
			f.register(edges{"a": nil})
			f.fleet.work["a"] = always(outcome{fail: &failure})
			run := f.ended(f.trigger().ID)
			got := f.taskRun(run.ID, "a")
			if got.Status != failed || got.Attempt != 1 || got.ErrorCode != failure.Code {
				t.Errorf("got %s after attempt %d, code %q", got.Status, got.Attempt, got.ErrorCode)
			}
			if failure.Error == "" && got.Error != "Unknown error" {
				t.Errorf("got %q", got.Error)
			}
		})
	}
}

// Many runs, two engines, one database: nothing is done twice and nothing is
// left.
func TestPipeline_storm(t *testing.T) {
	t.Parallel()
	const runs = 200
	one := newFixture(t, Options{Replica: "one", MaxConcurrency: 32, PollInterval: 50 * time.Millisecond})
	two := newFixtureOver(t, one.Store(), Options{Replica: "two", MaxConcurrency: 32, PollInterval: 50 * time.Millisecond})
	one.register(diamond)
	endings := make(chan pipeline.RunID, runs)
	one.tellEndings(endings)
	two.tellEndings(endings)
	one.run()
	two.run()

	var (
		wg  sync.WaitGroup
		ids = make([]pipeline.RunID, runs)
	)
	for i := range runs {
		wg.Go(func() {
			started, err := []*fixture{one, two}[i%2].Trigger(t.Context(), Trigger{Pipeline: "svc"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = started.Run.ID
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for range runs {
		<-endings
	}
	for _, id := range ids {
		if run, err := one.Store().PipelineRun(t.Context(), id); err != nil || run.Status != pipeline.RunCompleted {
			t.Errorf("run %s is %s (%s), %v", id, run.Status, run.Error, err)
		}
	}
	one.stop()
	two.stop()

	seen := map[string]int{}
	for _, f := range []*fixture{one, two} {
		for _, d := range f.fleet.taken {
			seen[d.PipelineRunID+"/"+d.TaskID]++
		}
	}
	if len(seen) != 4*runs {
		t.Errorf("%d tasks ran, want %d", len(seen), 4*runs)
	}
	for task, times := range seen {
		if times != 1 {
			t.Errorf("%s ran %d times", task, times)
		}
	}
	queue, err := one.Store().QueueStatus(t.Context())
	if err != nil || queue.Pending+queue.Running != 0 || queue.Completed != 4*runs {
		t.Errorf("got %+v, %v", queue, err)
	}
}
