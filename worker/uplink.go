package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// Bounds of what waits for the control plane and of one request.
const (
	gatherFor     = 250 * time.Millisecond // events that come together go together
	mostQueued    = 5000
	mostQueuedLen = 8 << 20
	mostSent      = 500
	mostSentLen   = 1 << 20
	mostOfRun     = 4 << 20 // bytes that are sent of one attempt
	mostText      = 4 << 10 // of one text in a payload
	flushFor      = 2 * time.Second
)

// uplink brings run events to the control plane, in batches, one request at a
// time. Runs never wait for it: what does not fit into its queue is dropped,
// and the run's events say so at that place. A batch whose answer is lost is
// sent again; the control plane knows the numbers.
type uplink struct {
	live   context.Context // of requests
	send   func(ctx context.Context, lines []byte) (api.RunEventsAnswer, error)
	retry  backoff.Policy
	gather time.Duration
	log    *slog.Logger

	mu     sync.Mutex
	queue  []queued
	bytes  int
	flying chan struct{} // closed when the queue is empty; nil: it is
	hurry  chan struct{} // ends the gathering
	off    bool          // nobody wants events
	warned bool
}

// queued is one event as it goes out, less its token.
type queued struct {
	wire, token string
	line        []byte
}

func newUplink(live context.Context, o Options, send func(context.Context, []byte) (api.RunEventsAnswer, error)) *uplink {
	return &uplink{live: live, send: send, retry: o.retry, gather: o.gather, log: o.Log, hurry: make(chan struct{}, 1)}
}

// add queues an event unless there is no room for it. must makes room.
func (u *uplink) add(e queued, must bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.off {
		return true // not dropped: nobody asked for it
	}
	if !must && (len(u.queue) >= mostQueued || u.bytes >= mostQueuedLen) {
		if !u.warned {
			u.warned = true
			u.log.Warn("events of runs are dropped: the control plane does not take them in time")
		}
		return false
	}
	u.queue = append(u.queue, e)
	u.bytes += len(e.line)
	if u.flying == nil && u.live.Err() == nil {
		u.flying = make(chan struct{})
		go u.fly()
	}
	return true
}

// fly sends until nothing is queued.
func (u *uplink) fly() {
	for u.pause() {
		u.mu.Lock()
		batch := u.next()
		if len(batch) == 0 {
			close(u.flying)
			u.flying, u.warned = nil, false
			u.mu.Unlock()
			return
		}
		u.mu.Unlock()
		u.deliver(batch)
		u.mu.Lock()
		for _, e := range batch {
			u.bytes -= len(e.line)
		}
		u.queue = u.queue[len(batch):]
		u.mu.Unlock()
	}
	u.mu.Lock() // the worker has ended
	defer u.mu.Unlock()
	u.queue, u.bytes, u.off = nil, 0, true
	close(u.flying)
}

// pause gathers for a moment, unless there is enough for a request; false when
// the worker has ended.
func (u *uplink) pause() bool {
	u.mu.Lock()
	enough := len(u.queue) >= mostSent
	u.mu.Unlock()
	if enough {
		return u.live.Err() == nil
	}
	timer := time.NewTimer(u.gather)
	defer timer.Stop()
	select {
	case <-u.live.Done():
		return false
	case <-u.hurry:
		poke(u.hurry) // stays in a hurry
	case <-timer.C:
	}
	return u.live.Err() == nil
}

// next is what goes into one request; it stays queued until it is delivered.
func (u *uplink) next() []queued {
	size := 0
	for i, e := range u.queue {
		if size += len(e.line); i == mostSent || i > 0 && size > mostSentLen {
			return u.queue[:i:i]
		}
	}
	return u.queue[:len(u.queue):len(u.queue)]
}

// deliver repeats until the batch is taken, refused, or cannot be taken.
func (u *uplink) deliver(batch []queued) {
	body := encodeBatch(batch)
	for failed := 1; ; failed++ {
		answer, err := u.send(u.live, body)
		if err == nil {
			for _, r := range answer.Refused {
				u.log.Warn("events of a run are not wanted", "run", r.RunID, "error", r.Error)
			}
			return
		}
		var remote *api.Error
		if errors.As(err, &remote) {
			switch remote.Status {
			case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnauthorized: // it knows no such thing, or not us
				u.mu.Lock()
				u.off = true
				u.mu.Unlock()
				return
			}
			if verdict(err) != again {
				u.log.Warn("events of runs are not wanted", "error", err)
				return
			}
		}
		if !backoff.Sleep(u.live, max(u.retry.Delay(failed), retryAfter(err))) {
			return
		}
	}
}

// encodeBatch makes NDJSON; the token stands on the first line of each run.
func encodeBatch(batch []queued) []byte {
	var body bytes.Buffer
	shown := map[string]bool{}
	for _, e := range batch {
		if !shown[e.wire] {
			shown[e.wire] = true
			fmt.Fprintf(&body, `{"token":%q,`, e.token)
			body.Write(e.line[1:])
		} else {
			body.Write(e.line)
		}
		body.WriteByte('\n')
	}
	return body.Bytes()
}

// flush gives what is queued a last chance.
func (u *uplink) flush() {
	u.mu.Lock()
	flying := u.flying
	u.mu.Unlock()
	if flying == nil {
		return
	}
	poke(u.hurry)
	timer := time.NewTimer(flushFor)
	defer timer.Stop()
	select {
	case <-flying:
	case <-timer.C:
		u.mu.Lock()
		defer u.mu.Unlock()
		u.log.Warn("events of runs were not delivered", "events", len(u.queue))
	}
}

// upstream is the events of one attempt on their way. Its lock is that of the
// ledger it belongs to.
type upstream struct {
	to          *uplink
	wire, token string
	seq         int64
	bytes       int
	lost        int // events that found no room, not yet told of
	full        bool
}

func (s *upstream) write(kind string, at api.Time, payload map[string]any) {
	last := kind == "result" // told whatever came before
	if s.full && !last {
		return
	}
	if s.lost > 0 {
		text := fmt.Sprintf("%d events were dropped here: the control plane did not take them in time", s.lost)
		if s.add("system", at, map[string]any{"subtype": "dropped", "text": text, "count": s.lost}, last) {
			s.lost = 0
		}
	}
	if !last && (s.seq >= api.MaxRunEventSeq-2 || s.bytes >= mostOfRun) {
		s.full = s.add("system", at, map[string]any{"subtype": "full", "text": "further events of this attempt are not reported"}, false)
		return
	}
	if !s.add(kind, at, payload, last) {
		s.lost++
	}
}

func (s *upstream) add(kind string, at api.Time, payload map[string]any, must bool) bool {
	data := shortened(payload)
	line, err := json.Marshal(api.RunEventLine{RunID: s.wire, Seq: s.seq + 1, Type: kind, TS: at, Payload: data})
	if err != nil || !s.to.add(queued{s.wire, s.token, line}, must) {
		return false
	}
	s.seq++
	s.bytes += len(line)
	return true
}

// shortened encodes a payload within the bounds of the wire.
func shortened(payload map[string]any) json.RawMessage {
	data, err := json.Marshal(payload)
	if err == nil && len(data) <= api.MaxRunEventPayload {
		return data
	}
	short := map[string]any{"truncated": true}
	for name, value := range payload {
		switch v := value.(type) {
		case string:
			if len(v) > mostText {
				v = strings.ToValidUTF8(v[:mostText], "") + "…"
			}
			short[name] = v
		case bool, int, float64:
			short[name] = v
		}
	}
	if data, err = json.Marshal(short); err != nil || len(data) > api.MaxRunEventPayload {
		return json.RawMessage(`{"truncated":true}`)
	}
	return data
}

// retryAfter is how long the control plane wants to be left alone.
func retryAfter(err error) time.Duration {
	var remote *api.Error
	if errors.As(err, &remote) {
		return min(remote.RetryAfter, time.Minute)
	}
	return 0
}
