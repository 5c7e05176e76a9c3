package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// ledger is a control plane that takes run events, once each.
type ledger struct {
	requests int
	got      map[string][]string // by run: "seq type text"
	seen     map[string]bool
	fail     func(n int) error
	after    func(n int) error // the answer is lost after it counted
}

func (l *ledger) take(_ context.Context, body []byte) (api.RunEventsAnswer, error) {
	l.requests++
	if l.fail != nil {
		if err := l.fail(l.requests); err != nil {
			return api.RunEventsAnswer{}, err
		}
	}
	tokens := map[string]string{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(body), []byte("\n")) {
		var e api.RunEventLine
		if err := json.Unmarshal(line, &e); err != nil {
			return api.RunEventsAnswer{}, &api.Error{Status: 400, Message: err.Error()}
		}
		if e.Token != "" {
			tokens[e.RunID] = e.Token
		}
		if tokens[e.RunID] != "token of "+e.RunID || len(e.Payload) > api.MaxRunEventPayload {
			return api.RunEventsAnswer{}, &api.Error{Status: 403, Message: "no token"}
		}
		key := fmt.Sprint(e.RunID, " ", e.Seq)
		if l.seen[key] {
			continue
		}
		l.seen[key] = true
		var payload map[string]any
		_ = json.Unmarshal(e.Payload, &payload)
		l.got[e.RunID] = append(l.got[e.RunID], fmt.Sprint(e.Seq, " ", payload["subtype"], " ", payload["text"]))
	}
	if l.after != nil {
		return api.RunEventsAnswer{}, l.after(l.requests)
	}
	return api.RunEventsAnswer{}, nil
}

func (l *ledger) uplink(ctx context.Context) *uplink {
	l.got, l.seen = map[string][]string{}, map[string]bool{}
	o := Options{Log: slog.New(slog.DiscardHandler), gather: gatherFor, retry: backoff.Policy{Base: time.Second, Max: 30 * time.Second}}
	return newUplink(ctx, o, l.take)
}

// pass lets time pass, and what happens meanwhile be seen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Events that come together go together; runs do not wait; an answer that is
// lost repeats nothing.
func TestUplink_batches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{after: func(n int) error {
			if n == 1 {
				return &api.Error{Message: "no answer"}
			}
			return nil
		}}
		u := l.uplink(t.Context())
		events := &runEvents{up: u}
		begun := time.Now()
		one, two := events.begin("trun_1", "token of trun_1"), events.begin("trun_2", "token of trun_2")
		one.line(logLine{level: slog.LevelInfo, message: "hello"})
		two.progress(50, "half")
		one.end(api.CallbackRequest{Status: "success"})
		one.line(logLine{message: "too late"})
		if time.Since(begun) != 0 {
			t.Error("a run waited for its events")
		}
		pass(time.Minute)
		if l.requests != 2 {
			t.Errorf("%d requests, want one and its repetition", l.requests)
		}
		if got := strings.Join(l.got["trun_1"], "; "); got != "1 started started; 2 log hello; 3 <nil> <nil>" {
			t.Errorf("got %s", got)
		}
		if got := strings.Join(l.got["trun_2"], "; "); got != "1 started started; 2 progress half" {
			t.Errorf("got %s", got)
		}
		if events.begin("trun_3", "") != nil {
			t.Error("events nobody asked for")
		}
	})
}

// What a control plane does not take in time is dropped, with a word at its
// place, and the result is told all the same.
func TestUplink_dropsRatherThanWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		l := &ledger{fail: func(int) error {
			if down.Load() {
				return &api.Error{Status: http.StatusServiceUnavailable, Message: "down"}
			}
			return nil
		}}
		u := l.uplink(t.Context())
		run := (&runEvents{up: u}).begin("trun_1", "token of trun_1")
		for i := range mostQueued + 100 {
			run.line(logLine{message: fmt.Sprint("line ", i)})
		}
		pass(5 * time.Minute)
		down.Store(false)
		pass(5 * time.Minute)
		run.line(logLine{message: "back"})
		run.end(api.CallbackRequest{Status: "success"})
		pass(time.Minute)
		got := l.got["trun_1"]
		tail := strings.Join(got[len(got)-3:], "; ")
		if len(got) != mostQueued+3 || !strings.Contains(tail, "dropped 101 events were dropped here") || !strings.Contains(tail, "log back") {
			t.Errorf("%d events, the last: %s", len(got), tail)
		}
	})
}

// A control plane that knows no run events is asked once; one that refuses a
// batch is not sent it again; a worker that ends leaves nothing behind.
func TestUplink_refusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status, want int
	}{"unknown there": {404, 1}, "refused": {403, 2}, "too large": {413, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := &ledger{fail: func(int) error { return &api.Error{Status: tt.status, Message: "no"} }}
				u := l.uplink(ctx)
				run := (&runEvents{up: u}).begin("trun_1", "token of trun_1")
				pass(time.Minute)
				run.line(logLine{message: "more"})
				pass(time.Minute)
				if l.requests != tt.want {
					t.Errorf("%d requests, want %d", l.requests, tt.want)
				}
				u.flush()
			})
		})
	}
}

// An attempt that never stops talking is cut off upstream, with a word; what is
// too large for the wire is shortened.
func TestUplink_bounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		u := l.uplink(t.Context())
		run := (&runEvents{up: u}).begin("trun_1", "token of trun_1")
		run.line(logLine{message: strings.Repeat("ä", api.MaxRunEventPayload)})
		for i := range api.MaxRunEventSeq + 50 {
			if i%1000 == 0 {
				pass(time.Minute)
			}
			run.progress(1, "")
		}
		run.end(api.CallbackRequest{Status: "success"})
		pass(time.Minute)
		got := l.got["trun_1"]
		if n := len(got); n != api.MaxRunEventSeq || !strings.Contains(got[n-2], "full") || len(got[1]) > 2*mostText {
			t.Errorf("%d events, the last but one %s", n, got[n-2])
		}
	})
}

// A token takes the place of the one it follows, and of no other.
func TestReplaceToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "worker.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"workerId":"w","workerToken":"wkt_old","apiUrl":"http://x","own":{"a":[1]}}`)
	if err := replaceToken(path, "wkt_old", "wkt_new"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), `"wkt_new"`) || !strings.Contains(string(data), `"own"`) {
		t.Errorf("%v: %s", err, data)
	}
	if err := replaceToken(path, "wkt_old", "wkt_newer"); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "wkt_") {
		t.Errorf("over another token: %v", err)
	}
	write(`not JSON`)
	if err := replaceToken(path, "wkt_old", "wkt_new"); !errors.Is(err, ErrConfig) {
		t.Errorf("over a broken file: %v", err)
	}
}
