package pipeline_test

import (
	"math"
	"testing"
	"time"

	"pipedai/pipeline"
)

// The delay table of the contract, by the attempt that just failed.
func TestRetryPolicy_After(t *testing.T) {
	t.Parallel()
	policy := pipeline.RetryPolicy{Retries: 1000, Delay: time.Second, MaxDelay: 24 * time.Hour}
	tests := map[int]int64{ // ms
		1: 1_000, 2: 2_000, 3: 4_000, 4: 8_000, 5: 16_000, 6: 32_000,
		10: 512_000, 14: 8_192_000, 15: 16_384_000, 16: 32_768_000, 17: 65_536_000,
		18: 86_400_000, 19: 86_400_000, 64: 86_400_000, 1000: 86_400_000,
	}
	for failed, want := range tests {
		for _, backoff := range []pipeline.Backoff{pipeline.BackoffExponential, ""} {
			policy.Backoff = backoff
			got, again := policy.After(failed)
			if !again || got.Milliseconds() != want {
				t.Errorf("backoff %q after attempt %d: got %s, %v, want %d ms", backoff, failed, got, again, want)
			}
		}
	}
}

func TestRetryPolicy_After_fixed(t *testing.T) {
	t.Parallel()
	policy := pipeline.RetryPolicy{Retries: 50, Backoff: pipeline.BackoffFixed, Delay: 3 * time.Second}
	for _, failed := range []int{1, 2, 50} {
		if got, again := policy.After(failed); !again || got != 3*time.Second {
			t.Errorf("after attempt %d: got %s, %v", failed, got, again)
		}
	}
	policy.MaxDelay = time.Second
	if got, _ := policy.After(1); got != time.Second {
		t.Errorf("fixed delays are capped too: got %s", got)
	}
}

// Retries are the attempts after the first.
func TestRetryPolicy_After_attemptsLeft(t *testing.T) {
	t.Parallel()
	tests := []struct {
		retries, failed int
		want            bool
	}{
		{0, 1, false}, {1, 1, true}, {1, 2, false}, {3, 3, true}, {3, 4, false}, {-1, 1, false},
	}
	for _, tt := range tests {
		if _, got := (pipeline.RetryPolicy{Retries: tt.retries, Delay: time.Second}).After(tt.failed); got != tt.want {
			t.Errorf("%d retries, attempt %d failed: got %v, want %v", tt.retries, tt.failed, got, tt.want)
		}
	}
}

func TestRetryPolicy_After_neverOverflows(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 1, time.Second, 1 << 61, math.MaxInt64} {
		for _, failed := range []int{1, 2, 40, 63, 64, 200, 100_000} {
			policy := pipeline.RetryPolicy{Retries: math.MaxInt, Delay: delay}
			got, again := policy.After(failed)
			if !again || got < delay {
				t.Errorf("delay %d, attempt %d: got %d, %v", delay, failed, got, again)
			}
		}
	}
}
