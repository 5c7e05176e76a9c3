package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// reporter is the part of the client that takes reports.
type reporter interface {
	Callback(ctx context.Context, wireID string, req api.CallbackRequest) (api.CallbackResponse, error)
}

// deliver brings a report to the control plane. It tries until the report is
// acknowledged, or the answer shows that nobody waits for it any more, or ctx
// ends: the work is done and stored, so giving up early would only repeat it.
func deliver(ctx context.Context, to reporter, wire string, req api.CallbackRequest, wait backoff.Policy, log *slog.Logger) error {
	for failed := 0; ; {
		answer, err := to.Callback(ctx, wire, req)
		if err == nil {
			if answer.Ignored {
				log.Warn("the report came too late and was ignored", "run", wire)
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("report run %s: %w", wire, context.Cause(ctx))
		}
		switch verdict(err) {
		case gone:
			log.Warn("the control plane does not wait for the report", "run", wire, "error", err)
			return nil
		case refused:
			return fmt.Errorf("report run %s: %w", wire, err)
		}
		failed++
		pause := max(wait.Delay(failed), retryAfter(err))
		log.Warn("report not delivered, trying again", "run", wire, "in", pause.Round(time.Millisecond), "error", err)
		if !backoff.Sleep(ctx, pause) {
			return fmt.Errorf("report run %s: %w", wire, context.Cause(ctx))
		}
	}
}

type fate int

const (
	again   fate = iota // a passing fault
	gone                // the run is over, or somebody else's
	refused             // saying it again will not help
)

func verdict(err error) fate {
	var remote *api.Error
	if !errors.As(err, &remote) {
		return again
	}
	switch remote.Status {
	case 404, 409, 410:
		return gone
	case 0, 408, 425, 429:
		return again
	}
	if remote.Status >= 400 && remote.Status < 500 {
		return refused
	}
	return again
}

// settling returns a context for a report: that of the worker, until a while
// after the worker was told to stop. Without the limit a control plane that
// never answers would keep a worker from ending.
func settling(live, stopping context.Context, limit time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(live)
	forget := context.AfterFunc(stopping, func() {
		timer := time.AfterFunc(limit, func() { cancel(ErrDrained) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() {
		forget()
		cancel(nil)
	}
}
