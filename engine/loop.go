package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"pipedai/internal/backoff"
)

// forever is longer than any process lives.
const forever = 365 * 24 * time.Hour

// faults spaces out the tries of a loop whose step keeps failing.
var faults = backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second}

// loop takes a step at the start, whenever wake is signalled, and when the
// pause the last step asked for is over, until ctx ends. A step that fails is
// logged once per streak and tried again with growing pauses; nothing but ctx
// ends a loop. rest is a pause after every step, during which signals pile up.
func (e *Engine) loop(ctx context.Context, name string, wake <-chan struct{}, once func(context.Context) (time.Duration, error), rest time.Duration) error {
	failed := 0
	for {
		pause, err := once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			pause = faults.Delay(failed)
			if failed == 1 {
				e.log.Error("a loop's step failed", "loop", name, "error", err)
			}
		case failed > 0:
			e.log.Info("a loop works again", "loop", name, "failures", failed)
			failed = 0
		}
		if rest > 0 && !backoff.Sleep(ctx, rest) {
			return nil
		}
		if !waitFor(ctx, wake, pause, failed > 0) {
			return nil
		}
	}
}

// waitFor returns after the pause, or sooner when woken, and reports whether
// ctx is still alive. A step that failed is not woken early: the signals that
// come meanwhile would turn the pause into a storm.
func waitFor(ctx context.Context, wake <-chan struct{}, pause time.Duration, failed bool) bool {
	if failed {
		wake = nil
	}
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
		return true
	case <-timer.C:
		return true
	}
}

// jittered spreads a pause, so that replicas do not all look at once.
func jittered(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d*2/5+1)
}
