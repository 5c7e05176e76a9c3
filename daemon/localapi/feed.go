package localapi

import (
	"encoding/json"
	"sync"
	"time"

	"pipedai/api"
)

const (
	feedHeld  = 2048 // frames kept for clients that come back
	feedQueue = 512  // frames one client may lag behind
)

// Feed numbers frames, keeps the newest, and hands them to subscribers. A
// subscriber that does not keep up is dropped; publishing never waits.
type Feed struct {
	mu     sync.Mutex
	seq    int64
	held   []encoded // ascending, consecutive
	subs   map[*Subscription]struct{}
	closed bool
}

// encoded is a frame as it goes over the wire, encoded once for all.
type encoded struct {
	seq  int64
	data []byte
}

// NewFeed returns an empty feed. Its numbers start beyond those of any earlier
// daemon on this host, so that a client that comes back after a restart cannot
// be taken for one that missed nothing.
func NewFeed() *Feed {
	return &Feed{seq: time.Now().UnixMilli() * 1000, subs: map[*Subscription]struct{}{}}
}

// Publish numbers a frame and sends it to everybody.
func (f *Feed) Publish(frame api.LocalFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.seq++
	frame.Seq = f.seq
	data, err := json.Marshal(frame)
	if err != nil {
		return // a frame of ours always encodes, but for a broken sample; nobody misses that
	}
	e := encoded{f.seq, data}
	if len(f.held) == feedHeld {
		f.held = append(f.held[:0], f.held[feedHeld/2:]...)
	}
	f.held = append(f.held, e)
	for sub := range f.subs {
		select {
		case sub.frames <- e:
		default:
			sub.slow = true
			close(sub.frames)
			delete(f.subs, sub)
		}
	}
}

// Subscription is one reader's place in the feed.
type Subscription struct {
	feed    *Feed
	frames  chan encoded
	backlog []encoded
	seq     int64 // of the newest frame when it began
	resumed bool  // backlog is all that was missed since the number asked for
	slow    bool  // dropped for not keeping up; read after frames is closed
}

// Subscribe begins after frame number since. When that is not known any more,
// or is 0, the reader has to be given a snapshot first.
func (f *Feed) Subscribe(since int64) *Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	sub := &Subscription{feed: f, frames: make(chan encoded, feedQueue), seq: f.seq}
	if len(f.held) > 0 && since >= f.held[0].seq-1 && since <= f.seq {
		sub.resumed = true
		sub.backlog = append(sub.backlog, f.held[since-f.held[0].seq+1:]...)
	}
	if f.closed {
		close(sub.frames)
	} else {
		f.subs[sub] = struct{}{}
	}
	return sub
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	sub.feed.mu.Lock()
	defer sub.feed.mu.Unlock()
	if _, open := sub.feed.subs[sub]; open {
		delete(sub.feed.subs, sub)
		close(sub.frames)
	}
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
		close(sub.frames)
		delete(f.subs, sub)
	}
}
