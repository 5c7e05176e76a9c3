package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// Link names one workspace of a control plane: what a host checks in with.
type Link struct{ APIURL, WorkspaceID string }

// Orders is who carries out what control planes tell this host to do. Its
// methods are called by one goroutine a link, and must not block for long.
type Orders interface {
	// Capabilities are what the host can be told to do.
	Capabilities() []string
	// Take hears all orders that are open at a link, those it heard of before
	// included. One that it does not hear of any more is over there.
	Take(ctx context.Context, link Link, orders []api.HostOrder)
	// Reports are how far it is with the orders of a link: those that changed
	// since they were asked for last, and those whose end was not acknowledged.
	Reports(ctx context.Context, link Link) []api.OrderReport
	// Sent says that the control plane has the reports, and of which orders it
	// keeps the end: those may be forgotten.
	Sent(ctx context.Context, link Link, reports []api.OrderReport, acknowledged []string)
}

// noOrders is what a host without Orders does: it says so.
type noOrders struct{}

func (noOrders) Capabilities() []string                                  { return nil }
func (noOrders) Take(context.Context, Link, []api.HostOrder)             {}
func (noOrders) Reports(context.Context, Link) []api.OrderReport         { return nil }
func (noOrders) Sent(context.Context, Link, []api.OrderReport, []string) {}

const (
	checkInWait = 30 * time.Second // how long an answer may wait
	checkInPace = 2 * time.Second  // least time between two check-ins that brought nothing
	// absentPause is how long a control plane is left alone that has no such
	// thing as a check-in: another server that keeps the contract.
	absentPause = time.Hour
)

// checkIn is the loop of one link. Fields below stop are guarded by Watcher.mu.
type checkIn struct {
	link Link
	stop context.CancelFunc
	wake chan struct{} // capacity 1: there is something to tell, or another credential

	okAt      time.Time // of the last answer
	skew      time.Duration
	interrupt context.CancelCauseFunc // of the call that waits; nil: none does
}

// errNudged interrupts a check-in that waits.
var errNudged = errors.New("there is something to tell")

// Nudge has a link check in now: there is something to report.
func (w *Watcher) Nudge(link Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.checkIns[link]; c != nil {
		c.nudge()
	}
}

// nudge is called with Watcher.mu held.
func (c *checkIn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if c.interrupt != nil {
		c.interrupt(errNudged)
	}
}

// CheckedIn is when a link checked in last, and how far this host's clock was
// ahead of the server's then; zero when it did not.
func (w *Watcher) CheckedIn(link Link) (at time.Time, skew time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.checkIns[link]; c != nil {
		return c.okAt, c.skew
	}
	return time.Time{}, 0
}

// keepCheckingIn says how this host is and hears what it is to do, until ctx
// ends. It costs a control plane one request in half a minute.
func (w *Watcher) keepCheckingIn(ctx context.Context, c *checkIn) {
	var known []string
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		answer, reports, err := w.checkInOnce(ctx, c, known)
		var wait time.Duration
		var refused *api.Error
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNudged):
			continue
		case err == nil:
			failures = 0
			w.o.Orders.Sent(ctx, c.link, reports, answer.Acknowledged)
			w.o.Orders.Take(ctx, c.link, answer.Orders)
			news := len(reports) > 0
			before := known
			known = nil
			for _, o := range answer.Orders {
				known = append(known, o.Key())
				news = news || !slices.Contains(before, o.Key())
			}
			if !news { // a server that does not wait must not be asked all the time
				wait = max(0, checkInPace-time.Since(began))
			}
		case errors.Is(err, errCredential):
			wait = absentPause // a new one wakes it
		case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
			failures++
			wait = jitter(refusedPause)
		case errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusMethodNotAllowed):
			failures = 0
			wait = jitter(absentPause)
		default:
			failures++
			wait = max(w.o.Retry.Delay(failures), retryAfter(err))
			w.o.Log.Debug("check-in failed", "url", c.link.APIURL, "error", err)
		}
		if wait == 0 {
			continue
		}
		quiet := min(wait, retryAfter(err)) // it asked to be left alone for so long
		if !backoff.Sleep(ctx, quiet) {
			return
		}
		timer := time.NewTimer(wait - quiet)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-c.wake:
			failures = max(failures-1, 0) // a try out of turn makes no later pause longer
		}
		timer.Stop()
	}
}

// checkInOnce makes the call, and remembers what the answer says about the link.
func (w *Watcher) checkInOnce(ctx context.Context, c *checkIn, known []string) (api.CheckInResponse, []api.OrderReport, error) {
	token, err := w.o.HostCredential(c.link.APIURL, c.link.WorkspaceID)
	switch {
	case err != nil: // it cannot be read just now, which says nothing of whether there is one
		return api.CheckInResponse{}, nil, fmt.Errorf("read the credential of this host: %w", err)
	case token.Empty():
		return api.CheckInResponse{}, nil, errCredential
	}
	select {
	case <-c.wake: // whatever it was, this call tells it
	default:
	}
	reports := w.o.Orders.Reports(ctx, c.link)
	facts := w.o.Facts()
	facts.Capabilities, facts.Time = w.o.Orders.Capabilities(), api.At(time.Now())

	call, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	w.mu.Lock()
	c.interrupt = interrupt
	w.mu.Unlock()
	select {
	case <-c.wake: // nudged between the reports and here
		interrupt(errNudged)
	default:
	}
	answer, err := w.o.Dial(c.link.APIURL, token).CheckIn(call, api.CheckInRequest{
		Facts: facts, Reports: reports, Known: known, WaitMs: checkInWait.Milliseconds(),
	})
	w.mu.Lock()
	c.interrupt = nil
	if err == nil {
		c.okAt = time.Now()
		if at := answer.ServerTime.Time; !at.IsZero() {
			c.skew = time.Since(at)
		}
	}
	w.mu.Unlock()
	if err != nil && errors.Is(context.Cause(call), errNudged) && ctx.Err() == nil {
		return api.CheckInResponse{}, nil, errNudged
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && refused.Code == api.CodeRevoked {
		w.o.OnRevoked(ctx, c.link, token)
	}
	return answer, reports, err
}
