package storetest

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipedai/pipeline"
	"pipedai/store"
)

var runCountCases = []testCase{
	{name: "runs are counted by pipeline, status and part of a span", run: countsRuns},
}

func countsRuns(f *fixture) {
	f.register(task("a"), task("b"))
	began := time.Now().Add(-time.Hour)
	span := store.CountRuns{From: began, To: began.Add(2 * time.Hour), Part: 30 * time.Minute, Most: 100}
	got, err := f.CountRuns(f.ctx, span)
	f.must(err)
	if len(got.Cells) != 0 || got.Counted != 0 || len(got.Failed) != 0 {
		f.Errorf("an empty store: %+v", got)
	}

	for _, id := range []pipeline.ID{"a", "a", "a", "b"} {
		f.start(id, "")
	}
	claimed := f.claim(3)
	long := failed(claimed[0], true)
	long.Failure.Error = strings.Repeat("é", 600)
	f.end(long)
	f.end(done(claimed[1]))
	f.must1(f.CancelRun(f.ctx, claimed[2].TaskRun.Run, "enough"))
	f.end(failed(claimed[2], true))

	got, err = f.CountRuns(f.ctx, span)
	f.must(err)
	want := []store.RunCount{
		{Pipeline: "a", Part: 2, Status: pipeline.RunCancelled, Runs: 1},
		{Pipeline: "a", Part: 2, Status: pipeline.RunCompleted, Runs: 1},
		{Pipeline: "a", Part: 2, Status: pipeline.RunFailed, Runs: 1},
		{Pipeline: "b", Part: 2, Status: pipeline.RunRunning, Runs: 1},
	}
	byName := cmpopts.SortSlices(func(x, y store.RunCount) bool {
		return string(x.Pipeline)+string(x.Status) < string(y.Pipeline)+string(y.Status)
	})
	if diff := cmp.Diff(want, got.Cells, byName); diff != "" {
		f.Errorf("counts (-want +got):\n%s", diff)
	}
	if got.Counted != 4 || time.Since(got.Oldest).Abs() > time.Minute {
		f.Errorf("%d counted since %v", got.Counted, got.Oldest)
	}
	if len(got.Failed) != 1 || got.Failed[0].ID != claimed[0].TaskRun.Run || got.Failed[0].Pipeline != "a" ||
		len([]rune(got.Failed[0].Error)) != 500 || got.Failed[0].CreatedAt.IsZero() {
		f.Errorf("failed: %+v", got.Failed)
	}

	// No more are looked at than asked for, and none outside the span.
	span.Most = 3
	if got, err = f.CountRuns(f.ctx, span); err != nil || got.Counted != 3 {
		f.Errorf("%d of at most 3 (%v)", got.Counted, err)
	}
	span.To = began.Add(time.Minute)
	if got, err = f.CountRuns(f.ctx, span); err != nil || got.Counted != 0 {
		f.Errorf("%d before the span (%v)", got.Counted, err)
	}
}
