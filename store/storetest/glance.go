package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipedai/pipeline"
	"pipedai/store"
)

var glanceCases = []testCase{
	{name: "a glance tells what there is to do", run: glance},
	{name: "X5 what is new of a run is read without the rest", run: newsOfRun},
}

func glance(f *fixture) {
	want := func(want store.Glance, when string) {
		f.Helper()
		if want.Mode == "" {
			want.Mode = store.ModeRunning
		}
		got, err := f.Glance(f.ctx)
		f.must(err)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.Glance{}, "NextDue"), cmpopts.EquateEmpty()); diff != "" {
			f.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	nextDue := func(in time.Duration, when string) {
		f.Helper()
		got, err := f.Glance(f.ctx)
		f.must(err)
		if in == 0 && !got.NextDue.IsZero() || in != 0 && (time.Until(got.NextDue)-in).Abs() > time.Minute {
			f.Errorf("%s: next due %v, want in %s", when, got.NextDue, in)
		}
	}

	want(store.Glance{}, "an empty database")
	nextDue(0, "an empty database")
	retried := task("a")
	retried.Retry.Retries, retried.Retry.Delay, retried.Retry.MaxDelay = 1, 2*time.Hour, 24*time.Hour
	f.register(retried)
	f.must1(f.Register(f.ctx, store.Register{Service: store.Service{ID: "pulling", Version: "1"}, Tasks: []store.Task{task("p")}}))
	want(store.Glance{}, "nothing queued")

	f.enqueue("p")
	want(store.Glance{Ready: []pipeline.ServiceID{"pulling"}}, "only for a puller")
	f.enqueue("a")
	f.enqueue("a")
	want(store.Glance{Ready: []pipeline.ServiceID{"pulling", "svc"}, Push: true}, "for both")
	f.must1(f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Services: []pipeline.ServiceID{"pulling"}, Limit: 1, Accepted: true}))
	claimed := f.claim(2)
	want(store.Glance{}, "all under lease")

	f.end(failed(claimed[0], false))
	want(store.Glance{}, "one waits for its retry")
	nextDue(2*time.Hour, "a retry")
	f.enqueueAs(store.EnqueueTask{Task: "a", ScheduledFor: time.Now().Add(time.Hour)})
	nextDue(time.Hour, "a schedule before the retry")

	f.end(done(claimed[1]))
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}))
	want(store.Glance{Mode: store.ModeWaiting}, "waiting for maintenance")
	f.must1(f.SetMode(f.ctx, []store.Mode{store.ModeWaiting}, store.ModeRunning, store.ModeReason{}))

	f.enqueueAs(store.EnqueueTask{Task: "a", ScheduledFor: time.Now().Add(20 * time.Millisecond)})
	f.eventually("the schedule is due", func() bool { g, err := f.Glance(f.ctx); f.must(err); return g.Due })
	_, _, err := f.PromoteDue(f.ctx, 10)
	f.must(err)
	want(store.Glance{Ready: []pipeline.ServiceID{"svc"}, Push: true}, "promoted")
	f.must1(f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: "w", Limit: 1, AcceptWithin: time.Millisecond}))
	f.eventually("the claim expired", func() bool { g, err := f.Glance(f.ctx); f.must(err); return g.Expired })
	f.must1(f.Rescue(f.ctx, store.Rescue{Limit: 10}))
	want(store.Glance{Ready: []pipeline.ServiceID{"svc"}, Push: true}, "released")
}

// eventually asks until it is so: the clock is the database's.
func (f *fixture) eventually(what string, so func() bool) {
	f.Helper()
	for limit := time.Now().Add(30 * time.Second); !so(); {
		if time.Now().After(limit) {
			f.Fatalf("never: %s", what)
		}
	}
}

func newsOfRun(f *fixture) {
	f.register(task("a", "b", "c", "d"), task("b"), task("c"), task("d"))
	first := f.start("svc", "")
	other := f.start("svc", "")
	f.drain(nil)
	all, err := f.TasksOfRun(f.ctx, first.Run.ID)
	f.must(err)
	if len(all) != 4 {
		f.Fatalf("%d task runs", len(all))
	}
	id := func(i int) pipeline.TaskRunID { return all[i].ID }
	for _, test := range []struct {
		what string
		news store.RunNews
		want []pipeline.TaskRunID
	}{
		{"nothing asked for", store.RunNews{}, nil},
		{"one that changed", store.RunNews{Named: []pipeline.TaskRunID{id(1)}}, []pipeline.TaskRunID{id(1)}},
		{"those after one", store.RunNews{After: id(1)}, []pipeline.TaskRunID{id(2), id(3)}},
		{"both, each once, by creation", store.RunNews{Named: []pipeline.TaskRunID{id(3), id(0)}, After: id(2)}, []pipeline.TaskRunID{id(0), id(3)}},
		{"as many as asked for", store.RunNews{Named: []pipeline.TaskRunID{id(0), id(1)}, After: id(1), Limit: 1}, []pipeline.TaskRunID{id(0), id(2)}},
		{"of another run", store.RunNews{Named: []pipeline.TaskRunID{other.Entries[0].ID}, After: other.Entries[0].ID}, nil},
		{"unknown", store.RunNews{Named: []pipeline.TaskRunID{"trun_none"}, After: "trun_none"}, nil},
	} {
		test.news.Run = first.Run.ID
		news, total, err := f.NewsOfRun(f.ctx, test.news)
		f.must(err)
		var got []pipeline.TaskRunID
		for _, t := range news {
			got = append(got, t.ID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || total != 4 {
			f.Errorf("%s, %d in all (-want +got):\n%s", test.what, total, diff)
		}
	}
	if _, total, err := f.NewsOfRun(f.ctx, store.RunNews{Run: "prun_none"}); err != nil || total != 0 {
		f.Errorf("of no run: %d, %v", total, err)
	}
}
