package localapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
)

// upgrade is a request for the WebSocket.
func (f *fixture) upgrade(target string, more ...string) string {
	return f.plain("GET", target, append([]string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, more...)...)
}

// answers fails unless the server still does its work.
func (f *fixture) answers(t *testing.T, after string) {
	t.Helper()
	if _, err := f.client.Workers(t.Context()); err != nil {
		t.Fatalf("after %s the server does not answer: %v", after, err)
	}
}

// Contract 12, row 66: an upgrade whose target cannot be parsed ended the
// daemon, and it took no token.
func TestEvents_66_unparsableTargets(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, target := range []string{
		"//", "///", "//?token=x", "http://[", "http://", "http://[::1", "%", "/%", "/%zz", "/api/events?%zz=%", "/api/events?token=%", "?", "*",
		"/api/events?since=x", "/api/events?since=-1", "/api/events?since=99999999999999999999", "/api//events", "/api/events/..%2f",
		"/api/events?logs=" + strings.Repeat(",", 8000), "\x01", "/\x00", "http://127.0.0.1:" + fmt.Sprint(f.port) + "//", "/api/events#x", "javascript:x",
	} {
		for _, lines := range [][]string{{"Authorization:"}, nil, {"Sec-WebSocket-Key: x"}, {"Sec-WebSocket-Version: 0"}, {"Upgrade: h2c"}, {"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99"}} {
			conn := f.connect(t)
			if _, err := io.WriteString(conn, f.upgrade(target, lines...)); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			resp, err := http.ReadResponse(newReader(conn), &http.Request{Method: http.MethodGet})
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				t.Errorf("%q %q: no answer", target, lines)
			case err != nil: // hung up, which is an answer to such a target
			case resp.StatusCode >= 500 || resp.StatusCode < 400 && lines != nil && lines[0] == "Authorization:" && resp.StatusCode != http.StatusOK:
				t.Errorf("%q %q: %s", target, lines, resp.Status)
			}
			_ = conn.Close()
		}
		f.answers(t, fmt.Sprintf("an upgrade of %q", target))
	}
	if strings.Contains(f.log.String(), "panic") {
		t.Errorf("a handler panicked: %s", f.log)
	}
}

// masked is one frame as a client has to send it, whatever its first byte and
// the length it claims.
func masked(first byte, claims int, payload string) string {
	out := []byte{first}
	switch {
	case claims < 126:
		out = append(out, 0x80|byte(claims))
	case claims < 1<<16:
		out = append(out, 0x80|126)
		out = binary.BigEndian.AppendUint16(out, uint16(claims))
	default:
		out = append(out, 0x80|127)
		out = binary.BigEndian.AppendUint64(out, uint64(claims))
	}
	return string(append(out, 0, 0, 0, 0)) + payload // a mask of zeros changes nothing
}

// Contract 12, row 67: a malformed frame from a client that has the token ended
// the daemon. It ends that client's connection, and only that.
func TestEvents_67_malformedFrames(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	bystander, _ := f.dial(t, "?token="+testToken.Reveal()+"&logs=w1", nil)
	next(t, bystander)
	for name, bytes := range map[string]string{
		"no mask":                      "\x81\x05hello",
		"reserved bits":                masked(0xf1, 5, "hello"),
		"an opcode that there is not":  masked(0x83, 5, "hello"),
		"a control opcode of no one":   masked(0x8f, 0, ""),
		"a continuation of nothing":    masked(0x80, 5, "hello"),
		"text in the middle of text":   masked(0x01, 2, "he") + masked(0x81, 3, "llo"),
		"a ping in pieces":             masked(0x09, 2, "he"),
		"a ping that is too long":      masked(0x89, 126, strings.Repeat("x", 126)),
		"a length of 2^63":             "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"a message that is too long":   masked(0x82, 1<<20, strings.Repeat("x", 1<<20)),
		"a close of one byte":          masked(0x88, 1, "x"),
		"a close with a reserved code": masked(0x88, 2, "\x03\xed"),
		"a close that is no UTF-8":     masked(0x88, 4, "\x03\xe8\xff\xfe"),
		"another protocol":             "GET / HTTP/1.1\r\n\r\n",
		"nothing but ones":             strings.Repeat("\xff", 4096),
	} {
		conn := f.connect(t)
		go func() { _, _ = io.WriteString(conn, f.upgrade("/api/events")+bytes) }() // it may be cut off before the end
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		reader := newReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: upgrade: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, reader); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
		f.answers(t, name)
		f.feed.Publish(logFrame(name))
		if got := next(t, bystander); got.Line != name {
			t.Fatalf("%s: another client got %+v", name, got)
		}
	}
	gone(t, f.feed, 1)
	if log := f.log.String(); strings.Contains(log, "panic") {
		t.Errorf("a handler panicked: %s", log)
	}
}

// gone waits until a feed has only so many subscribers.
func gone(t *testing.T, feed *Feed, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for feed.Subscribers() != want {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d subscribers, want %d", feed.Subscribers(), want)
		}
	}
}

// A client that reads is asked whether it lives, answers by itself, and stays.
func TestEvents_pingsKeepAConnection(t *testing.T) {
	t.Parallel()
	f := serveWith(t, func(s *Server, _ *http.Server) { s.pingEvery = 5 * time.Millisecond })
	var pings atomic.Int64
	enough := make(chan struct{})
	conn, resp, err := websocket.Dial(t.Context(), f.wsURL("?token="+testToken.Reveal()), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		OnPingReceived: func(context.Context, []byte) bool {
			if pings.Add(1) == 20 {
				close(enough)
			}
			return true
		},
	})
	if err != nil {
		t.Fatal(err, resp)
	}
	defer func() { _ = conn.CloseNow() }()
	lines := make(chan string, 100)
	read := make(chan error, 1)
	go func() {
		for {
			_, data, err := conn.Read(context.WithoutCancel(t.Context()))
			if err != nil {
				read <- err
				return
			}
			lines <- string(data)
		}
	}()
	<-lines // the snapshot
	select {
	case <-enough:
	case err := <-read:
		t.Fatalf("closed after %d pings: %v", pings.Load(), err)
	case <-time.After(20 * time.Second):
		t.Fatalf("%d pings", pings.Load())
	}
	f.feed.Publish(logFrame("after many pings"))
	if got := <-lines; !strings.Contains(got, "after many pings") {
		t.Errorf("frame %s", got)
	}
	_ = conn.CloseNow()
	<-read
}

// A client that is gone without a word, as behind a cable that was pulled, is
// found out and forgotten.
func TestEvents_deadConnectionsEnd(t *testing.T) {
	t.Parallel()
	f := serveWith(t, func(s *Server, _ *http.Server) {
		s.pingEvery, s.pingTimeout = 20*time.Millisecond, 200*time.Millisecond
	})
	conn := f.connect(t)
	if _, err := io.WriteString(conn, f.upgrade("/api/events")); err != nil {
		t.Fatal(err)
	}
	reader := newReader(conn)
	if resp, err := http.ReadResponse(reader, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v", err)
	}
	// It reads everything and answers no ping.
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, reader); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client that answers no ping stays connected")
	}
	gone(t, f.feed, 0)
}

// One client that reads nothing delays no other.
func TestEvents_oneThatDoesNotReadDelaysNobody(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	stuck, _ := f.dial(t, "?token="+testToken.Reveal(), nil)
	conn, _ := f.dial(t, "?token="+testToken.Reveal(), nil)
	next(t, stuck)
	next(t, conn)
	line := strings.Repeat("x", 32<<10)
	for i := range 1000 { // far more than the sockets' buffers hold
		f.feed.Publish(api.LocalFrame{Kind: "log", ID: "w1", TS: int64(i), Stream: "out", Line: line})
		if got := next(t, conn); got.TS != int64(i) {
			t.Fatalf("frame %d came as %d", i, got.TS)
		}
	}
	gone(t, f.feed, 1)
}
