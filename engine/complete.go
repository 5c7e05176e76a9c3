package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/pipeline"
	"pipedai/store"
)

// reportTries is how often a batch of reports is offered to a store that does
// not answer. Workers in the field report once and never again, so a passing
// fault here would cost a whole attempt.
const reportTries = 3

var reportPause = backoff.Policy{Base: 100 * time.Millisecond, Max: time.Second}

// Report ends an attempt and returns after the commit. The error is
// store.ErrLeaseLost when the attempt is not the one under lease (any more) and
// store.ErrNotFound when there is no such task run; both changed nothing.
func (e *Engine) Report(ctx context.Context, end store.EndAttempt) (store.EndedAttempt, error) {
	ended, err := e.ends.do(ctx, settled(end))
	if err != nil {
		return store.EndedAttempt{}, fmt.Errorf("end attempt: %w", err)
	}
	if ended.Err != nil {
		return ended, fmt.Errorf("end attempt: %w", ended.Err)
	}
	return ended, nil
}

// ReportAll ends several attempts and returns after their commits, with one
// answer for each in order. Each counts on its own: its Err is what Report would
// have returned.
func (e *Engine) ReportAll(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	all := make([]store.EndAttempt, len(ends))
	for i, end := range ends {
		all[i] = settled(end)
	}
	ended, err := e.ends.doAll(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("end attempts: %w", err)
	}
	return ended, nil
}

// settled is a report as it is stored.
func settled(end store.EndAttempt) store.EndAttempt {
	if f := end.Failure; f != nil {
		failure := *f
		failure.Error = truncated(cmp.Or(failure.Error, "Unknown error"), 64<<10)
		// The one failure of existing workers that no retry can help.
		failure.Final = failure.Final || failure.Code == api.CodeInvalidNextTasks
		end.Failure = &failure
	}
	return end
}

// endAttempts commits a batch of reports and acts on what followed.
func (e *Engine) endAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	var (
		ended   []store.EndedAttempt
		claimed []store.Claimed
		err     error
		likely  []store.EndedAttempt // what an earlier try led to, if it was kept
		along   = e.claimer.ride(len(ends))
	)
	if along == nil {
		along = e.claimer.succession(len(ends))
	}
	for try := 1; ; try++ {
		if along == nil {
			ended, err = e.store.EndAttempts(ctx, ends)
		} else {
			ended, claimed, err = e.store.EndAndClaim(ctx, ends, along.claim())
		}
		if err == nil {
			break
		}
		if errors.Is(err, store.ErrUnsure) && likely == nil {
			likely = ended
		}
		if try == reportTries || !reportPause.Wait(ctx, try) {
			along.arrive(nil)
			return nil, err
		}
		e.log.Warn("end attempts: trying again", "error", err)
	}
	for i := range min(len(ended), len(likely)) {
		if errors.Is(ended[i].Err, store.ErrLeaseLost) && likely[i].Err == nil {
			ended[i] = likely[i] // it was kept: nobody else had the lease
		}
	}
	enough := along.arrive(claimed)
	for i, end := range ended {
		if i >= len(ends) {
			break // the gather notices
		}
		e.acceptances.over(ends[i].ID, ends[i].Attempt)
		if end.Err == nil {
			e.live.reported(ends[i].Failure, end.Task)
			e.logEnd(ends[i].Failure, end)
		}
	}
	tookOver := 0
	if along.slotsOnly() {
		tookOver = len(claimed)
	}
	if e.afterEnds(ended, tookOver) && !enough {
		e.wakes.claimer.set()
	}
	return ended, nil
}

// afterEnds tells of ends and wakes whom they concern, but not the claimer: a slot
// is free, successors may be queued, a retry may be due soon. Of the slots some
// were taken over already; when all were, and nothing follows, there is nothing
// new that anybody could claim, and no claim is called for.
func (e *Engine) afterEnds(ended []store.EndedAttempt, tookOver int) (claimable bool) {
	var (
		queued []pipeline.TaskID
		freed  int
		timed  bool
	)
	e.metrics.ended(ended)
	for _, end := range ended {
		if end.Err != nil {
			continue
		}
		e.feed.Publish(taskChanged(end.Run, end.ID, end.Status))
		freed++
		claimable = claimable || len(end.Queued) > 0 || freed > tookOver
		queued = append(queued, end.Queued...)
		// The task itself may have been at its own limit.
		queued = append(queued, end.Task)
		timed = timed || !end.RetryAt.IsZero()
		if end.RunEnded != "" {
			e.feed.Publish(runChanged(store.PipelineRun{ID: end.Run, Status: end.RunEnded}))
		}
	}
	if claimable {
		e.wakes.others(e.catalog.servicesOf(queued)...)
		e.wakes.slot(time.Now())
	}
	if timed {
		e.wakes.due.set()
	}
	if freed > 0 {
		e.mode.ended()
	}
	return claimable
}
