package engine

import (
	"slices"
	"sync"
	"time"

	"pipedai/pipeline"
)

// broadEvery spaces out wake-ups of every waiting puller. One freed slot may
// let any of them go on, but asking all of them for each would multiply the
// claims by the number of idle workers.
const broadEvery = 100 * time.Millisecond

// signal is a wake-up that is remembered until somebody waits for it.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default: // already set
	}
}

// wakes knows everybody who waits for work in this process: the claimer for
// push, the pullers in their long polls, and the loop that tells the other
// replicas.
type wakes struct {
	claimer signal
	due     signal
	rescue  signal
	notify  signal
	relay   signal
	mode    signal

	mu      sync.Mutex
	pullers map[*puller]struct{}
	broadAt time.Time
	broad   *time.Timer // pending wake-up of everybody; nil: none
}

// puller is one long poll.
type puller struct {
	services []pipeline.ServiceID
	wake     signal
}

func newWakes() *wakes {
	return &wakes{
		claimer: newSignal(), due: newSignal(), rescue: newSignal(), notify: newSignal(), relay: newSignal(), mode: newSignal(),
		pullers: map[*puller]struct{}{},
	}
}

// wait registers a long poll. It must register before it claims, so that work
// that arrives between the claim and the wait is not missed.
func (w *wakes) wait(services []pipeline.ServiceID) (p *puller, leave func()) {
	p = &puller{services: services, wake: newSignal()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pullers[p] = struct{}{}
	return p, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.pullers, p)
	}
}

// work says that there is something to claim for tasks of these services;
// none named means any.
func (w *wakes) work(services ...pipeline.ServiceID) {
	w.claimer.set()
	w.others(services...)
}

// others is work that the claimer knows of.
func (w *wakes) others(services ...pipeline.ServiceID) {
	w.notify.set()
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.pullers {
		if len(services) == 0 || slices.ContainsFunc(p.services, func(s pipeline.ServiceID) bool { return slices.Contains(services, s) }) {
			p.wake.set()
		}
	}
}

// found says that work for these services was seen, of which nobody told; push
// that workers of one are reached by push. The other replicas look for
// themselves.
func (w *wakes) found(services []pipeline.ServiceID, push bool) {
	if push {
		w.claimer.set()
	}
	if len(services) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.pullers {
		if slices.ContainsFunc(p.services, func(s pipeline.ServiceID) bool { return slices.Contains(services, s) }) {
			p.wake.set()
		}
	}
}

// slot tells the pullers that a run ended, so that one more may run, of whatever
// service.
func (w *wakes) slot(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pullers) == 0 || w.broad != nil {
		return
	}
	if rest := broadEvery - now.Sub(w.broadAt); rest > 0 {
		w.broad = time.AfterFunc(rest, w.everybody)
		return
	}
	w.broadAt = now
	w.wakeAll()
}

// everybody is the wake-up that slot put off.
func (w *wakes) everybody() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broad = nil
	w.broadAt = time.Now()
	w.wakeAll()
}

// remote is work that another replica told of: wake everybody here, but do
// not tell it on. What became due is told as work by who promotes it, and what
// will be due is the watcher's to see.
func (w *wakes) remote() {
	w.claimer.set()
	w.relay.set()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeAll()
}

// wakeAll is called with w.mu held.
func (w *wakes) wakeAll() {
	for p := range w.pullers {
		p.wake.set()
	}
}

// stop drops a wake-up that is put off.
func (w *wakes) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broad != nil {
		w.broad.Stop()
		w.broad = nil
	}
}
