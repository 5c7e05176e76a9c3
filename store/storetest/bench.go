package storetest

import (
	"fmt"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// BenchmarkLifeCycle measures whole lives of task runs (enqueue, claim,
// accept, end) in batches of one, ten and a hundred. The figure to read is
// runs/s.
func BenchmarkLifeCycle(b *testing.B, open Open) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b)
			f := &fixture{TB: b, Store: s, ctx: b.Context()}
			f.must1(s.Migrate(f.ctx))
			f.register(task("a"))
			runs := 0
			for b.Loop() {
				runs += f.lives(size)
			}
			b.ReportMetric(float64(runs)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}

func (f *fixture) lives(n int) int {
	batch := make([]store.EnqueueTask, n)
	for i := range batch {
		batch[i] = store.EnqueueTask{ID: pipeline.NewTaskRunID(time.Now()), Task: "a", Input: store.Input{Path: "p"}}
	}
	f.must1(f.EnqueueTasks(f.ctx, batch))
	claimed, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "b", Limit: n, AcceptWithin: time.Minute})
	f.must(err)
	refs, ends := make([]store.AttemptRef, n), make([]store.EndAttempt, n)
	if len(claimed) != n {
		f.Fatalf("claimed %d of %d", len(claimed), n)
	}
	for i, c := range claimed {
		refs[i], ends[i] = ref(c), done(c)
	}
	f.must(f.AcceptAttempts(f.ctx, refs))
	f.must1(f.EndAttempts(f.ctx, ends))
	return n
}
