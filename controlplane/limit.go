package controlplane

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limiter counts failures by address in fixed windows, so that guessing is
// slow. It forgets everything when it holds too many addresses: an attacker
// with that many gains nothing that the length of the codes does not already
// deny.
type limiter struct {
	now    func() time.Time
	most   int
	window time.Duration

	mu    sync.Mutex
	since time.Time
	count map[string]int
}

const maxAddresses = 10_000

func newLimiter(now func() time.Time, most int, window time.Duration) *limiter {
	return &limiter{now: now, most: most, window: window, count: map[string]int{}}
}

// over reports whether the address used up its failures.
func (l *limiter) over(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roll()
	return l.count[address] >= l.most
}

// failed notes one more.
func (l *limiter) failed(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roll()
	l.count[address]++
}

func (l *limiter) roll() {
	if now := l.now(); now.Sub(l.since) >= l.window || len(l.count) > maxAddresses {
		l.since = now
		clear(l.count)
	}
}

// addressOf is the peer's address. Forwarding headers are not believed: any
// client can write them.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
