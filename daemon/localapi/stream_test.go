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
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
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
	first := feed.Subscribe(0).seq
	for i := range feedHeld * 3 {
		feed.Publish(logFrame(strconv.Itoa(i)))
	}
	if len(feed.held) > feedHeld {
		t.Errorf("%d frames held", len(feed.held))
	}
	newest := first + feedHeld*3
	if sub := feed.Subscribe(newest); !sub.resumed || len(sub.backlog) != 0 {
		t.Errorf("at the newest: %+v", sub)
	}
	if sub := feed.Subscribe(newest - 10); !sub.resumed || len(sub.backlog) != 10 {
		t.Errorf("ten behind: resumed %v with %d", sub.resumed, len(sub.backlog))
	}
	if sub := feed.Subscribe(first); sub.resumed {
		t.Error("resumed from what is not held any more")
	}
}
