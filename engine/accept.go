package engine

import (
	"context"
	"sync"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// acceptAfter is how long this process alone knows that a worker took an
// attempt. Most short tasks are reported before it is over, and their report
// makes the note superfluous: a note for each would cost a commit, for which the
// report of the same attempt would have to wait. It is far below acceptGrace. An
// engine that dies before the note leaves a claim that is taken back, as if it
// had died right before the dispatch was answered: the worker goes on with an
// attempt whose number is used up, and nothing it says counts.
const acceptAfter = 100 * time.Millisecond

// acceptances are the attempts that this process dispatched and whose
// acceptance is not noted yet.
type acceptances struct {
	note func([]store.AttemptRef) // in the store

	mu      sync.Mutex
	open    map[attemptKey]bool // dispatched, and neither noted nor ended
	queue   []acceptance        // in the order of time; those not open are over
	timer   *time.Timer         // nil: the queue is empty
	closed  bool
	notings sync.WaitGroup
}

type attemptKey struct {
	id      pipeline.TaskRunID
	attempt int
}

type acceptance struct {
	ref store.AttemptRef
	at  time.Time
}

func newAcceptances(note func([]store.AttemptRef)) *acceptances {
	return &acceptances{note: note, open: map[attemptKey]bool{}}
}

func keyOf(ref store.AttemptRef) attemptKey { return attemptKey{ref.ID, ref.Attempt} }

// sending says that an attempt goes to its worker.
func (a *acceptances) sending(ref store.AttemptRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[keyOf(ref)] = true
}

// over says that there is nothing to note about an attempt: it was not taken,
// or it has ended.
func (a *acceptances) over(id pipeline.TaskRunID, attempt int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, attemptKey{id, attempt})
}

// taken says that the worker took an attempt. It is noted in a while unless it
// is over by then; it may be over already.
func (a *acceptances) taken(ref store.AttemptRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.open[keyOf(ref)] {
		return
	}
	a.queue = append(a.queue, acceptance{ref, time.Now()})
	if a.timer == nil && !a.closed {
		a.rearm(acceptAfter)
	}
}

// rearm is called with a.mu held.
func (a *acceptances) rearm(in time.Duration) {
	a.notings.Add(1)
	a.timer = time.AfterFunc(in, func() {
		defer a.notings.Done()
		a.mu.Lock()
		a.timer = nil
		due := a.due(time.Now().Add(-acceptAfter))
		if len(a.queue) > 0 && !a.closed {
			a.rearm(acceptAfter) // together with those that become due by then
		}
		a.mu.Unlock()
		a.note(due)
	})
}

// due takes from the queue what was taken by then and is still open. It is
// called with a.mu held.
func (a *acceptances) due(then time.Time) []store.AttemptRef {
	var refs []store.AttemptRef
	n := 0
	for ; n < len(a.queue) && !a.queue[n].at.After(then); n++ {
		ref := a.queue[n].ref
		if a.open[keyOf(ref)] {
			delete(a.open, keyOf(ref))
			refs = append(refs, ref)
		}
	}
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	}
	return refs
}

// flush notes at once whatever waits, and returns after the commit.
func (a *acceptances) flush() {
	a.mu.Lock()
	due := a.due(time.Now())
	a.mu.Unlock()
	a.note(due)
}

// close flushes, and returns when nothing is under way. Nothing may be taken any
// more.
func (a *acceptances) close() {
	a.mu.Lock()
	a.closed = true
	if a.timer != nil && a.timer.Stop() {
		a.notings.Done()
	}
	a.timer = nil
	a.mu.Unlock()
	a.flush()
	a.notings.Wait()
}

// noteAccepted stores that workers took attempts. One that has ended meanwhile
// left no lease to extend; the store skips those.
func (e *Engine) noteAccepted(refs []store.AttemptRef) {
	if _, err := e.accepts.doAll(context.Background(), refs); err != nil {
		e.log.Error("record accepted dispatches", "attempts", len(refs), "error", err)
	}
}
