package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"pipedai/api"
)

// Why a run was not taken.
var (
	errInHand = errors.New("the run is in hand already")
	errClosed = errors.New("the worker is stopping")
)

// hand is the runs a worker has: from the moment it takes one until the report
// is delivered. Beats speak for every run in it.
type hand struct {
	mu     sync.Mutex
	runs   map[string]*held
	closed bool
	all    sync.WaitGroup
	poke   chan struct{} // something is worth a beat now
}

// held is one run in the hand.
type held struct {
	wire     string
	ctx      context.Context
	cancel   context.CancelCauseFunc
	attempt  int
	interval time.Duration
	poke     chan struct{} // its progress is worth a beat now
	gone     chan struct{} // closed when it left the hand

	// Guarded by the hand's lock.
	progress *float64
	message  string
}

func newHand() *hand {
	return &hand{runs: map[string]*held{}, poke: make(chan struct{}, 1)}
}

// take adds a run. Its context ends when it is told to end, and otherwise
// outlives ctx: the taking of work ends before the work does.
func (h *hand) take(ctx context.Context, d api.Dispatch) (*held, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	if _, there := h.runs[d.RunID]; there {
		return nil, errInHand
	}
	interval := time.Duration(d.HeartbeatIntervalMs) * time.Millisecond
	if interval <= 0 {
		interval = time.Minute
	}
	run := &held{
		wire: d.RunID, attempt: d.Attempt, interval: interval,
		poke: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	run.ctx, run.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	h.runs[d.RunID] = run
	h.all.Add(1)
	poke(h.poke) // the next beat may be due sooner now
	return run, nil
}

// drop removes a run whose report is delivered.
func (h *hand) drop(run *held) {
	h.mu.Lock()
	delete(h.runs, run.wire)
	h.mu.Unlock()
	run.cancel(nil)
	close(run.gone)
	h.all.Done()
}

// update keeps the newest progress of a run for its next beat.
func (h *hand) update(run *held, percent float64, message string) {
	h.mu.Lock()
	run.progress, run.message = &percent, message
	h.mu.Unlock()
	poke(run.poke)
	poke(h.poke)
}

// end tells one run to end; unknown ids are none of its business.
func (h *hand) end(wire string, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if run := h.runs[wire]; run != nil {
		run.cancel(cause)
	}
}

// endAll tells every run to end.
func (h *hand) endAll(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, run := range h.runs {
		run.cancel(cause)
	}
}

// size is how many runs there are.
func (h *hand) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.runs)
}

// beat is what there is to say about one run. Progress is said once.
func (h *hand) beat(run *held) api.HeartbeatRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return run.say()
}

func (r *held) say() api.HeartbeatRequest {
	req := api.HeartbeatRequest{RunID: r.wire, Attempt: r.attempt, Progress: r.progress, Message: r.message}
	r.progress, r.message = nil, ""
	return req
}

// beats is what there is to say about every run.
func (h *hand) beats() []api.HeartbeatRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	requests := []api.HeartbeatRequest{}
	for _, wire := range sortedKeys(h.runs) {
		requests = append(requests, h.runs[wire].say())
	}
	return requests
}

// interval is the shortest among the runs' and longest.
func (h *hand) interval(longest time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, run := range h.runs {
		longest = min(longest, run.interval)
	}
	return longest
}

// close takes no further runs. The channel is closed when the last one left.
func (h *hand) close() <-chan struct{} {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.all.Wait()
		close(done)
	}()
	return done
}

// poke leaves a signal unless there is one already.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
