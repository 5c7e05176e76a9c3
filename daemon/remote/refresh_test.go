package remote

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// slow answers each listing when it is let, with what was true when it began.
type slow struct {
	fake
	release chan struct{}
	runID   string
	began   int
}

func (s *slow) Workers(ctx context.Context, _ string) ([]api.RemoteWorker, error) {
	s.mu.Lock()
	s.began++
	run := s.runID
	s.mu.Unlock()
	select {
	case <-s.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return []api.RemoteWorker{{ID: "w1", Status: "online", CurrentRunID: &run}}, nil
}

// A drain must not believe a status that was asked for before the worker was
// disabled, even if it arrives later.
func TestRefresh_isNewerThanTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &slow{fake: fake{streams: map[string]int{}}, release: make(chan struct{}), runID: "old"}
		w := New(Options{
			Dial:       func(string, secret.Text) Client { return f },
			Credential: func(string, string) (secret.Text, error) { return "hos_x", nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait() // the first poll is on its way, with the old facts

		f.set(func() { f.runID = "new" })
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				v, err := w.Refresh(t.Context(), entry("w1"))
				if err != nil || v.Status == nil || *v.Status.CurrentRunID != "new" {
					t.Errorf("refresh: %+v, %v", v.Status, err)
				}
			})
		}
		synctest.Wait()
		f.release <- struct{}{}
		synctest.Wait()
		f.release <- struct{}{}
		all.Wait()
		f.set(func() {
			if f.began != 2 {
				t.Errorf("%d questions, want one before and one for all five", f.began)
			}
		})

		// One that gives up says so, and does not take the others' answer away.
		impatient, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		all.Go(func() {
			if v, err := w.Refresh(t.Context(), entry("w1")); err != nil || v.Status == nil {
				t.Errorf("the patient one: %v", err)
			}
		})
		if v, err := w.Refresh(impatient, entry("w1")); !errors.Is(err, context.DeadlineExceeded) || v.Status == nil {
			t.Errorf("the impatient one: %+v, %v", v.Status, err)
		}
		f.release <- struct{}{}
		all.Wait()

		stranger := entry("w1")
		stranger.WorkspaceID = "elsewhere"
		if _, err := w.Refresh(t.Context(), stranger); err == nil {
			t.Error("an entry that nobody watches was refreshed")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWatcher_leavesAloneWhoAsksForIt(t *testing.T) {
	t.Parallel()
	f := &fake{err: &api.Error{Status: 429, Message: "slow down", RetryAfter: 10 * time.Minute}}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(time.Minute)
		w.Expect("w1") // news does not override it
		time.Sleep(8 * time.Minute)
		if polls, _ := f.count(); polls != 1 {
			t.Errorf("%d polls within the time it asked for", polls)
		}
		f.set(func() { f.err = nil })
		time.Sleep(3 * time.Minute)
		if polls, _ := f.count(); polls < 2 {
			t.Error("it was never asked again")
		}
	})
}

func TestWatcher_poolWithItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{streams: map[string]int{}, pool: []api.RemoteWorker{{ID: "p1", Status: "online", DerivedStatus: "busy"}}}
		var mu sync.Mutex
		var token secret.Text
		var used []secret.Text
		w := New(Options{
			Dial: func(_ string, t secret.Text) Client {
				mu.Lock()
				defer mu.Unlock()
				if !t.Empty() {
					used = append(used, t)
				}
				return f
			},
			Credential: func(string, string) (secret.Text, error) { return "", nil },
			PoolCredential: func(string) (secret.Text, error) {
				mu.Lock()
				defer mu.Unlock()
				return token, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		one, two := entry("p1"), entry("p2")
		one.Mode, one.WorkspaceID, two.Mode, two.WorkspaceID = manifest.ModePool, "", manifest.ModePool, ""
		w.Follow([]manifest.Entry{one, two})
		time.Sleep(time.Minute)
		if v := w.View(one); v.Status != nil || v.Err == "" {
			t.Errorf("without a token: %+v", v)
		}
		if p := w.Planes(); len(p) != 0 {
			t.Errorf("without a token there is no link to speak of: %+v", p)
		}

		mu.Lock()
		token = "pop_x"
		mu.Unlock()
		w.Follow([]manifest.Entry{one, two}) // login told the daemon
		synctest.Wait()
		if v := w.View(one); v.Status == nil || v.Status.DerivedStatus != "busy" || v.Err != "" {
			t.Errorf("with a token: %+v", v)
		}
		if v := w.View(two); v.Status != nil || v.Err == "" {
			t.Errorf("one that is not listed: %+v", v)
		}
		if p := w.Planes(); len(p) != 1 || !p[0].Pool || p[0].Err != "" {
			t.Errorf("planes %+v", p)
		}
		f.set(func() {
			if f.pools != 1 || len(f.streams) != 0 || len(f.polls) != 0 || len(used) != 1 || used[0] != "pop_x" {
				t.Errorf("%d pool listings, streams %v, %d listings, %d tokens", f.pools, f.streams, len(f.polls), len(used))
			}
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestReleases_take(t *testing.T) {
	t.Parallel()
	r := &releases{}
	r.take(api.Releases{Worker: api.Release{Latest: "1.0.0"}, Orchestrator: api.Release{Latest: "unknown"}})
	at := r.at
	r.take(api.Releases{Worker: api.Release{Latest: "unknown"}, Orchestrator: api.Release{Latest: "unknown"}})
	if r.worker != "1.0.0" || r.orchestrator != "" || at.IsZero() || !r.at.Equal(at) {
		t.Errorf("%+v", r)
	}
}

// An answer that does not name both programs is none, and asked for again.
func TestReleases_incompleteAnswer(t *testing.T) {
	t.Parallel()
	f := &halfReleases{}
	synctest.Test(t, func(t *testing.T) {
		f.streams = map[string]int{}
		w := New(Options{
			Dial:       func(string, secret.Text) Client { return f },
			Credential: func(string, string) (secret.Text, error) { return "hos_x", nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(3 * time.Hour)
		latest := w.View(entry("w1")).Latest
		f.set(func() {
			if f.n < 5 || f.n > 12 || latest != "" {
				t.Errorf("asked %d times, told %q", f.n, latest)
			}
		})
		cancel()
		<-ended
	})
}

type halfReleases struct {
	fake
	n int
}

func (h *halfReleases) Releases(context.Context) (api.Releases, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return api.Releases{Worker: api.Release{Latest: "9.9.9"}}, nil
}
