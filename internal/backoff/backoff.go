// Package backoff spaces out repeated attempts.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Policy grows a delay from Base by Factor up to Max, with full jitter: the
// wait is drawn evenly from half the grown delay to all of it, so that many
// clients that failed together do not come back together.
type Policy struct {
	Base   time.Duration
	Max    time.Duration
	Factor float64 // 0 means 2
}

// Delay returns how long to wait before try n+1 when n tries in a row failed.
// It is zero for n < 1.
func (p Policy) Delay(n int) time.Duration {
	if n < 1 {
		return 0
	}
	factor := p.Factor
	if factor == 0 {
		factor = 2
	}
	grown := float64(p.Base)
	for range n - 1 {
		grown *= factor
		if grown >= float64(p.Max) {
			break
		}
	}
	whole := min(time.Duration(grown), p.Max)
	return whole/2 + rand.N(whole/2+1)
}

// Wait sleeps for Delay(n) or until ctx ends, and reports whether ctx is still
// alive.
func (p Policy) Wait(ctx context.Context, n int) bool {
	return Sleep(ctx, p.Delay(n))
}

// Sleep waits for d or until ctx ends, and reports whether ctx is still alive.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
