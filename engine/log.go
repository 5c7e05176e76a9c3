package engine

import (
	"context"
	"log/slog"
	"time"

	"pipedai/store"
)

// Every event of a task run is a line of a detailed log, and of no other: with
// thousands of them a second nobody could read the rest.

// detailed reports whether anybody reads them, so that what would be said need
// not be gathered.
func (e *Engine) detailed() bool { return e.log.Enabled(context.Background(), slog.LevelDebug) }

// of is a logger for one attempt.
func (e *Engine) of(t store.TaskRun) *slog.Logger {
	return e.log.With("run", t.Run, "task", t.Task, "task_run", t.ID, "attempt", t.Attempt)
}

func (e *Engine) logEach(event string, runs ...store.TaskRun) {
	if !e.detailed() {
		return
	}
	for _, t := range runs {
		e.of(t).Debug("task run", "event", event)
	}
}

func (e *Engine) logEnd(failure *store.Failure, ended store.EndedAttempt) {
	detailed := e.detailed()
	if failure == nil && len(ended.Unknown) == 0 && !detailed {
		return // most ends
	}
	log := e.log.With("run", ended.Run, "task", ended.Task, "task_run", ended.ID, "attempt", ended.Attempt)
	if len(ended.Unknown) > 0 {
		log.Warn("selected tasks that are not successors were dropped", "selected", ended.Unknown)
	}
	switch {
	case failure == nil:
		log.Debug("task run completed", "queued", ended.Queued)
	case ended.RetryAt.IsZero():
		log.Warn("task run failed", "status", ended.Status, "error", failure.Error, "code", failure.Code, "dead_letter", ended.DeadLetter)
	default:
		log.Debug("attempt failed, trying again", "error", failure.Error, "code", failure.Code, "at", ended.RetryAt)
	}
	if ended.RunEnded != "" {
		log.Debug("pipeline run ended", "status", ended.RunEnded)
	}
}

// logTick says what a tick did, if it did something.
func (e *Engine) logTick(processed int, took time.Duration) {
	if processed == 0 {
		e.log.Debug("Tick found nothing to do")
		return
	}
	e.log.Info("Tick completed", "processed", processed, "ms", took.Milliseconds())
}
