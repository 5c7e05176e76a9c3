package localapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
)

func (f *fixture) connect(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// patience is the median time that the owner waits for a list of workers.
func (f *fixture) patience(t *testing.T) time.Duration {
	t.Helper()
	took := make([]time.Duration, 0, 31)
	for range cap(took) {
		began := time.Now()
		if _, err := f.client.Workers(t.Context()); err != nil {
			t.Fatalf("the owner: %v", err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// Connections that say nothing, or say it slowly, cost the owner no time and
// are ended.
func TestGuard_L22_slowAndIdleConnections(t *testing.T) {
	t.Parallel()
	if s := httpkit.Server(nil, nil); s.ReadHeaderTimeout > 10*time.Second || s.IdleTimeout > 2*time.Minute || s.ReadTimeout == 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("a server's limits: %+v", s)
	}
	const headerTime = 3 * time.Second
	f := serveWith(t, func(_ *Server, web *http.Server) { web.ReadHeaderTimeout = headerTime })
	alone := f.patience(t)
	idle := make([]net.Conn, 300)
	for i := range idle {
		idle[i] = f.connect(t)
		if i%2 == 0 { // half of them begin with a request and never end it
			if _, err := io.WriteString(idle[i], "GET /api/workers HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "); err != nil {
				t.Fatal(err)
			}
		}
	}
	besides := f.patience(t)
	// It should be the same; twenty times is what a busy machine may do to one of
	// two medians.
	if limit := max(20*alone, 100*time.Millisecond); besides > limit {
		t.Errorf("the owner waits %v beside 300 connections, %v without", besides, alone)
	}
	for _, conn := range idle {
		_ = conn.SetReadDeadline(time.Now().Add(20 * headerTime))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection without a request stays open")
		}
	}
}

// No body is read that is not wanted: not a large one, and not one that only
// gets large when unpacked.
func TestGuard_L22_hugeBodies(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, rt := range everyRoute(f.Server) {
		if rt[0] != "POST" && rt[0] != "PATCH" {
			continue
		}
		request := strings.TrimSuffix(f.plain(rt[0], rt[1], "Content-Length: "+strconv.Itoa(1<<30)), "{}")
		if status, _, body := f.ask(t, request); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s with 1 GiB: %d %s", rt[0], rt[1], status, body)
		}
		if status, _, body := f.ask(t, f.plain(rt[0], rt[1], "Content-Encoding: gzip")); status != http.StatusUnsupportedMediaType {
			t.Errorf("%s %s with a compressed body: %d %s", rt[0], rt[1], status, body)
		}
	}
	if did := f.backend.did(); did != "" || len(f.backend.reloads) > 0 {
		t.Errorf("something changed: %s", did)
	}

	// One that does not say how large it is.
	conn := f.connect(t)
	head := strings.TrimSuffix(f.plain("POST", "/api/reload", "Content-Length:", "Transfer-Encoding: chunked"), "{}")
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	go func() {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat(" ", 32<<10))
		for range 1 << 15 { // 1 GiB
			if _, err := io.WriteString(conn, chunk); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(newReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: %d", resp.StatusCode)
	}
}

// A server on another port of this machine gets the cookies of this one and
// the referrer from its pages, so there must be nothing in either.
func TestGuard_L19_nothingForOtherPorts(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	token := testToken.Reveal()
	for _, rt := range everyRoute(f.Server) {
		for _, lines := range [][]string{nil, {"Authorization:"}} {
			_, header, body := f.ask(t, f.plain(rt[0], rt[1], lines...))
			if header.Get("Set-Cookie") != "" || header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s %s: cookies %q, referrer policy %q", rt[0], rt[1], header.Get("Set-Cookie"), header.Get("Referrer-Policy"))
			}
			for name, values := range header {
				if strings.Contains(strings.Join(values, " "), token) {
					t.Errorf("%s %s: the token is in %s", rt[0], rt[1], name)
				}
			}
			if strings.Contains(body, token) || header.Get("Location") != "" {
				t.Errorf("%s %s: %q, to %q", rt[0], rt[1], body, header.Get("Location"))
			}
		}
	}
	// The link that opens the page carries the token once; a cookie that somebody
	// else set opens nothing.
	if status, _, _ := f.ask(t, f.plain("GET", "/api/workers", "Authorization:", "Cookie: token="+token)); status != http.StatusUnauthorized {
		t.Errorf("a cookie: %d", status)
	}
}

// How long a refusal takes says nothing of how much of the token was right.
// What is compared are digests, in constant time; this would see a comparison
// that ends at the first wrong byte of something long.
func TestGuard_L8_refusalsTakeTheSameTime(t *testing.T) {
	t.Parallel()
	right := strings.Repeat("oct_0123456789abcdef", 50)
	held := newToken(secret.Text(right))
	guesses := map[string]secret.Text{
		"nothing right": secret.Text(strings.Repeat("x", len(right))),
		"all but one":   secret.Text(right[:len(right)-1] + "x"),
	}
	const rounds, each = 200, 50
	took := map[string][]time.Duration{}
	for range rounds { // in turns, so that what else the machine does hits all
		for name, guess := range guesses {
			began := time.Now()
			for range each {
				if held.is(guess) {
					t.Fatal("a wrong token is right")
				}
			}
			took[name] = append(took[name], time.Since(began))
		}
	}
	median := func(name string) float64 {
		slices.Sort(took[name])
		return float64(took[name][rounds/2])
	}
	if ratio := median("all but one") / median("nothing right"); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("a token that is nearly right takes %.2f times as long as one that is not", ratio)
	}
}

// The owner works on while somebody guesses as fast as they can, from as many
// connections as they like; opening the page anew, too.
func TestGuard_L21_ownerDuringAFlood(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	done := make(chan struct{})
	var guessing sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range 4 {
		guessing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port)))
				if err != nil {
					continue
				}
				_, _ = io.WriteString(conn, f.plain("GET", "/api/workers", fmt.Sprintf("Authorization: Bearer oct_%d-%d", i, n)))
				if resp, err := http.ReadResponse(newReader(conn), nil); err == nil {
					mu.Lock()
					answers[resp.StatusCode]++
					mu.Unlock()
					_ = resp.Body.Close()
				}
				_ = conn.Close()
			}
		})
	}
	held := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return answers[http.StatusTooManyRequests] > 100
	}
	for n := 0; n < 100 || !held(); n++ {
		if _, err := f.client.Workers(t.Context()); err != nil {
			t.Fatalf("the owner, request %d: %v", n, err)
		}
	}
	if conn, status := f.dial(t, "?token="+testToken.Reveal(), nil); conn == nil {
		t.Errorf("the owner opens the page anew: %d", status)
	}
	close(done)
	guessing.Wait()
	if answers[http.StatusUnauthorized] > 2*guessLimit+4 || len(answers) != 2 {
		t.Errorf("answers to guesses: %v", answers)
	}
	if lines := strings.Count(f.log.String(), "\n"); lines > 10 {
		t.Errorf("%d log lines", lines)
	}
}
