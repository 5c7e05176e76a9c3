package dispatch

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: a worker that asks for less gets half of what was under way, once
// for all that were under way, then more with each run it takes.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate
		began := time.Now()
		for range 16 {
			if !g.enter(t.Context(), 0) {
				t.Fatal("a worker that never complained is limited")
			}
		}
		time.Sleep(time.Millisecond)
		for range 16 {
			g.leave(began, 429, "2")
		}
		if int(g.limit) != 8 {
			t.Fatalf("limit %v after 16 of 16 were refused together, want 8", g.limit)
		}

		asked := time.Now()
		if g.enter(t.Context(), time.Second) {
			t.Error("let through before Retry-After was over")
		}
		if !g.enter(t.Context(), time.Minute) || time.Since(asked) != 2*time.Second {
			t.Errorf("waited %s for a Retry-After of 2 s", time.Since(asked))
		}
		for range 7 {
			if !g.enter(t.Context(), 0) {
				t.Fatal("less than the limit was let through")
			}
		}
		if g.enter(t.Context(), time.Second) {
			t.Fatal("more than the limit was let through")
		}
		go g.leave(time.Now(), 202, "")
		if !g.enter(t.Context(), time.Second) {
			t.Error("a request that ended left no room for the next")
		}
		for range 8 {
			g.leave(time.Now(), 202, "")
		}
		if g.limit < 9 || g.flying != 0 {
			t.Errorf("limit %v, %d flying after nine were taken", g.limit, g.flying)
		}
		for range 1 << 20 {
			if g.limit == 0 {
				break
			}
			g.enter(t.Context(), 0)
			g.leave(time.Now(), 202, "")
		}
		if g.limit != 0 {
			t.Errorf("still limited to %v", g.limit)
		}

		g.enter(t.Context(), 0)
		time.Sleep(time.Millisecond)
		g.leave(time.Now(), 503, "1000000")
		if left := time.Until(g.until); left != retryAfterMost {
			t.Errorf("kept away for %s", left)
		}
	})
}
