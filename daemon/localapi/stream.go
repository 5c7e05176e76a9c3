package localapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

const (
	pingEvery    = 20 * time.Second // the defaults of a Server
	pingTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	goodbye      = time.Second // for the answer to our last word
	maxIncoming  = 32 << 10    // of a message from a client; they are ignored
)

// The reasons a socket is closed with. The codes are ours where RFC 6455 has
// none that fits.
const (
	closeSlow     = websocket.StatusCode(4408)
	closeRevoked  = websocket.StatusCode(4401)
	reasonSlow    = "too slow: reconnect with ?since="
	reasonRevoked = "the token was replaced: open the dashboard anew"
	reasonStopped = "the daemon is stopping"
)

// events serves the WebSocket, or, to whoever asks for none, the events that
// are kept. The first frame is a snapshot; a client that
// names the last frame it saw (?since=) gets what it missed instead, if that
// is still held.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if !wantsUpgrade(r) {
		w.Header().Set("Vary", "Upgrade")
		httpkit.JSON(s.kit, s.hostEvents).ServeHTTP(w, r)
		return
	}
	since, err := sinceOf(r)
	if err == nil && !upgrades(r) {
		err = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "this is no WebSocket handshake of version 13"}
	}
	if err != nil {
		s.kit.Fail(w, r, err)
		return
	}
	// The guard has let the request in with a token that may have been replaced
	// since; what revokes this one is looked up first and checked again.
	token := s.token.Load()
	if !s.holds(token, r) {
		s.refuse(w, r)
		return
	}
	s.sockets.Add(1)
	defer s.sockets.Done()
	gathered := &gathering{ResponseWriter: w}
	conn, err := websocket.Accept(gathered, r, nil) // answers the client itself when it fails
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxIncoming)

	// Subscribe first, look second: the snapshot is at least as new as the
	// place in the feed, so nothing falls between.
	query := r.URL.Query()
	sub := s.o.Feed.Subscribe(since, wantsOf(query.Get("worker"), query.Get("logs")))
	defer sub.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s.sockets.Go(func() { discard(ctx, cancel, conn) })
	s.sockets.Go(func() { revoke(ctx, cancel, conn, token) })

	if err := s.greet(ctx, conn, sub, since); err != nil {
		return
	}
	s.pump(ctx, cancel, conn, gathered.conn, sub)
}

// revoke closes the socket when the token that opened it is replaced, also
// while a frame is stuck in it.
func revoke(ctx context.Context, cancel context.CancelFunc, conn *websocket.Conn, opened *token) {
	select {
	case <-ctx.Done():
	case <-opened.revoked:
		_ = conn.Close(closeRevoked, reasonRevoked)
		cancel()
	}
}

// greet sends the snapshot or what was missed.
func (s *Server) greet(ctx context.Context, conn *websocket.Conn, sub *Subscription, since int64) error {
	if sub.resumed {
		return nil // what was missed is pending
	}
	items, err := s.o.Backend.Workers(ctx)
	if err != nil {
		s.o.Log.Warn("read workers for a new listener", "error", err)
		_ = conn.Close(websocket.StatusInternalError, "the workers could not be read")
		return err
	}
	data, err := json.Marshal(api.LocalFrame{Kind: "status", Seq: sub.seq, Reset: since != 0, Items: items})
	if err != nil {
		return err
	}
	return send(ctx, conn, data)
}

// pump sends frames until either side is done.
func (s *Server) pump(ctx context.Context, cancel context.CancelFunc, conn *websocket.Conn, wire *gatherer, sub *Subscription) {
	ping := time.NewTicker(s.pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.filled:
			frames, ended := sub.take()
			if len(frames) > 1 {
				wire.hold()
			}
			for _, data := range frames {
				if send(ctx, conn, data) != nil {
					return
				}
			}
			if wire.release(ctx) != nil {
				return
			}
			switch {
			case ended && sub.dropped():
				_ = conn.Close(closeSlow, reasonSlow)
				return
			case ended:
				// Whoever does not answer does not hold up the end of the daemon.
				defer time.AfterFunc(goodbye, cancel).Stop()
				_ = conn.Close(websocket.StatusGoingAway, reasonStopped)
				return
			}
		case <-ping.C:
			pingCtx, cancel := context.WithTimeout(ctx, s.pingTimeout)
			err := conn.Ping(pingCtx)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

func send(ctx context.Context, conn *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}

// discard reads what a client sends, because control frames are only seen by
// reading, and throws it away. A broken frame ends this socket alone.
func discard(ctx context.Context, cancel context.CancelFunc, conn *websocket.Conn) {
	defer cancel()
	for {
		_, message, err := conn.Reader(ctx)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, message); err != nil {
			return
		}
	}
}

func sinceOf(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return 0, nil
	}
	since, err := strconv.ParseInt(text, 10, 64)
	if err != nil || since < 0 {
		return 0, &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalid,
			Message: "since must be the seq of a frame or an event", Fix: "leave it out to begin anew",
		}
	}
	return since, nil
}

// upgrades reports whether the handshake is a whole one; the library would
// refuse others in words of its own.
func upgrades(r *http.Request) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	return err == nil && len(key) == 16 && len(r.Header.Values("Sec-WebSocket-Key")) == 1 && r.Header.Get("Sec-WebSocket-Version") == "13" &&
		names(r, "Connection", "upgrade") && names(r, "Upgrade", "websocket")
}

// names reports whether a header lists a word.
func names(r *http.Request, header, word string) bool {
	for _, value := range r.Header.Values(header) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), word) {
				return true
			}
		}
	}
	return false
}

func wantsUpgrade(r *http.Request) bool {
	return r.Header.Get("Sec-WebSocket-Key") != ""
}
