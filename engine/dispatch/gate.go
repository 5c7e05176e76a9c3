package dispatch

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// retryAfterMost is the longest a worker can keep requests away with one answer.
	retryAfterMost = 30 * time.Second
	// gateOpen is the limit at which a worker that once asked for less has taken so
	// much that it needs none.
	gateOpen = 256
)

// gate is how many requests a worker gets at a time. There is no limit until
// the worker asks for fewer, with 429 or 503: then half of what was under way,
// and with each answer that takes a run a little more (additive increase,
// multiplicative decrease). A Retry-After closes it for that long.
type gate struct {
	mu     sync.Mutex
	flying int
	limit  float64   // 0: none
	until  time.Time // closed before
	halved time.Time // requests that left before count as one reason to halve
	freed  chan struct{}
}

// enter waits until a request may be sent, and reports whether it may. leave
// must be called after it was.
func (g *gate) enter(ctx context.Context, wait time.Duration) bool {
	g.mu.Lock()
	if g.limit == 0 {
		g.flying++
		g.mu.Unlock()
		return true
	}
	g.mu.Unlock()
	expired := time.NewTimer(wait)
	defer expired.Stop()
	for {
		g.mu.Lock()
		closed := time.Until(g.until)
		if closed <= 0 && (g.limit == 0 || g.flying < max(1, int(g.limit))) {
			g.flying++
			g.mu.Unlock()
			return true
		}
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		freed := g.freed
		g.mu.Unlock()
		var opens <-chan time.Time
		if closed > 0 {
			timer := time.NewTimer(closed)
			defer timer.Stop()
			opens = timer.C
		}
		select {
		case <-freed:
		case <-opens:
		case <-expired.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// leave notes how a request that was sent at began was answered; status 0 means
// not at all.
func (g *gate) leave(began time.Time, status int, retryAfter string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	busy := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	switch {
	case busy:
		if began.After(g.halved) {
			now := time.Now()
			g.halved = now
			g.limit = max(1, float64(g.flying)/2)
			if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds > 0 {
				g.until = now.Add(min(time.Duration(min(seconds, 3600))*time.Second, retryAfterMost))
			}
		}
	case g.limit > 0 && status/100 == 2:
		if g.limit += 1 / g.limit; g.limit >= gateOpen {
			g.limit = 0
		}
	}
	g.flying--
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}
