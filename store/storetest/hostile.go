package storetest

import (
	"fmt"
	"math"
	"strings"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

// Steps that take batches carry what strangers sent. Whatever one of them
// sends, its neighbours in the batch must not hear of it.
var hostileCases = []testCase{
	{name: "a report whose id no column can hold", run: badRef},
	{name: "text no column can hold", run: badText},
	{name: "JSON no column can hold", run: badJSON},
	{name: "a priority no column can hold", run: badPriority},
}

func badRef(f *fixture) {
	f.register(task("a"))
	f.enqueue("a")
	good := f.claim(1)[0]
	bad := []store.AttemptRef{
		{ID: "trun_\x00", Attempt: 1},
		{ID: "trun_\xff", Attempt: 1},
		{ID: "trun_none", Attempt: math.MaxInt},
		{ID: good.TaskRun.ID, Attempt: math.MaxInt},
		{ID: good.TaskRun.ID, Attempt: math.MinInt},
		{ID: good.TaskRun.ID, Attempt: 1, Owner: "\x00"},
	}
	var beats []store.Heartbeat
	var ends []store.EndAttempt
	for _, r := range bad {
		beats = append(beats, store.Heartbeat{AttemptRef: r})
		ends = append(ends, store.EndAttempt{AttemptRef: r, AllNext: true})
	}
	f.must(f.AcceptAttempts(f.ctx, bad))
	f.must(f.ReleaseAttempts(f.ctx, bad))
	answers, err := f.ExtendLeases(f.ctx, append(beats, store.Heartbeat{AttemptRef: ref(good)}))
	f.must(err)
	for i, a := range answers {
		if a.Known != (i == len(bad)) {
			f.Errorf("beat %d: %+v", i, a)
		}
	}
	ended, err := f.EndAttempts(f.ctx, append(ends, done(good)))
	f.must(err)
	for i := range 3 {
		f.wantErr(ended[i].Err, store.ErrNotFound)
	}
	for i := 3; i < len(bad); i++ {
		f.wantErr(ended[i].Err, store.ErrLeaseLost)
	}
	f.must(ended[len(bad)].Err)
}

func badText(f *fixture) {
	f.register(task("a"))
	for range 2 {
		f.enqueue("a")
	}
	got := f.claim(2)
	bad := failed(got[0], true)
	bad.Failure.Error, bad.Failure.Code = "nul \x00 and \xff", "\x00"
	odd := done(got[1], "nope\x00")
	odd.OutputPath = "a\x00b"
	odd.Assets = map[string]store.Asset{"k\x00": {Path: "p\x00", Type: "text"}}
	f.must1(f.ExtendLeases(f.ctx, []store.Heartbeat{{AttemptRef: ref(got[0]), Message: "\x00"}}))
	res, err := f.EndAttempts(f.ctx, []store.EndAttempt{bad, odd})
	f.must(err)
	for i, r := range res {
		if r.Err != nil {
			f.Errorf("item %d: %v", i, r.Err)
		}
	}
}

func badJSON(f *fixture) {
	details := []string{
		`{broken`, `{"x":"\u0000"}`, `{"\u0000":1}`, `{"x":"\ud800"}`, `{"x":1e400000}`, `{"x":1e-400000}`,
		`{"x":` + strings.Repeat("9", 200_000) + `}`, strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000), "\"\xff\"",
	}
	f.register(task("a"))
	var batch []store.EndAttempt
	for range details {
		f.enqueue("a")
	}
	for i, c := range f.claim(len(details)) {
		end := failed(c, true)
		end.Failure.Details = raw(details[i])
		batch = append(batch, end)
	}
	res, err := f.EndAttempts(f.ctx, batch)
	f.must(err)
	for i, r := range res {
		if r.Err != nil || r.Status != pipeline.TaskFailed {
			f.Errorf("details %.40s: %s, %v", details[i], r.Status, r.Err)
		}
	}
	var starts []store.StartRun
	for i, d := range details {
		starts = append(starts, store.StartRun{ID: pipeline.RunID(fmt.Sprintf("prun_%d", i)), Pipeline: "a", Metadata: raw(d)})
	}
	started, err := f.StartRuns(f.ctx, starts)
	f.must(err)
	for i, s := range started {
		if s.Err != nil {
			f.Errorf("metadata %.40s: %v", details[i], s.Err)
		}
	}
	// What can be kept is kept.
	run := f.startAs(store.StartRun{Pipeline: "a", Metadata: raw(`{"a":"\\u0000 \u00e9","n":12345678901234567890,"z":[1.50,null,true]}`)})
	var want, got any
	f.must(jsonInto(`{"a":"\\u0000 é","n":12345678901234567890,"z":[1.50,null,true]}`, &want))
	f.must(jsonInto(string(f.run(run.Run.ID).Metadata), &got))
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func badPriority(f *fixture) {
	f.register(task("a"))
	high, low := math.MaxInt, math.MinInt
	got, err := f.StartRuns(f.ctx, []store.StartRun{
		{ID: "prun_1", Pipeline: "a", Priority: &high}, {ID: "prun_2", Pipeline: "a", Priority: &low}, {ID: "prun_3", Pipeline: "a"},
	})
	f.must(err)
	for _, s := range got {
		f.must(s.Err)
	}
	order := []pipeline.RunID{}
	for _, c := range f.claim(3) {
		order = append(order, c.TaskRun.Run)
	}
	if diff := cmp.Diff([]pipeline.RunID{"prun_2", "prun_3", "prun_1"}, order); diff != "" {
		f.Errorf("claimed (-want +got):\n%s", diff)
	}
}
