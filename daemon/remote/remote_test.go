package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a control plane, and the client of it.
type fake struct {
	mu      sync.Mutex
	workers []api.RemoteWorker
	err     error
	hang    bool
	polls   []time.Time
	streams map[string]int // opened, by worker
	since   []int64
	stream  func(ctx context.Context, each func(int64, api.LifecycleEvent)) error
	latest  string
	asked   int // for releases
	pool    []api.RemoteWorker
	pools   int // listings of the pool

	checkIns []api.CheckInRequest
	checkIn  func(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, error)
}

func (f *fake) PoolWorkers(context.Context) ([]api.RemoteWorker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pools++
	return f.pool, nil
}

func (f *fake) Workers(ctx context.Context, _ string) ([]api.RemoteWorker, error) {
	f.mu.Lock()
	f.polls = append(f.polls, time.Now())
	workers, err, hang := f.workers, f.err, f.hang
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return workers, err
}

func (f *fake) CheckIn(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, error) {
	f.mu.Lock()
	f.checkIns = append(f.checkIns, req)
	answer := f.checkIn
	f.mu.Unlock()
	if answer == nil {
		return api.CheckInResponse{}, &api.Error{Status: 404, Message: "Not found"}
	}
	return answer(ctx, req)
}

func (f *fake) Releases(context.Context) (api.Releases, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.latest == "" {
		return api.Releases{}, errors.New("no answer")
	}
	return api.Releases{Worker: api.Release{Latest: f.latest}, Orchestrator: api.Release{Latest: f.latest}}, nil
}

func (f *fake) WorkerEvents(ctx context.Context, id string, since int64, each func(int64, api.LifecycleEvent)) error {
	f.mu.Lock()
	f.streams[id]++
	f.since = append(f.since, since)
	stream := f.stream
	f.mu.Unlock()
	if stream != nil {
		return stream(ctx, each)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) count() (polls, releases int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.polls), f.asked
}

func entry(id string) manifest.Entry {
	return manifest.Entry{ID: id, Label: id, APIURL: "https://a.test", WorkspaceID: "ws1", Mode: manifest.ModeWorkspace}
}

// bubble runs a watcher over the fake until the test ends.
func bubble(t *testing.T, f *fake, test func(t *testing.T, w *Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.streams = map[string]int{}
		w := New(Options{
			Dial:       func(string, secret.Text) Client { return f },
			Credential: func(string, string) (secret.Text, error) { return "hos_x", nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		defer func() {
			cancel()
			<-ended
		}()
		test(t, w)
	})
}

func TestWatcher_pollsWithAges(t *testing.T) {
	t.Parallel()
	f := &fake{workers: []api.RemoteWorker{{ID: "w1", Status: "online"}, {ID: "elsewhere"}}, latest: "1.2.3"}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		if v := w.View(entry("w1")); v.Status != nil || v.Err != "" {
			t.Errorf("before anything: %+v", v)
		}
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		v := w.View(entry("w1"))
		if v.Status == nil || v.Status.Status != "online" || v.FetchedAt.IsZero() || v.Latest != "1.2.3" {
			t.Errorf("view %+v", v)
		}
		time.Sleep(60 * time.Second)
		if polls, _ := f.count(); polls < 4 || polls > 6 {
			t.Errorf("%d polls in a minute", polls)
		}

		// An outage keeps the last facts, with their age and the reason.
		good := w.View(entry("w1")).FetchedAt
		f.set(func() { f.err = errors.New("timed out") })
		time.Sleep(time.Minute)
		v = w.View(entry("w1"))
		if v.Status == nil || v.FetchedAt.Before(good) || time.Since(v.FetchedAt) < 40*time.Second || !strings.Contains(v.Err, "timed out") {
			t.Errorf("during an outage: %+v", v)
		}
		if p := w.Planes(); len(p) != 1 || p[0].Err == "" || p[0].Unauthorised {
			t.Errorf("planes %+v", p)
		}

		// One that is not listed any more does not keep its old status.
		f.set(func() { f.err, f.workers = nil, nil })
		time.Sleep(5 * time.Minute)
		if v = w.View(entry("w1")); v.Status != nil || v.Err == "" {
			t.Errorf("no longer listed: %+v", v)
		}
	})
}

func TestWatcher_backsOffAndReturns(t *testing.T) {
	t.Parallel()
	f := &fake{err: errors.New("down")}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(time.Hour)
		polls, _ := f.count()
		if polls > 80 {
			t.Errorf("%d polls of a dead control plane in an hour", polls)
		}
		f.set(func() { f.err = nil })
		time.Sleep(3 * time.Minute)
		if p := w.Planes(); p[0].Err != "" {
			t.Errorf("it is back, but: %+v", p)
		}
	})
}

func TestWatcher_aHangingControlPlaneDelaysNobody(t *testing.T) {
	t.Parallel()
	f := &fake{hang: true}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		w.Refresh(ctx, entry("w1"))
		w.View(entry("w1"))
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("refresh took %s", waited)
		}
		if polls, _ := f.count(); polls != 1 {
			t.Errorf("%d polls at once", polls)
		}
	})
}

func TestWatcher_followsTheManifest(t *testing.T) {
	t.Parallel()
	f := &fake{}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		pool := entry("p1")
		pool.Mode = manifest.ModePool
		w.Follow([]manifest.Entry{entry("w1"), pool})
		synctest.Wait()
		w.Follow([]manifest.Entry{entry("w1"), entry("w2"), pool})
		synctest.Wait()
		f.set(func() {
			if f.streams["w1"] != 1 || f.streams["w2"] != 1 || f.streams["p1"] != 0 {
				t.Errorf("streams %v", f.streams)
			}
		})
		w.Follow(nil)
		synctest.Wait()
		before, _ := f.count()
		time.Sleep(time.Hour)
		if after, _ := f.count(); after != before {
			t.Errorf("%d polls for nobody", after-before)
		}
		if p := w.Planes(); len(p) != 0 {
			t.Errorf("planes %+v", p)
		}
	})
}

func TestStream_resumesAndBacksOff(t *testing.T) {
	t.Parallel()
	f := &fake{}
	n := 0
	f.stream = func(_ context.Context, each func(int64, api.LifecycleEvent)) error {
		n++
		if n == 1 {
			each(7, api.LifecycleEvent{Type: "poll.error", TS: api.At(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC))})
		}
		return errors.New("connection reset")
	}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(30 * time.Minute)
		v := w.View(entry("w1"))
		if v.Event == nil || v.Event.Type != "poll.error" || v.Event.At != "2026-07-01T10:00:00.000Z" {
			t.Errorf("event %+v", v.Event)
		}
		f.set(func() {
			if len(f.since) < 3 || f.since[0] != 0 || f.since[1] != 7 || f.since[2] != 7 {
				t.Errorf("since %v", f.since)
			}
			if f.streams["w1"] > 40 {
				t.Errorf("%d connections in half an hour", f.streams["w1"])
			}
		})
	})
}

func TestStream_anEventAsksForFreshStatus(t *testing.T) {
	t.Parallel()
	f := &fake{}
	var happened chan struct{}
	f.stream = func(ctx context.Context, each func(int64, api.LifecycleEvent)) error {
		select {
		case <-happened:
			each(1, api.LifecycleEvent{Type: api.EventWorkerStarted})
			<-ctx.Done()
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		happened = make(chan struct{}) // of this bubble
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		before, _ := f.count()
		close(happened)
		synctest.Wait()
		if after, _ := f.count(); after != before+1 {
			t.Errorf("%d polls before the event, %d after", before, after)
		}
	})
}

// A worker that was started here a moment ago is shown as online about as soon
// as its control plane knows; there may be no event that tells.
func TestWatcher_expectsAWorkerThatCameUp(t *testing.T) {
	t.Parallel()
	f := &fake{workers: []api.RemoteWorker{{ID: "w1", Status: "offline"}}}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Expect("w1") // it may come up before the manifest is followed
		w.Follow([]manifest.Entry{entry("w1"), entry("w2")})
		time.Sleep(1500 * time.Millisecond)
		f.set(func() { f.workers = []api.RemoteWorker{{ID: "w1", Status: "online"}} })
		time.Sleep(time.Second)
		if v := w.View(entry("w1")); v.Status == nil || v.Status.Status != "online" {
			t.Errorf("a second after it came online: %+v", v.Status)
		}
		before, _ := f.count()
		time.Sleep(10 * time.Second)
		if after, _ := f.count(); after != before {
			t.Errorf("%d polls in haste for a worker that is there", after-before)
		}

		// One that never comes online is not asked about in haste for ever.
		w.Expect("w2")
		time.Sleep(time.Minute)
		before, _ = f.count()
		time.Sleep(time.Minute)
		if after, _ := f.count(); after-before > 6 {
			t.Errorf("%d polls a minute", after-before)
		}
	})
}

// A credentials file that cannot be read is not the same as none: connecting
// again would fail on it, too.
func TestWatcher_credentialCannotBeRead(t *testing.T) {
	t.Parallel()
	w := New(Options{
		Dial:       func(string, secret.Text) Client { return &fake{} },
		Credential: func(string, string) (secret.Text, error) { return "", errors.New("the file is damaged") },
	})
	if _, err := w.dial(key{apiURL: "https://a.test", workspaceID: "ws1"}); !unauthorised(err) || !strings.Contains(err.Error(), "the file is damaged") {
		t.Errorf("error %v", err)
	}
}

func TestStream_refusedRestsUntilTheManifestChanges(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.stream = func(context.Context, func(int64, api.LifecycleEvent)) error {
		return &api.Error{Status: 403, Message: "no"}
	}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(4 * time.Minute)
		f.set(func() {
			if f.streams["w1"] != 1 {
				t.Errorf("%d connections after a refusal", f.streams["w1"])
			}
			f.stream = nil
		})
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		f.set(func() {
			if f.streams["w1"] != 2 {
				t.Errorf("%d connections after a new credential", f.streams["w1"])
			}
		})
	})
}

func TestReleases_unknownIsNotAVersion(t *testing.T) {
	t.Parallel()
	f := &fake{latest: "unknown"}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		time.Sleep(48 * time.Hour)
		if v := w.View(entry("w1")); v.Latest != "" {
			t.Errorf("latest %q", v.Latest)
		}
		if version, _ := w.Orchestrator(); version != "" {
			t.Errorf("orchestrator %q", version)
		}
		if _, asked := f.count(); asked > 4 {
			t.Errorf("asked %d times in two days", asked)
		}
	})
}

func TestReleases_failureIsRetriedSoon(t *testing.T) {
	t.Parallel()
	f := &fake{}
	bubble(t, f, func(t *testing.T, w *Watcher) {
		w.Follow([]manifest.Entry{entry("w1")})
		synctest.Wait()
		f.set(func() { f.latest = "2.0.0" })
		time.Sleep(2 * time.Minute)
		if v := w.View(entry("w1")); v.Latest != "2.0.0" {
			t.Errorf("latest %q", v.Latest)
		}
	})
}

func TestUnauthorised(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{0: false, 401: true, 403: true, 404: false, 500: false} {
		err := fmt.Errorf("list: %w", &api.Error{Status: status, Message: "x"})
		if got := unauthorised(err); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	if !unauthorised(errCredential) {
		t.Error("no credential is not unauthorised")
	}
}
