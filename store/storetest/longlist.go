package storetest

import (
	"runtime"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Row E24: a page of a long list costs little more than one of a short list,
// and memory does not grow with what lies behind it.
var longListCases = []testCase{{name: "E24 a page of 100,000 runs", run: longList}}

const (
	shortList = 1000
	longerBy  = 100
	// Counting is work for each run that a filter admits, and nothing else is. Of
	// all there are, the count is the cheapest there is.
	mostSlower         = longerBy / 2
	mostSlowerFiltered = longerBy * 3 / 2
)

func longList(f *fixture) {
	f.register(task("a"))
	last := 0
	fill := func(upto int) {
		for ; last < upto; last += shortList {
			starts := make([]store.StartRun, shortList)
			for i := range starts {
				id := pipeline.NewRunID(time.Now())
				starts[i] = store.StartRun{ID: id, Pipeline: "a", Input: store.Input{Path: "pipelines/" + string(id) + "/input.json"}}
			}
			started, err := f.StartRuns(f.ctx, starts)
			f.must(err)
			f.must(started[len(started)-1].Err)
		}
	}
	// The best of many looks: the machine does other things beside this.
	look := func(filter store.RunFilter) time.Duration {
		var took []time.Duration
		for range 20 {
			began := time.Now()
			page, total, err := f.PipelineRuns(f.ctx, filter)
			f.must(err)
			took = append(took, time.Since(began))
			if len(page) != 100 || total < last {
				f.Fatalf("%d of %d runs", len(page), total)
			}
		}
		return slices.Min(took)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	filters := map[string]store.RunFilter{
		"all":                     {Limit: 100},
		"of a pipeline and state": {Limit: 100, Pipeline: "a", Status: pipeline.RunRunning},
		"of a version":            {Limit: 100, Version: "1.0.0"},
	}
	fill(shortList)
	short := map[string]time.Duration{}
	for name, filter := range filters {
		short[name] = look(filter)
	}
	before := heap()
	fill(shortList * longerBy)
	for name, filter := range filters {
		long := look(filter)
		f.Logf("%s: %s with %d runs, %s with %d", name, short[name], shortList, long, last)
		most := float64(mostSlower)
		if name != "all" {
			most = mostSlowerFiltered
		}
		if ratio := float64(long) / float64(short[name]); ratio > most {
			f.Errorf("%s: a page takes %.0f times as long with %d times the runs", name, ratio, longerBy)
		}
	}
	// What other tests hold meanwhile they let go again.
	f.eventually("what was read for the pages is let go", func() bool { return heap() <= before+100<<20 })
}
