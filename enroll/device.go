package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/secret"
)

// Remote is what enrolment needs of a control plane; client.Client is one.
type Remote interface {
	DeviceStart(ctx context.Context, req api.DeviceStartRequest) (api.DeviceStart, error)
	Redeem(ctx context.Context, req api.RedeemRequest) (api.RedeemResult, error)
}

// How a pairing can end without credentials.
var (
	ErrDenied      = errors.New("the request was denied")
	ErrExpired     = errors.New("the code expired before anybody approved it")
	ErrCodeUsed    = errors.New("the code was used already")
	ErrCodeUnknown = errors.New("the control plane does not know this code")
)

// Pairing is what a person needs to approve a host. It holds no secret: the
// device code never leaves the package.
type Pairing struct {
	UserCode    string
	URL         string // where the person types the code
	CompleteURL string // the same page with the code filled in
	ExpiresAt   time.Time
	Interval    time.Duration
	// ClockOff is how far this host's clock is ahead of the control plane's,
	// negative when it is behind; 0 when that is less than a minute or not known.
	ClockOff time.Duration
}

// Wait tells why polling goes on; for a line to the person.
type Wait struct {
	Interval time.Duration // until the next try
	SlowDown bool          // the control plane asked for fewer tries
	Problem  string        // what went wrong in the last try, if anything did
}

const (
	defaultInterval = 5 * time.Second
	maxInterval     = time.Minute
	slowDownStep    = 5 * time.Second
	defaultLife     = 10 * time.Minute
	maxLife         = 24 * time.Hour
	leastLife       = 5 * time.Minute // of what was told by another clock
	maxClockOff     = time.Minute
)

// pollTimes derives the pace and the end of a pairing. The relative life
// counts; the absolute instant is only used when it makes sense by this host's
// clock, which may be wrong. Neither can turn polling into a tight loop.
func pollTimes(start api.DeviceStart, now time.Time) (interval time.Duration, deadline time.Time) {
	interval = seconds(start.Interval)
	if interval <= 0 {
		interval = defaultInterval
	}
	interval = min(max(interval, time.Second), maxInterval)

	life := seconds(start.ExpiresIn)
	if life <= 0 && !start.ExpiresAt.IsZero() {
		// A clock that is a few minutes ahead must not end it early: the control
		// plane says so itself when the code has expired.
		if life = start.ExpiresAt.Sub(now); life > 0 {
			life = max(life, leastLife)
		}
	}
	if life <= 0 || life > maxLife {
		life = defaultLife
	}
	return interval, now.Add(life)
}

// clockOff compares the two ways in which the end of a code is told.
func clockOff(start api.DeviceStart, now time.Time) time.Duration {
	life := seconds(start.ExpiresIn)
	if life <= 0 || start.ExpiresAt.IsZero() {
		return 0
	}
	off := now.Sub(start.ExpiresAt.Add(-life))
	if off.Abs() < maxClockOff {
		return 0
	}
	return off
}

// seconds converts a number from the wire; absurd ones read as zero.
func seconds(n float64) time.Duration {
	if !(n > 0 && n < 1e6) { // NaN fails every comparison
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

// poll waits for the decision on a device code: it waits an interval before
// every try, the first included, and never goes past the deadline.
func poll(ctx context.Context, remote Remote, req api.RedeemRequest, p Pairing, onWait func(Wait)) (api.RedeemResult, error) {
	interval, failures := p.Interval, 0
	for {
		wait := interval
		if failures > 0 {
			wait = min(interval<<min(failures, 6), maxInterval)
		}
		left := time.Until(p.ExpiresAt)
		if left <= 0 {
			return api.RedeemResult{}, ErrExpired
		}
		if !backoff.Sleep(ctx, min(wait, left)) {
			return api.RedeemResult{}, context.Cause(ctx)
		}
		if time.Until(p.ExpiresAt) <= 0 {
			return api.RedeemResult{}, ErrExpired
		}
		// A stalled answer must not hold the pairing past its end.
		tryCtx, cancel := context.WithDeadline(ctx, p.ExpiresAt)
		result, err := remote.Redeem(tryCtx, req)
		cancel()
		if err == nil {
			if err = complete(result); err == nil {
				return result, nil
			}
		}
		if ctx.Err() != nil {
			return api.RedeemResult{}, context.Cause(ctx)
		}
		verdict := classify(err)
		switch verdict.kind {
		case verdictStop:
			return api.RedeemResult{}, verdict.err
		case verdictPending:
			failures = 0
		case verdictSlowDown:
			failures = 0
			interval = min(interval+slowDownStep, maxInterval)
			onWait(Wait{Interval: interval, SlowDown: true})
		case verdictUnreached:
			failures = 0 // the contract's rule: the pace does not change
			onWait(Wait{Interval: interval, Problem: err.Error()})
		case verdictBusy:
			failures++
			onWait(Wait{Interval: min(interval<<min(failures, 6), maxInterval), Problem: err.Error()})
		}
	}
}

type verdictKind int

const (
	verdictStop      verdictKind = iota // the pairing is over
	verdictPending                      // nobody decided yet
	verdictSlowDown                     // we ask too often
	verdictUnreached                    // the network failed
	verdictBusy                         // the server failed, or something between answered for it
)

type verdict struct {
	kind verdictKind
	err  error // for verdictStop
}

// classify is the contract's table of redeem answers, except that overload and
// server faults are passing: they say nothing about the person's decision.
func classify(err error) verdict {
	var answer *api.Error
	if !errors.As(err, &answer) {
		return verdict{kind: verdictBusy}
	}
	word := answer.Code
	if answer.Message == api.CodeAuthPending || answer.Message == api.CodeSlowDown {
		word = answer.Message
	}
	switch status := answer.Status; {
	case status == 0:
		return verdict{kind: verdictUnreached}
	case status == http.StatusBadRequest && word == api.CodeAuthPending:
		return verdict{kind: verdictPending}
	case status == http.StatusBadRequest && word == api.CodeSlowDown:
		return verdict{kind: verdictSlowDown}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500, status < 300:
		return verdict{kind: verdictBusy}
	case status == http.StatusForbidden:
		return verdict{verdictStop, ErrDenied}
	case status == http.StatusNotFound:
		return verdict{verdictStop, ErrCodeUnknown}
	case status == http.StatusConflict:
		return verdict{verdictStop, ErrCodeUsed}
	case status == http.StatusGone:
		return verdict{verdictStop, ErrExpired}
	default:
		return verdict{verdictStop, fmt.Errorf("the control plane refused the pairing: %w", answer)}
	}
}

// errIncomplete says that an answer to redeem was not one, whatever its
// status; a proxy or a captive portal may have sent it.
var errIncomplete = errors.New("the answer is not a redeemed enrolment")

func complete(r api.RedeemResult) error {
	if r.WorkerID == "" || r.WorkerToken == "" || r.OperatorToken == "" || r.APIURL == "" {
		return errIncomplete
	}
	return nil
}

// redeemCode is the code flow: one call, and any error ends it.
func redeemCode(ctx context.Context, remote Remote, req api.RedeemRequest, code secret.Text) (api.RedeemResult, error) {
	req.Code = code.Reveal()
	result, err := remote.Redeem(ctx, req)
	if err == nil {
		err = complete(result)
	}
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		return api.RedeemResult{}, context.Cause(ctx)
	}
	if v := classify(err); v.kind == verdictStop {
		return api.RedeemResult{}, v.err
	}
	return api.RedeemResult{}, fmt.Errorf("redeem the code: %w", err)
}
