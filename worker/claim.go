package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// Pauses of the claim loop.
const (
	disabledPause = 5 * time.Second // between claims while an operator switched the worker off
	emptyPause    = time.Second     // after an empty answer that did not wait
)

// claimLoop asks for the work of one service.
type claimLoop struct {
	*puller
	set        *Set
	executor   *executor
	slots      slots
	registered bool
	disabled   bool
}

// run asks until ctx ends.
func (l *claimLoop) run(ctx context.Context) {
	failed := 0
	for ctx.Err() == nil {
		err := l.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failed > 0 {
				l.log.Info("the control plane answers again")
				l.event(api.EventPollRecovered, map[string]any{"failures": failed})
			}
			failed = 0
			continue
		}
		if fatal := refusedWorker(err); fatal != nil {
			l.fatal(fatal)
			return
		}
		failed++
		pause := max(l.options.retry.Delay(failed), retryAfter(err))
		if failed == 1 {
			l.log.Warn("the control plane cannot be used, trying again", "error", err)
			l.event(api.EventPollError, map[string]any{"error": err.Error()})
		}
		backoff.Sleep(ctx, pause)
	}
}

// once registers if that is due, claims, and starts what it got.
func (l *claimLoop) once(ctx context.Context) error {
	if !l.registered {
		if err := l.register(ctx); err != nil {
			return err
		}
	}
	free := l.slots.take(ctx)
	if free == 0 {
		return nil // ctx ended
	}
	asked := time.Now()
	answer, err := l.client.Claim(ctx, api.ClaimRequest{
		ServiceID: l.set.service, Max: free, WaitMs: l.options.ClaimWait.Milliseconds(),
	})
	if err != nil {
		l.slots.give(free)
		var remote *api.Error
		if errors.As(err, &remote) && (remote.Status == http.StatusNotFound || remote.Status == http.StatusConflict) {
			l.registered = false // it forgot us: say the tasks again
		}
		return fmt.Errorf("claim: %w", err)
	}
	for _, d := range answer.Runs {
		if free > 0 {
			free--
		} else {
			l.slots.owe()
		}
		l.start(d)
	}
	l.slots.give(free)
	l.pause(ctx, answer, time.Since(asked))
	return nil
}

func (l *claimLoop) register(ctx context.Context) error {
	answer, err := l.client.RegisterSelf(ctx, l.set.Registration(""))
	if err != nil {
		return fmt.Errorf("register %s: %w", l.set.service, err)
	}
	l.registered = true
	l.log.Info("connected", "to", l.client.BaseURL(), "service", l.set.service, "tasks", strings.Join(l.set.order, ","))
	for _, change := range answer.CodeChanges {
		l.log.Info("task has new code", "task", change.TaskID, "version", change.NewVersion)
	}
	return nil
}

// pause keeps an answer that came at once from becoming a busy loop.
func (l *claimLoop) pause(ctx context.Context, answer api.ClaimResponse, took time.Duration) {
	if answer.Disabled != l.disabled {
		l.disabled = answer.Disabled
		if l.disabled {
			l.log.Warn("an operator disabled this worker: it gets no work until it is enabled")
		} else {
			l.log.Info("this worker is enabled again")
		}
	}
	switch {
	case answer.Disabled:
		backoff.Sleep(ctx, disabledPause)
	case len(answer.Runs) == 0 && took < min(emptyPause, l.options.ClaimWait):
		backoff.Sleep(ctx, emptyPause)
	}
}

// start does one run and gives its slot back after the report is delivered.
func (l *claimLoop) start(d api.Dispatch) {
	run, err := l.hand.take(l.live, d)
	if err != nil {
		l.slots.give(1)
		l.log.Warn("run not taken", "run", d.RunID, "error", err)
		return
	}
	go func() {
		defer l.slots.give(1)
		defer l.hand.drop(run)
		req := l.attempt(run, d)
		ctx, settled := settling(l.live, l.taking, l.options.settle)
		defer settled()
		if err := deliver(ctx, l.reports, d.RunID, req, l.options.retry, l.log); err != nil {
			l.log.Error("report not delivered", "run", d.RunID, "error", err)
			if fatal := refusedWorker(err); fatal != nil {
				l.fatal(fatal)
			}
		}
	}()
}

func (l *claimLoop) attempt(run *held, d api.Dispatch) api.CallbackRequest {
	e, ok := l.set.tasks[d.TaskID]
	if !ok {
		return failure(run.ctx, d.Attempt, "", Retryable(api.CodeNotFound, "Task '%s' not found", d.TaskID))
	}
	return l.executor.execute(run.ctx, e, d, func(percent float64, message string) {
		l.hand.update(run, percent, message)
	})
}

// slots counts what a loop may still take.
type slots chan struct{}

func newSlots(n int) slots {
	s := make(slots, n)
	s.give(n)
	return s
}

// take waits for one slot and takes all that are free; 0 when ctx ended.
func (s slots) take(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case <-s:
	}
	for n := 1; ; n++ {
		select {
		case <-s:
		default:
			return n
		}
	}
}

// give returns n slots; what is too much pays back owe.
func (s slots) give(n int) {
	for range n {
		select {
		case s <- struct{}{}:
		default:
		}
	}
}

// owe takes a slot for a run that came unasked, if there is one.
func (s slots) owe() {
	select {
	case <-s:
	default:
	}
}
