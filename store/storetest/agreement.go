package storetest

import (
	"sync/atomic"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Row X3: the list of runs and each run by itself tell the same while many of
// them end. What one of them has told, the other does not take back.
var agreementCases = []testCase{{name: "X3 list and details of 1,000 finishing runs", run: listAndDetails}}

func listAndDetails(f *fixture) {
	const runs, atOnce = 1000, 50
	f.register(task("a"))
	starts := make([]store.StartRun, runs)
	for i := range starts {
		id := pipeline.NewRunID(time.Now())
		starts[i] = store.StartRun{ID: id, Pipeline: "a", Input: store.Input{Path: "pipelines/" + string(id) + "/input.json"}}
	}
	f.must1(f.StartRuns(f.ctx, starts))

	var over atomic.Bool
	finished := make(chan error, 1)
	go func() {
		finished <- func() error {
			defer over.Store(true)
			for range runs / atOnce {
				claimed, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: atOnce, Accepted: true})
				if err != nil {
					return err
				}
				ends := make([]store.EndAttempt, len(claimed))
				for i, c := range claimed {
					if ends[i] = done(c); i%5 == 0 {
						ends[i] = failed(c, false)
					}
				}
				if _, err := f.EndAttempts(f.ctx, ends); err != nil {
					return err
				}
			}
			return nil
		}()
	}()

	// Each look compares what is read with what was told before by the other.
	told := map[pipeline.RunID]pipeline.RunStatus{}
	hear := func(by string, id pipeline.RunID, status pipeline.RunStatus) {
		if before := told[id]; before.Terminal() && before != status {
			f.Errorf("%s says that %s is %s, and it was told to be %s", by, id, status, before)
		}
		told[id] = status
	}
	looks := 0
	for last := false; !last; looks++ {
		last = over.Load()
		list, total, err := f.PipelineRuns(f.ctx, store.RunFilter{Limit: runs})
		f.must(err)
		if total != runs || len(list) != runs {
			f.Fatalf("the list has %d of %d runs, want %d", len(list), total, runs)
		}
		for _, run := range list {
			hear("the list", run.ID, run.Status)
		}
		for n := looks % 7; n < runs; n += 197 {
			detail, err := f.PipelineRun(f.ctx, list[n].ID)
			f.must(err)
			hear("the run itself", detail.ID, detail.Status)
			tasks, err := f.TasksOfRun(f.ctx, detail.ID)
			f.must(err)
			if detail.Status.Terminal() == detail.CompletedAt.IsZero() {
				f.Errorf("%s is %s and has ended at %v", detail.ID, detail.Status, detail.CompletedAt)
			}
			for _, t := range tasks {
				if detail.Status.Terminal() && !t.Status.Terminal() {
					f.Errorf("%s is %s, and its task %s", detail.ID, detail.Status, t.Status)
				}
			}
		}
		for _, status := range []pipeline.RunStatus{pipeline.RunCompleted, pipeline.RunFailed} {
			page, _, err := f.PipelineRuns(f.ctx, store.RunFilter{Limit: runs, Status: status})
			f.must(err)
			for _, run := range page {
				if run.Status != status {
					f.Errorf("the list of those that are %s has %s, which is %s", status, run.ID, run.Status)
				}
				hear("the list of a status", run.ID, run.Status)
			}
		}
	}
	f.must(<-finished)
	for id, status := range told {
		if !status.Terminal() {
			f.Errorf("%s is %s at the end", id, status)
		}
	}
	f.Logf("%d looks", looks)
}
