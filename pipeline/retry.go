package pipeline

import "time"

// Backoff names how the delay between attempts grows.
type Backoff string

const (
	// BackoffFixed waits the same time before each attempt.
	BackoffFixed Backoff = "fixed"
	// BackoffExponential doubles the wait after each attempt. The default.
	BackoffExponential Backoff = "exponential"
)

// RetryPolicy says whether and when a failed attempt is followed by another.
type RetryPolicy struct {
	Retries  int // attempts after the first
	Backoff  Backoff
	Delay    time.Duration // before the second attempt
	MaxDelay time.Duration // no wait is longer; zero means no limit
}

// After returns how long to wait after the given attempt (1 is the first)
// failed, and false when there is no attempt left.
func (p RetryPolicy) After(attempt int) (time.Duration, bool) {
	if attempt > p.Retries {
		return 0, false
	}
	delay := p.Delay
	if p.Backoff != BackoffFixed {
		for range attempt - 1 {
			if delay > time.Duration(1)<<61 || (p.MaxDelay > 0 && delay >= p.MaxDelay) {
				break // doubling further would overflow or be cut anyway
			}
			delay *= 2
		}
	}
	if p.MaxDelay > 0 {
		delay = min(delay, p.MaxDelay)
	}
	return delay, true
}
