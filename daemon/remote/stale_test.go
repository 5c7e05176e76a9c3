package remote

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/manifest"
)

// What a control plane said is called out of date once three polls were missed,
// not at the first; it is told all the while, and one answer makes it good again.
func TestView_staleAfterThreeMissedPolls(t *testing.T) {
	t.Parallel()
	f := &fake{workers: []api.RemoteWorker{{ID: "w1", Status: "online"}}, latest: "1.2.3"}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		if !w.View(entry("w1")).Stale {
			t.Error("what was never told can be relied on")
		}
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		if v := w.View(entry("w1")); v.Stale {
			t.Errorf("just told, and stale: %+v", v)
		}
		if !w.View(entry("w2")).FetchedAt.Equal(w.View(entry("w1")).FetchedAt) {
			t.Error("one answer tells of all workers of a workspace")
		}

		f.set(func() { f.err = errors.New("timed out") })
		good := w.View(entry("w1")).FetchedAt
		limit := staleAfter * w.o.PollEvery
		time.Sleep(time.Until(good.Add(limit)) - time.Second)
		if v := w.View(entry("w1")); v.Stale || v.Status == nil {
			t.Errorf("%v after the last answer: %+v", limit-time.Second, v)
		}
		time.Sleep(2 * time.Second)
		if v := w.View(entry("w1")); !v.Stale || v.Status == nil || !v.FetchedAt.Equal(good) {
			t.Errorf("%v after the last answer: %+v", limit+time.Second, v)
		}

		f.set(func() { f.err = nil })
		time.Sleep(5 * time.Minute)
		if v := w.View(entry("w1")); v.Stale || time.Since(v.FetchedAt) > limit {
			t.Errorf("after it answers again: %+v", v)
		}
	})
}
