package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
	"pipedai/internal/secret"
)

func (f *fixture) wsURL(query string) string {
	return fmt.Sprintf("ws://127.0.0.1:%d/api/events%s", f.port, query)
}

func (f *fixture) dial(t *testing.T, query string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, f.wsURL(query), &websocket.DialOptions{
		HTTPHeader: header, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, status
}

func next(t *testing.T, conn *websocket.Conn) api.LocalFrame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, data, err := conn.Read(ctx)
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	var frame api.LocalFrame
	if err := json.Unmarshal(data, &frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

func logFrame(line string) api.LocalFrame {
	return api.LocalFrame{Kind: "log", ID: "w1", TS: 1, Stream: "out", Line: line}
}

func TestEvents_W1_W2_refusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	token := testToken.Reveal()
	tests := []struct {
		name   string
		query  string
		header http.Header
		want   int
	}{
		{"no token", "", nil, 401},
		{"wrong token", "?token=oct_wrong", nil, 401},
		{"empty token", "?token=", nil, 401},
		{"two tokens", "?token=" + token + "&token=" + token, nil, 401},
		{"a wrong header beside a right query", "?token=" + token, http.Header{"Authorization": {"Bearer x"}}, 401},
		{"another page", "?token=" + token, http.Header{"Origin": {"https://evil.test"}}, 403},
		{"a null origin", "?token=" + token, http.Header{"Origin": {"null"}}, 403},
		{"another port", "?token=" + token, http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
	}
	for _, tt := range tests {
		if conn, status := f.dial(t, tt.query, tt.header); conn != nil || status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, status, tt.want)
		}
	}
	own := http.Header{"Origin": {fmt.Sprintf("http://127.0.0.1:%d", f.port)}}
	browser := http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}}
	if conn, status := f.dial(t, "?token="+token, browser); conn != nil || status != 403 {
		t.Errorf("a browser that does not say which page asks: %d", status)
	}
	if conn, status := f.dial(t, "?token="+token, own); conn == nil {
		t.Errorf("our own page: %d", status)
	}
	if strings.Contains(f.log.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestEvents_W5_snapshotThenFramesThenResume(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	query := "?token=" + testToken.Reveal()
	conn, _ := f.dial(t, query, nil)
	greeting := next(t, conn)
	if greeting.Kind != "status" || len(greeting.Items) != 1 || greeting.Reset || greeting.Seq == 0 {
		t.Fatalf("greeting %+v", greeting)
	}
	f.feed.Publish(logFrame("one"))
	f.feed.Publish(logFrame("two"))
	one, two := next(t, conn), next(t, conn)
	if one.Line != "one" || two.Line != "two" || one.Seq != greeting.Seq+1 || two.Seq != one.Seq+1 {
		t.Errorf("frames %+v %+v", one, two)
	}
	_ = conn.CloseNow()

	f.feed.Publish(logFrame("three"))
	again, _ := f.dial(t, fmt.Sprintf("%s&since=%d", query, one.Seq), nil)
	for i, want := range []string{"two", "three"} {
		if got := next(t, again); got.Line != want || got.Seq != two.Seq+int64(i) {
			t.Errorf("resumed with %+v, want line %q", got, want)
		}
	}
	f.feed.Publish(logFrame("four"))
	if got := next(t, again); got.Line != "four" {
		t.Errorf("after resuming: %+v", got)
	}

	for _, since := range []int64{1, one.Seq + 1000} { // an earlier daemon's, and nobody's
		stale, _ := f.dial(t, fmt.Sprintf("%s&since=%d", query, since), nil)
		if got := next(t, stale); got.Kind != "status" || !got.Reset {
			t.Errorf("since %d: %+v", since, got)
		}
	}
}

func TestEvents_slowReaderIsClosedWithAReason(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	conn, _ := f.dial(t, "?token="+testToken.Reveal(), nil)
	next(t, conn)
	line := strings.Repeat("x", 64<<10)
	for range feedQueue * 4 { // more than the queue and the socket's buffers hold
		f.feed.Publish(logFrame(line))
		if f.feed.Subscribers() == 0 {
			break
		}
	}
	if f.feed.Subscribers() != 0 {
		t.Fatal("a reader that does not read is still subscribed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != closeSlow || !strings.Contains(err.Error(), "too slow") {
			t.Errorf("closed with %v", err)
		}
		return
	}
}

func TestEvents_clientMessagesAreIgnoredAndGarbageSurvived(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	conn, _ := f.dial(t, "?token="+testToken.Reveal(), nil)
	next(t, conn)
	for _, message := range []string{"hello", `{"kind":"status"}`, strings.Repeat("x", 1000)} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	f.feed.Publish(logFrame("still here"))
	if got := next(t, conn); got.Line != "still here" {
		t.Errorf("frame %+v", got)
	}

	for _, garbage := range []string{strings.Repeat("\xff", 40), "\x00\x00", "GET / HTTP/1.1\r\n\r\n", "\x81\x05hello"} {
		raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port)))
		if err != nil {
			t.Fatal(err)
		}
		upgrade := f.plain("GET", "/api/events", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		if _, err := io.WriteString(raw, upgrade+garbage); err != nil {
			t.Fatal(err)
		}
		_ = raw.SetReadDeadline(time.Now().Add(10 * time.Second))
		reader := bufio.NewReader(raw)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade: %v", err)
		}
		if _, err := io.Copy(io.Discard, reader); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%q: the connection was not closed", garbage)
		}
		_ = raw.Close()
	}
	if _, err := f.client.Workers(t.Context()); err != nil {
		t.Errorf("the server does not answer any more: %v", err)
	}
}

func TestEvents_endIsExplained(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	conn, _ := f.dial(t, "?token="+testToken.Reveal(), nil)
	next(t, conn)
	done := make(chan error, 1)
	go func() {
		_, _, err := conn.Read(context.WithoutCancel(t.Context()))
		done <- err
	}()
	f.Close()
	if err := <-done; websocket.CloseStatus(err) != websocket.StatusGoingAway || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("closed with %v", err)
	}
}

func TestFeed_holdsABoundedPast(t *testing.T) {
	t.Parallel()
	feed := NewFeed()
	began := feed.Subscribe(0, wants{})
	first := began.seq
	began.Close() // and may come back
	for i := range feedHeld * 3 {
		feed.Publish(logFrame(strconv.Itoa(i)))
	}
	if len(feed.held) > feedHeld {
		t.Errorf("%d frames held", len(feed.held))
	}
	newest := first + feedHeld*3
	if sub := feed.Subscribe(newest, wants{}); !sub.resumed || len(sub.pending) != 0 {
		t.Errorf("at the newest: %+v", sub)
	}
	if sub := feed.Subscribe(newest-10, wants{}); !sub.resumed || len(sub.pending) != 10 {
		t.Errorf("ten behind: resumed %v with %d", sub.resumed, len(sub.pending))
	}
	if sub := feed.Subscribe(first, wants{}); sub.resumed {
		t.Error("resumed from what is not held any more")
	}
}

func TestFeed_boundsBytesAndKeepsOneStatus(t *testing.T) {
	t.Parallel()
	feed := NewFeed()
	slow := feed.Subscribe(0, wants{noLogs: true})
	for range 100 {
		feed.Publish(api.LocalFrame{Kind: kindStatus, Items: make([]api.FusedWorker, 20)})
	}
	if got, ended := slow.take(); len(got) != 1 || ended {
		t.Errorf("%d statuses wait for a slow reader, ended %v; only the newest says something", len(got), ended)
	}
	if len(feed.held) != 1 {
		t.Errorf("%d statuses held", len(feed.held))
	}
	line := strings.Repeat("x", 1<<20)
	for range 40 {
		feed.Publish(logFrame(line))
	}
	if feed.bytes > feedHeldBytes+2<<20 || len(feed.held) > 10 {
		t.Errorf("%d frames of %d bytes held", len(feed.held), feed.bytes)
	}
}

// While nobody watches, a flood of lines is only counted; whoever comes back
// to a feed that only counted gets a snapshot, not a gap.
func TestFeed_idleHoldsNothing(t *testing.T) {
	t.Parallel()
	feed := NewFeed()
	now := time.Now()
	feed.now = func() time.Time { return now }
	if !feed.Idle() {
		t.Error("nobody ever came, and it is not idle")
	}
	sub := feed.Subscribe(0, wants{})
	seen := sub.seq
	sub.Close()
	feed.Publish(logFrame("missed"))
	if back := feed.Subscribe(seen, wants{}); !back.resumed || len(back.pending) != 1 {
		t.Errorf("back in time: resumed %v with %d", back.resumed, len(back.pending))
	} else {
		back.Close()
	}
	now = now.Add(feedMemory + time.Second)
	feed.Publish(logFrame("for nobody"))
	if len(feed.held) != 0 {
		t.Errorf("%d frames held for nobody", len(feed.held))
	}
	if late := feed.Subscribe(seen, wants{}); late.resumed {
		t.Error("resumed over a gap")
	}
}

func TestFeed_subscriptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, worker, logs, want string
	}{
		{"an old client", "", "", "status a b conn"},
		{"no logs", "", "0", "status conn"},
		{"all logs", "", "1", "status a b conn"},
		{"logs of one", "", "b", "status b conn"},
		{"logs of both", "", "b,a", "status a b conn"},
		{"one worker", "a", "", "status a conn"},
		{"one worker without logs", "a", "0", "status conn"},
	} {
		feed := NewFeed()
		sub := feed.Subscribe(0, wantsOf(tt.worker, tt.logs))
		feed.Publish(api.LocalFrame{Kind: kindStatus, Line: "status"})
		feed.Publish(api.LocalFrame{Kind: kindLog, ID: "a", Line: "a"})
		feed.Publish(api.LocalFrame{Kind: kindLog, ID: "b", Line: "b"})
		feed.Publish(api.LocalFrame{Kind: "connectivity", Line: "conn"})
		var got []string
		frames, _ := sub.take()
		for _, data := range frames {
			var frame api.LocalFrame
			if err := json.Unmarshal(data, &frame); err != nil {
				t.Fatal(err)
			}
			got = append(got, frame.Line)
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.want)
		}
	}
}

// Whoever has the old token is told to go within moments of the first use of
// the new one; who waits behind a full socket, too.
func TestEvents_W3_replacedTokenClosesSockets(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	var current atomic.Pointer[secret.Text]
	first, second := testToken, secret.Text("oct_another-one-of-the-same-length-as-before-00")
	current.Store(&first)
	f.o.CurrentToken = func() (secret.Text, error) { return *current.Load(), nil }
	replaced := make(chan struct{}, 10)
	f.o.TokenReplaced = func() { replaced <- struct{}{} }
	conn, _ := f.dial(t, "?token="+first.Reveal(), nil)
	next(t, conn)

	if status, _, _ := f.ask(t, f.plain("GET", "/api/workers", "Authorization: Bearer "+second.Reveal())); status != 401 {
		t.Fatalf("before it is the token: %d", status)
	}
	current.Store(&second)
	began := time.Now()
	for deadline := began.Add(5 * time.Second); ; {
		if status, _, _ := f.ask(t, f.plain("GET", "/api/workers", "Authorization: Bearer "+second.Reveal())); status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the new token is not taken up: %d", status)
		}
		<-time.After(tokenRecheck / 4)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, _, err := conn.Read(ctx)
	if websocket.CloseStatus(err) != closeRevoked || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("closed with %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if status, _, _ := f.ask(t, f.plain("GET", "/api/workers")); status != 401 {
		t.Errorf("the old token: %d", status)
	}
	if len(replaced) != 1 {
		t.Errorf("told %d times", len(replaced))
	}
}

// What is published together is one message each, in order and whole, however
// much it is; and what comes alone is not held back.
func TestEvents_manyTogether(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	conn, _ := f.dial(t, "", http.Header{"Authorization": {"Bearer " + testToken.Reveal()}})
	if first := next(t, conn); first.Kind != kindStatus {
		t.Fatalf("first frame %+v", first)
	}
	seq := int64(0)
	for round, size := range []int{1, 10, 3_000, 100_000, 1} {
		var frames []api.LocalFrame
		for i := range 40 / (1 + size/3_000) {
			frames = append(frames, logFrame(fmt.Sprintf("%d/%d %s", round, i, strings.Repeat("x", size))))
		}
		f.feed.Publish(frames...)
		for i, want := range frames {
			got := next(t, conn)
			if got.Line != want.Line || got.Seq <= seq {
				t.Fatalf("round %d, frame %d: seq %d after %d, %.20q", round, i, got.Seq, seq, got.Line)
			}
			seq = got.Seq
		}
	}
	f.feed.Publish(logFrame("alone"))
	if got := next(t, conn); got.Line != "alone" {
		t.Errorf("got %.20q", got.Line)
	}
}
