package controlplane

import (
	"net/http"
	"strconv"
	"time"

	"pipedai/internal/httpkit"
)

// stream answers GET /api/stream: the change feed as server-sent events. The
// stream ends when the reader falls behind, when its token is revoked and when
// the server stops; the reader comes back with the last number it saw.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	backlog, changes, cancel := s.o.Engine.Changes().Subscribe(resumeAfter(r))
	defer cancel()
	out, err := httpkit.SSE(w)
	if err != nil {
		return // the connection is gone, or not one that can stream
	}
	for _, event := range backlog {
		if out.Send(event.Seq, event.Type, event) != nil {
			return
		}
	}
	alive := s.keepAlive(r, out)
	defer alive.ticker.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.draining:
			return
		case event, open := <-changes:
			if !open || out.Send(event.Seq, event.Type, event) != nil {
				return
			}
		case <-alive.ticker.C:
			if !alive.tick() {
				return
			}
		}
	}
}

// resumeAfter reads where a reader left off: the Last-Event-ID header, or
// ?since=. Zero for a new one.
func resumeAfter(r *http.Request) int64 {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("since")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0 // not a number of ours: begin anew
	}
	return n
}

// keepAlive looks after an open stream at a steady pace: it notices that the
// reader's token was revoked, and sends a comment often enough that nobody
// takes the silence for a dead connection.
type keepAlive struct {
	s      *Server
	r      *http.Request
	out    *httpkit.Events
	ticker *time.Ticker
	ticks  int
}

// commentEvery is the number of checks between two signs of life.
const commentEvery = 10

func (s *Server) keepAlive(r *http.Request, out *httpkit.Events) *keepAlive {
	return &keepAlive{s: s, r: r, out: out, ticker: time.NewTicker(s.o.StreamCheck)}
}

// tick reports whether the stream goes on.
func (k *keepAlive) tick() bool {
	if !k.s.stillValid(k.r.Context()) {
		return false
	}
	if k.ticks++; k.ticks%commentEvery == 0 {
		return k.out.Comment("alive") == nil
	}
	return true
}
