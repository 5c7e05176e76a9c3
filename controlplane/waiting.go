package controlplane

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pipedai/internal/secret"
	"pipedai/store"
)

// waiters are the requests that wait for something to happen: claims for work,
// check-ins for orders. While there is one, a goroutine looks after all of them:
// it ends those whose credential was revoked and those of workers that were
// disabled on another replica, and wakes the hosts that another replica has news
// for. It asks the database a few small questions every Options.StreamCheck,
// however many wait.
type waiters struct {
	watch   func(ctx context.Context) // what the goroutine runs
	noticed chan struct{}             // capacity 1: another replica changed something
	woken   atomic.Int64              // counts calls of wake

	mu   sync.Mutex
	m    map[waitKey]map[*waiter]struct{}
	n    int
	stop context.CancelFunc // of the goroutine; nil: nobody waits
}

// waitKey names what a request waits for.
type waitKey struct{ kind, id string }

func waitWorker(id store.WorkerID) waitKey { return waitKey{"worker", string(id)} }
func waitHost(id store.HostID) waitKey     { return waitKey{"host", string(id)} }

// waiter is one request.
type waiter struct {
	wake   chan struct{} // capacity 1: look again
	done   func()        // must be called, once
	hash   string        // of its credential
	idle   bool          // it is not given anything, and only rests
	news   int64         // of a host: store.Host.News as it knows it
	cancel context.CancelCauseFunc
}

var errWorkerChanged = errors.New("the worker was switched or deleted")

func newWaiters(watch func(context.Context)) *waiters {
	return &waiters{watch: watch, noticed: make(chan struct{}, 1), m: map[waitKey]map[*waiter]struct{}{}}
}

// add returns a context that ends with a cause when the request is to end: with
// errRevoked, or with what end was called with.
func (w *waiters) add(ctx context.Context, key waitKey, token secret.Text) (context.Context, *waiter) {
	ctx, cancel := context.WithCancelCause(ctx)
	one := &waiter{wake: make(chan struct{}, 1), hash: token.Hash(), cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m[key] == nil {
		w.m[key] = map[*waiter]struct{}{}
	}
	w.m[key][one] = struct{}{}
	if w.n++; w.n == 1 {
		var watching context.Context
		watching, w.stop = context.WithCancel(context.Background())
		go w.watch(watching)
	}
	one.done = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.m[key], one)
		if len(w.m[key]) == 0 {
			delete(w.m, key)
		}
		if w.n--; w.n == 0 {
			w.stop()
		}
		cancel(nil)
	}
	return ctx, one
}

// end ends the requests that wait for something.
func (w *waiters) end(key waitKey, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.m[key] {
		one.cancel(cause)
	}
}

// endAll ends all of them.
func (w *waiters) endAll(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range w.m {
		for one := range waiting {
			one.cancel(cause)
		}
	}
}

// hashes are those of the credentials that somebody waits with.
func (w *waiters) hashes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]string, 0, w.n)
	for _, waiting := range w.m {
		for one := range waiting {
			out = append(out, one.hash)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// endOthers ends those whose credential is among asked and not among valid.
func (w *waiters) endOthers(asked, valid []string) {
	void := make(map[string]bool, len(asked))
	for _, hash := range asked {
		void[hash] = true
	}
	for _, hash := range valid {
		void[hash] = false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range w.m {
		for one := range waiting {
			if void[one.hash] {
				one.cancel(errRevoked)
			}
		}
	}
}

// wake has the requests that wait for something look again.
func (w *waiters) wake(key waitKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken.Add(1)
	for one := range w.m[key] {
		one.rouse()
	}
}

func (one *waiter) rouse() {
	select {
	case one.wake <- struct{}{}:
	default:
	}
}

// knows notes which news of its host a request has seen.
func (w *waiters) knows(one *waiter, news int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one.news = news
}

// tell wakes the requests of a host that have seen other news.
func (w *waiters) tell(id store.HostID, news int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.m[waitHost(id)] {
		if one.news != news {
			one.news = news
			one.rouse()
		}
	}
}

// idle says that a request only rests: it is a disabled worker's.
func (w *waiters) idle(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one.idle = true
}

// who are the hosts that somebody waits for, and the workers.
func (w *waiters) who() (hosts []store.HostID, workers []store.WorkerID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, waiting := range w.m {
		if key.kind == "host" {
			hosts = append(hosts, store.HostID(key.id))
			continue
		}
		for one := range waiting {
			if !one.idle {
				workers = append(workers, store.WorkerID(key.id))
				break
			}
		}
	}
	return hosts, workers
}

// notice says that another replica changed something. It never blocks.
func (w *waiters) notice() {
	select {
	case w.noticed <- struct{}{}:
	default:
	}
}

// newsEvery is the least time between two looks for what other replicas have
// for hosts.
const newsEvery = 250 * time.Millisecond

// watchWaiting looks after the requests that wait, until ctx ends.
func (s *Server) watchWaiting(ctx context.Context) {
	ticker := time.NewTicker(s.o.StreamCheck)
	defer ticker.Stop()
	var soon <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.waiting.noticed:
			if soon == nil {
				soon = time.After(newsEvery)
			}
			continue
		case <-soon:
			soon = nil
		case <-ticker.C:
			asked := s.waiting.hashes()
			if valid, err := s.st.ValidTokens(ctx, asked); err == nil {
				s.waiting.endOthers(asked, valid)
			} else if ctx.Err() == nil {
				s.o.Log.WarnContext(ctx, "look for revoked credentials", "error", err)
			}
		}
		if s.st.Info().Shared {
			if err := s.otherReplicas(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.WarnContext(ctx, "look for what other replicas did", "error", err)
			}
		}
	}
}

// otherReplicas wakes those that wait here for what another replica did.
func (s *Server) otherReplicas(ctx context.Context) error {
	hosts, workers := s.waiting.who()
	if len(workers) > 0 {
		held, err := s.st.HeldWorkers(ctx, workers)
		if err != nil {
			return err
		}
		for _, id := range held {
			s.waiting.end(waitWorker(id), errWorkerChanged)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	news, err := s.st.HostNews(ctx, hosts)
	for id, n := range news {
		s.waiting.tell(id, n)
	}
	return err
}
