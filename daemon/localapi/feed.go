package localapi

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
)

const (
	feedHeld      = 2048    // frames kept for clients that come back
	feedHeldBytes = 8 << 20 // and how large they may be together
	feedQueue     = 2048    // frames one client may lag behind
	feedLag       = 8 << 20 // bytes one client may lag behind
	feedMemory    = 2 * time.Minute
)

// Feed numbers frames, keeps the newest, and hands them to subscribers. A
// subscriber that does not keep up is dropped; publishing never waits. A frame
// is encoded once for all who want it, and not at all while nobody does: a
// worker that floods its log costs nothing when nobody watches.
type Feed struct {
	mu     sync.Mutex
	seq    int64
	held   []*frame // ascending; consecutive but for statuses that newer ones replaced
	since  int64    // everything published after this number is held
	bytes  int      // about what held takes
	subs   map[*Subscription]struct{}
	left   time.Time // when the last subscriber went
	closed bool
	now    func() time.Time
}

// frame is what was published; data is its wire form, made when first wanted.
type frame struct {
	seq      int64
	body     api.LocalFrame
	data     []byte
	replaced bool // a status with a newer one behind it says nothing
}

// NewFeed returns an empty feed. Its numbers start beyond those of any earlier
// daemon on this host, so that a client that comes back after a restart cannot
// be taken for one that missed nothing.
func NewFeed() *Feed {
	seq := time.Now().UnixMilli() * 1000
	return &Feed{seq: seq, since: seq, subs: map[*Subscription]struct{}{}, now: time.Now}
}

// Idle reports whether nobody listens or may come back for what it missed.
// What is published then is only counted, so it need not be made.
func (f *Feed) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.idle()
}

func (f *Feed) idle() bool {
	return len(f.subs) == 0 && (f.left.IsZero() || f.now().Sub(f.left) > feedMemory)
}

// Publish numbers frames and sends them to everybody who wants them.
func (f *Feed) Publish(bodies ...api.LocalFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for _, body := range bodies {
		f.publish(body)
	}
}

func (f *Feed) publish(body api.LocalFrame) {
	f.seq++
	if f.idle() {
		f.held, f.bytes, f.since = nil, 0, f.seq
		return
	}
	body.Seq = f.seq
	e := &frame{seq: f.seq, body: body}
	f.hold(e)
	for sub := range f.subs {
		if sub.wants.frame(body) {
			sub.add(e)
		}
	}
}

// hold keeps a frame for those who come back, within bounds.
func (f *Feed) hold(e *frame) {
	if e.body.Kind == kindStatus {
		f.held = slices.DeleteFunc(f.held, func(old *frame) bool {
			if old.body.Kind != kindStatus {
				return false
			}
			old.replaced = true
			f.bytes -= old.size()
			return true
		})
	}
	f.held = append(f.held, e)
	f.bytes += e.size()
	drop := 0
	if len(f.held) > feedHeld {
		drop = feedHeld / 2
	}
	for freed := 0; f.bytes-freed > feedHeldBytes && drop < len(f.held)-1; drop++ {
		freed += f.held[drop].size()
	}
	for _, old := range f.held[:drop] {
		f.bytes -= old.size()
		f.since = old.seq
	}
	f.held = slices.Delete(f.held, 0, drop)
}

// size is about what a frame takes, whether it is encoded or not.
func (e *frame) size() int {
	return 256 + len(e.body.Line) + len(e.body.Items)*600
}

// wire returns the frame as it goes over the wire. Callers hold the feed's mu.
func (e *frame) wire() []byte {
	if e.data == nil {
		// A frame of ours always encodes, but for a broken sample; an empty one
		// is sent then, which nobody misses.
		e.data, _ = json.Marshal(e.body)
	}
	return e.data
}

const (
	kindStatus = "status"
	kindLog    = "log"
)

// wants is what a subscriber asked for; the zero value wants everything.
type wants struct {
	worker string          // only what is about this worker; the status is about all
	noLogs bool            // no log frames
	logs   map[string]bool // log frames of these workers only; nil: of all
}

func (w wants) frame(b api.LocalFrame) bool {
	switch {
	case w.worker != "" && b.ID != "" && b.ID != w.worker:
		return false
	case b.Kind == kindLog:
		return !w.noLogs && (w.logs == nil || w.logs[b.ID])
	}
	return true
}

// wantsOf reads ?worker= and ?logs= of a client: 0 is none, a list is those
// workers. Older clients ask nothing and get everything.
func wantsOf(worker, logs string) wants {
	w := wants{worker: worker, noLogs: logs == "0"}
	if logs != "" && logs != "0" && logs != "1" && logs != "all" {
		w.logs = map[string]bool{}
		for id := range strings.SplitSeq(logs, ",") {
			w.logs[id] = true
		}
	}
	return w
}

// Subscription is one reader's place in the feed.
type Subscription struct {
	feed    *Feed
	wants   wants
	filled  chan struct{} // capacity 1: there is something to take, or the end
	pending []*frame
	bytes   int
	seq     int64 // of the newest frame when it began
	resumed bool  // what was missed since the number asked for is pending
	ended   bool
	slow    bool // ended for not keeping up
}

// Subscribe begins after frame number since. When what followed is not held
// any more, or since is 0, the reader has to be given a snapshot first.
func (f *Feed) Subscribe(since int64, w wants) *Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	sub := &Subscription{feed: f, wants: w, filled: make(chan struct{}, 1), seq: f.seq, ended: f.closed}
	if since > 0 && since >= f.since && since <= f.seq && !f.idle() {
		sub.resumed = true
		for _, e := range f.held {
			if e.seq > since && w.frame(e.body) {
				sub.pending = append(sub.pending, e)
				sub.bytes += len(e.wire())
			}
		}
	}
	if !f.closed {
		f.subs[sub] = struct{}{}
	}
	sub.wake()
	return sub
}

// add queues a frame; a subscriber that is too far behind is ended instead.
// Callers hold the feed's mu.
func (sub *Subscription) add(e *frame) {
	if e.body.Kind == kindStatus {
		sub.pending = slices.DeleteFunc(sub.pending, func(old *frame) bool {
			if old.replaced {
				sub.bytes -= len(old.data)
			}
			return old.replaced
		})
	}
	sub.pending = append(sub.pending, e)
	sub.bytes += len(e.wire())
	if len(sub.pending) > feedQueue || sub.bytes > feedLag && len(sub.pending) > 1 {
		sub.pending, sub.slow = nil, true
		sub.end()
		return
	}
	sub.wake()
}

func (sub *Subscription) wake() {
	select {
	case sub.filled <- struct{}{}:
	default:
	}
}

// end ends the subscription. Callers hold the feed's mu.
func (sub *Subscription) end() {
	if _, open := sub.feed.subs[sub]; open {
		delete(sub.feed.subs, sub)
		sub.feed.left = sub.feed.now()
	}
	sub.ended = true
	sub.wake()
}

// take returns what is to be sent now, and whether nothing more will come.
func (sub *Subscription) take() (out [][]byte, ended bool) {
	sub.feed.mu.Lock()
	defer sub.feed.mu.Unlock()
	out = make([][]byte, 0, len(sub.pending))
	for _, e := range sub.pending {
		out = append(out, e.wire())
	}
	sub.pending, sub.bytes = nil, 0
	return out, sub.ended
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	sub.feed.mu.Lock()
	defer sub.feed.mu.Unlock()
	sub.end()
}

// dropped reports whether the reader was cut off for lagging.
func (sub *Subscription) dropped() bool {
	sub.feed.mu.Lock()
	defer sub.feed.mu.Unlock()
	return sub.slow
}

// Subscribers counts who is listening.
func (f *Feed) Subscribers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs)
}

// Close ends every subscription and drops what is published later.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for sub := range f.subs {
		sub.end()
	}
}
