package engine

import (
	"sync"
	"time"

	"pipedai/api"
)

const (
	feedHeld   = 1024 // events held for readers that come back
	feedBuffer = 256  // events a reader may fall behind
)

// Feed is the change feed: notices of what changed, in order, to any number
// of readers. It is bounded on both sides. It holds the last events, so that a
// reader that lost its connection misses nothing; and it closes a reader that
// does not keep up, which then comes back with the last number it saw.
//
// Sequence numbers start anew with each process, far above those of earlier
// ones, so that a number of another process is recognised as not held.
type Feed struct {
	mu      sync.Mutex
	last    int64
	held    []api.StreamEvent // a ring once full
	first   int               // index of the oldest
	readers map[*reader]struct{}
	left    time.Time // when the last reader left
}

// feedKept is how long events are held for a reader that comes back when there
// is no other. After that nothing is, and publishing costs next to nothing.
const feedKept = time.Minute

type reader struct{ ch chan api.StreamEvent }

func newFeed(now time.Time) *Feed {
	return &Feed{last: now.UnixMilli() << 10, readers: map[*reader]struct{}{}}
}

// Publish numbers an event and hands it to every reader. It never blocks.
func (f *Feed) Publish(event api.StreamEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	now := time.Now()
	if len(f.readers) == 0 && now.Sub(f.left) > feedKept {
		f.held, f.first = nil, 0
		return
	}
	if event.At.IsZero() {
		event.At = api.At(now)
	}
	event.Seq = f.last
	if len(f.held) < feedHeld {
		f.held = append(f.held, event)
	} else {
		f.held[f.first] = event
		f.first = (f.first + 1) % feedHeld
	}
	for r := range f.readers {
		select {
		case r.ch <- event:
		default:
			f.remove(r)
		}
	}
}

// Subscribe returns the events after since and a channel of those to come, with
// nothing between them lost. When since is not among the held ones (or zero: a
// new reader), the backlog is one "resync" event, whose number is where the
// reader now stands; it should fetch afresh what it shows.
//
// The channel is closed when the reader falls too far behind, and by cancel,
// which must be called and may be called again.
func (f *Feed) Subscribe(since int64) (backlog []api.StreamEvent, events <-chan api.StreamEvent, cancel func()) {
	r := &reader{ch: make(chan api.StreamEvent, feedBuffer)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[r] = struct{}{}
	cancel = func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.remove(r)
	}
	if since > f.last || since < f.last-int64(len(f.held)) {
		resync := api.StreamEvent{Seq: f.last, Type: "resync", At: api.At(time.Now())}
		return []api.StreamEvent{resync}, r.ch, cancel
	}
	for i := len(f.held) - int(f.last-since); i < len(f.held); i++ {
		backlog = append(backlog, f.held[(f.first+i)%len(f.held)])
	}
	return backlog, r.ch, cancel
}

// remove closes a reader once. f.mu is held.
func (f *Feed) remove(r *reader) {
	if _, there := f.readers[r]; there {
		delete(f.readers, r)
		close(r.ch)
		f.left = time.Now()
	}
}
