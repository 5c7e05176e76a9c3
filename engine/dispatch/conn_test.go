package dispatch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

// raw is a worker that speaks bytes: answer is called for every request, after
// its body was read, with how many came before it on the connection. A false
// result hangs up.
func raw(t *testing.T, answer func(conn net.Conn, before int) bool) (url string, opened *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opened = &atomic.Int32{}
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			opened.Add(1)
			all.Go(func() { <-stop; _ = c.Close() })
			all.Go(func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				for before := 0; ; before++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if !answer(c, before) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); close(stop); all.Wait() })
	return "http://" + l.Addr().String(), opened
}

// TestClient_answersOnTheWire: every legal form of an answer is understood, and
// the connection is used again exactly when the answer has ended cleanly.
func TestClient_answersOnTheWire(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
	tests := []struct {
		name, answer string
		problem      string // empty: accepted
		again        bool   // the second dispatch finds the connection open
	}{
		{"length", ok, "", true},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "", true},
		{"chunked, with trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\n{\r\n0\r\nX: 1\r\n\r\n", "", true},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", "", true},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok, "", true},
		{"connection: close", "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "", false},
		{"until it closes", "HTTP/1.1 202 Accepted\r\n\r\n{}", "", false},
		{"an older version", "HTTP/1.0 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", "", false},
		{"more than was announced", ok + "HTTP/1.1 200 OK\r\n", "", false},
		{"refused, and kept", "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nboom", "Worker returned 500: boom", true},
		{"a body that is packed is taken as it is", "HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nboom", "Worker returned 500: boom", true},
		{"only interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50), "more than 4 interim answers", false},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "Worker returned 101", false},
		{"two lengths", "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", "was not reached", false},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "was not reached", false},
		{"nothing", "", "closed without an answer", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			closes := !tt.again
			url, opened := raw(t, func(c net.Conn, _ int) bool {
				_, _ = io.WriteString(c, tt.answer)
				return !closes
			})
			c := client(t, Options{})
			for range 2 {
				refused := dispatched(t, c, url)
				if (refused == nil) != (tt.problem == "") || refused != nil && !strings.Contains(refused.Message, tt.problem) {
					t.Fatalf("got %v, want %q", refused, tt.problem)
				}
			}
			if want := map[bool]int32{true: 1, false: 2}[tt.again]; opened.Load() != want {
				t.Errorf("opened %d connections for two dispatches, want %d", opened.Load(), want)
			}
		})
	}
}

// TestDispatch_E8_hostileAnswers: a worker cannot hold a dispatch longer than its deadline,
// nor make the engine read or keep more than an answer needs, however it is done.
func TestDispatch_E8_hostileAnswers(t *testing.T) {
	t.Parallel()
	endless := func(piece string, pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			for range 1 << 20 {
				if _, err := io.WriteString(c, piece); err != nil {
					return
				}
				if pause > 0 {
					time.Sleep(pause)
				}
			}
		}
	}
	tests := []struct {
		name string
		say  func(net.Conn)
		want string
	}{
		{"a header of its own for every byte", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\n")
			endless("X-Flood: 1\r\n", 0)(c)
		}, "longer than any answer"},
		{"one header without an end", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nX: ")
			endless(strings.Repeat("x", 4096), 0)(c)
		}, "longer than any answer"},
		{"a status line without an end", endless("HTTP/1.1", 0), "longer than any answer"},
		{"one byte at a time", endless("H", 20*time.Millisecond), "did not answer within 300ms"},
		{"a head that stops", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 202 Acc") }, "did not answer within 300ms"},
		{"silence", func(net.Conn) {}, "did not answer within 300ms"},
		{"a refusal of any size", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 10000000000\r\n\r\n")
			endless(strings.Repeat("x", 4096), 0)(c)
		}, "Worker returned 500: xxxx"},
		{"an acceptance of any size", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 10000000000\r\n\r\n")
			endless(strings.Repeat("x", 4096), 0)(c)
		}, ""},
		{"an acceptance that never ends", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := raw(t, func(c net.Conn, _ int) bool { tt.say(c); return true })
			began := time.Now()
			refused := dispatched(t, client(t, Options{Timeout: 300 * time.Millisecond}), url)
			if (refused == nil) != (tt.want == "") || refused != nil && !strings.Contains(refused.Message, tt.want) {
				t.Errorf("got %v, want %q", refused, tt.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("held for %s", took)
			}
		})
	}
}

// A worker that hung up while the connection was idle is called again. One that
// hung up after it had the request is not: it may have started.
func TestClient_hangUps(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		closed := make(chan struct{}, 2)
		url, opened := raw(t, func(c net.Conn, _ int) bool {
			_, _ = io.WriteString(c, ok)
			_ = c.Close()
			closed <- struct{}{}
			return false
		})
		c := client(t, Options{})
		for range 2 {
			if refused := dispatched(t, c, url); refused != nil {
				t.Fatal(refused)
			}
			<-closed
		}
		if opened.Load() != 2 {
			t.Errorf("opened %d", opened.Load())
		}
	})
	t.Run("with the request in hand", func(t *testing.T) {
		t.Parallel()
		var seen atomic.Int32
		url, _ := raw(t, func(c net.Conn, before int) bool {
			seen.Add(1)
			if before == 0 {
				_, _ = io.WriteString(c, ok)
				return true
			}
			return false
		})
		c := client(t, Options{})
		if refused := dispatched(t, c, url); refused != nil {
			t.Fatal(refused)
		}
		if refused := dispatched(t, c, url); refused == nil || refused.Final {
			t.Errorf("got %v, want a failure that may be retried", refused)
		}
		if seen.Load() != 2 {
			t.Errorf("the worker saw %d requests for two dispatches", seen.Load())
		}
	})
}

// A dispatch that is cut short does not leave its connection to the next one.
func TestClient_cancelled(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	url, opened := raw(t, func(c net.Conn, _ int) bool {
		arrived <- struct{}{}
		return true
	})
	c := client(t, Options{Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Dispatch(ctx, url, sample()) }()
	<-arrived
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- c.Dispatch(ctx, url, sample()) }()
	<-arrived
	cancel()
	<-done
	if opened.Load() != 2 {
		t.Errorf("opened %d", opened.Load())
	}
}

// The body is what encoding/json would have made of it, member by member: a new
// one is forgotten here or in the encoder, never in both.
func TestAppendDispatch(t *testing.T) {
	t.Parallel()
	plain := sample()
	full := plain
	full.PipelineRunID, full.Attempt, full.EventsToken = "prun_1", 2, "evt_1"
	full.Input, full.InputSHA256 = json.RawMessage(`{"a":[1.50,"x"]}`), "ab12"
	full.UpstreamRefs = json.RawMessage(`{"b":{"outputPath":"o"}}`)
	full.TempUploads = map[string]api.TempUpload{"tmp_1": {Path: "temp-uploads/tmp_1/a.pdf", Size: 3, MimeType: "a/b", Filename: "a.pdf"}}
	for member := range reflect.ValueOf(full).NumField() {
		if reflect.ValueOf(full).Field(member).IsZero() {
			t.Errorf("the sample leaves %s empty", reflect.TypeFor[api.Dispatch]().Field(member).Name)
		}
	}
	odd := plain
	odd.CodeHash, odd.InputPath, odd.TaskID = "ä\"\\\n<&>\u2028", "\xff", "\x00"
	odd.UpstreamRefs, odd.PreviousAttempts = nil, nil
	for _, d := range []api.Dispatch{plain, full, odd, {}} {
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(appendDispatch(nil, &d))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEndpoint_appendRequest(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://h.test":           "POST /tasks/a%20b%2Fc HTTP/1.1\r\nHost: h.test\r\n",
		"http://h.test:81/":       "POST /tasks/a%20b%2Fc HTTP/1.1\r\nHost: h.test:81\r\n",
		"http://[::1]:81/x/%2Fy/": "POST /x/%2Fy/tasks/a%20b%2Fc HTTP/1.1\r\nHost: [::1]:81\r\n",
	} {
		e, problem := newEndpoint(base)
		if problem != "" {
			t.Fatal(problem)
		}
		d := sample()
		d.TaskID = "a b/c"
		for _, room := range []int{0, 1 << 12} {
			whole, start := e.appendRequest(make([]byte, 0, room), &d)
			body := string(appendDispatch(nil, &d))
			want := want + "Content-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
			if diff := cmp.Diff(want, string(whole[start:])); diff != "" {
				t.Errorf("%s: %s", base, diff)
			}
		}
	}
}

// BenchmarkDispatch compares the two ways to a worker that answers at once.
func BenchmarkDispatch(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"acknowledged":true}`)
	})}
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	url := "http://" + l.Addr().String()
	if other := os.Getenv("DISPATCH_TO"); other != "" {
		url = other
	}
	for _, plain := range []bool{true, false} {
		b.Run(map[bool]string{true: "own", false: "net-http"}[plain], func(b *testing.B) {
			c := New(Options{})
			defer c.Close()
			c.transport.MaxIdleConnsPerHost = 256
			e, _ := c.endpoint(url)
			e.plain = plain
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.Dispatch(b.Context(), url, sample()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
