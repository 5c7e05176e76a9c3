package sqlite

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// The store as shipped: synchronous=FULL. The figures to read are those per
// second and the CPU time, which do not depend on what else the disk does.

func bench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "engine.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	register(b, s, def("a"))
	return s
}

func register(tb testing.TB, s *Store, tasks ...store.Task) {
	tb.Helper()
	if _, err := s.Register(tb.Context(), store.Register{
		Service: store.Service{ID: "svc", Version: "1.0.0", BaseURL: "http://worker.test"}, Tasks: tasks,
	}); err != nil {
		tb.Fatal(err)
	}
}

func def(id pipeline.TaskID, next ...pipeline.TaskID) store.Task {
	return store.Task{
		ID: id, CodeHash: "8f14e45fceea167a5a36dedd4bea2543a1e8d2f0c3b4a59687f0e1d2c3b4a596", AllowedNext: next, Timeout: time.Minute,
		Retry: pipeline.RetryPolicy{Retries: 3, Backoff: pipeline.BackoffExponential, Delay: time.Second}, HeartbeatInterval: time.Minute, Priority: 100,
	}
}

func perSecond(b *testing.B, what string, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what+"/s")
}

func batch(n int, task pipeline.TaskID) []store.EnqueueTask {
	out := make([]store.EnqueueTask, n)
	for i := range out {
		id := pipeline.NewTaskRunID(time.Now())
		out[i] = store.EnqueueTask{ID: id, Task: task, Input: store.Input{
			Path: "standalone/" + string(id) + "/input.json", Data: json.RawMessage(`{"n":1,"text":"what a small input holds"}`),
		}}
	}
	return out
}

// work claims, accepts and completes until nothing is left.
func work(tb testing.TB, s *Store, size int) (done int) {
	tb.Helper()
	for {
		claimed, err := s.ClaimTasks(tb.Context(), store.ClaimTasks{Owner: "b", Limit: size, AcceptWithin: time.Minute})
		if err != nil {
			tb.Fatal(err)
		}
		if len(claimed) == 0 {
			return done
		}
		refs, ends := make([]store.AttemptRef, len(claimed)), make([]store.EndAttempt, len(claimed))
		for i, c := range claimed {
			refs[i] = store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt, Owner: "b"}
			ends[i] = store.EndAttempt{AttemptRef: refs[i], AllNext: true, OutputPath: "runs/" + string(c.TaskRun.ID) + "/output.json", OutputSize: 7}
		}
		if err := s.AcceptAttempts(tb.Context(), refs); err != nil {
			tb.Fatal(err)
		}
		ended, err := s.EndAttempts(tb.Context(), ends)
		if err != nil {
			tb.Fatal(err)
		}
		for _, e := range ended {
			if e.Err != nil {
				tb.Fatal(e.Err)
			}
		}
		done += len(ended)
	}
}

// BenchmarkLife measures whole lives of task runs: enqueue, claim, accept, end.
func BenchmarkLife(b *testing.B) {
	for _, size := range []int{1, 50, 200} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := bench(b)
			done := 0
			for b.Loop() {
				if _, err := s.EnqueueTasks(b.Context(), batch(size, "a")); err != nil {
					b.Fatal(err)
				}
				done += work(b, s, size)
			}
			perSecond(b, "runs", done)
		})
	}
}

// BenchmarkEnqueue measures POST /api/queue/batch at its largest.
func BenchmarkEnqueue(b *testing.B) {
	s := bench(b)
	done := 0
	for b.Loop() {
		b.StopTimer()
		items := batch(10_000, "a")
		b.StartTimer()
		if _, err := s.EnqueueTasks(b.Context(), items); err != nil {
			b.Fatal(err)
		}
		done += len(items)
	}
	perSecond(b, "runs", done)
}

// BenchmarkDiamond measures pipelines of four tasks: one, two beside each
// other, one that joins them.
func BenchmarkDiamond(b *testing.B) {
	s := bench(b)
	register(b, s, def("a"), def("d1", "d2", "d3"), def("d2", "d4"), def("d3", "d4"), def("d4"))
	done := 0
	for b.Loop() {
		start(b, s, "d1", 50)
		done += work(b, s, 100)
	}
	perSecond(b, "diamonds", done/4)
}

func start(tb testing.TB, s *Store, id pipeline.ID, n int) {
	tb.Helper()
	runs := make([]store.StartRun, n)
	for i := range runs {
		run := pipeline.NewRunID(time.Now())
		runs[i] = store.StartRun{ID: run, Pipeline: id, Input: store.Input{Path: "runs/" + string(run) + "/input.json", Data: []byte(`{"n":1}`)}}
	}
	started, err := s.StartRuns(tb.Context(), runs)
	if err != nil {
		tb.Fatal(err)
	}
	for _, r := range started {
		if r.Err != nil {
			tb.Fatal(r.Err)
		}
	}
}

// BenchmarkTriggers measures single triggers by 32 clients, each on the disk
// before it is answered.
func BenchmarkTriggers(b *testing.B) {
	s := bench(b)
	n := 0
	for b.Loop() {
		var clients sync.WaitGroup
		for range 32 {
			clients.Go(func() { start(b, s, "a", 1) })
		}
		clients.Wait()
		n += 32
	}
	perSecond(b, "triggers", n)
}

// BenchmarkChain measures a run of 400 steps, one after the other.
func BenchmarkChain(b *testing.B) {
	s := bench(b)
	tasks := []store.Task{def("a")}
	for i := range 400 {
		t := def(pipeline.TaskID(fmt.Sprintf("step-%03d", i)))
		if i < 399 {
			t.AllowedNext = []pipeline.TaskID{pipeline.TaskID(fmt.Sprintf("step-%03d", i+1))}
		}
		tasks = append(tasks, t)
	}
	register(b, s, tasks...)
	steps := 0
	for b.Loop() {
		start(b, s, "step-000", 1)
		steps += work(b, s, 10)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(steps), "µs/step")
}
