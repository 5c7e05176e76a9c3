package engine

import (
	"context"
	"sync"
	"testing"

	"pipedai/pipeline"
	"pipedai/store"
)

// BenchmarkPipeline measures whole runs of a diamond of four tasks through an
// engine on SQLite, with workers in this process. One op is one run. Workers
// that take no input inside the dispatch cost a synced file for each run.
func BenchmarkPipeline(b *testing.B) {
	for _, load := range []struct {
		name   string
		flying int // runs under way
		inline bool
	}{{"alone", 1, true}, {"64-under-way", 64, true}, {"64-under-way-stored-input", 64, false}} {
		b.Run(load.name, func(b *testing.B) {
			f := newFixture(b, Options{MaxConcurrency: 256})
			f.register(diamond, func(r *store.Register) { r.Service.InlineInput = load.inline })
			endings := make(chan pipeline.RunID, load.flying)
			f.tellEndings(endings)
			f.run()
			slots := make(chan struct{}, load.flying)
			b.ResetTimer()
			var wg sync.WaitGroup
			wg.Go(func() {
				for range b.N {
					<-endings
					<-slots
				}
			})
			for range b.N {
				slots <- struct{}{}
				wg.Go(func() {
					if _, err := f.Trigger(context.Background(), Trigger{Pipeline: "svc"}); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(4*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			f.stop()
		})
	}
}
