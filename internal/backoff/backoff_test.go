package backoff

import (
	"testing"
	"time"
)

func TestPolicy_Delay(t *testing.T) {
	t.Parallel()
	p := Policy{Base: time.Second, Max: 10 * time.Second}
	if got := p.Delay(0); got != 0 {
		t.Errorf("before any failure: got %v, want 0", got)
	}
	for n, whole := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 10000: 10 * time.Second} {
		for range 100 {
			if got := p.Delay(n); got < whole/2 || got > whole {
				t.Fatalf("after %d failures: got %v, want %v to %v", n, got, whole/2, whole)
			}
		}
	}
}
