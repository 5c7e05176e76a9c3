package engine

import (
	"context"
	"fmt"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// Register stores what a worker announces. Tasks without a cap on their retry
// delay or a life of their idempotency keys get the engine's. It fails with
// *InvalidError for ids that cannot be used and for an address that the
// dispatcher refuses.
func (e *Engine) Register(ctx context.Context, r store.Register) (store.Registered, error) {
	if r.Service.ID == "" {
		return store.Registered{}, &InvalidError{Message: "Service id is empty"}
	}
	if checker, can := e.dispatcher.(AddressChecker); can && r.Service.BaseURL != "" {
		if err := checker.CheckAddress(r.Service.BaseURL); err != nil {
			return store.Registered{}, &InvalidError{Message: err.Error()}
		}
	}
	tasks := make([]store.Task, len(r.Tasks))
	seen := map[pipeline.TaskID]bool{}
	for i, task := range r.Tasks {
		if !pipeline.ValidID(string(task.ID)) {
			return store.Registered{}, &InvalidError{Message: fmt.Sprintf("Task id %.300q cannot be used: %s", task.ID, pipeline.IDRule)}
		}
		if seen[task.ID] {
			return store.Registered{}, &InvalidError{Message: fmt.Sprintf("Task '%s' is listed twice", task.ID)}
		}
		seen[task.ID] = true
		if task.Retry.MaxDelay <= 0 {
			task.Retry.MaxDelay = e.o.MaxRetryDelay
		}
		if task.IdempotencyTTL <= 0 {
			task.IdempotencyTTL = e.o.IdempotencyTTL
		}
		tasks[i] = task
	}
	r.Tasks = tasks
	registered, err := e.store.Register(ctx, r)
	if err != nil {
		return store.Registered{}, fmt.Errorf("register service %q: %w", r.Service.ID, err)
	}

	e.catalog.forget()
	for _, change := range registered.CodeChanges {
		e.log.Info("task code changed", "task", change.Task, "from", change.OldVersion, "to", change.NewVersion)
	}
	for _, taken := range registered.TakenOver {
		e.log.Warn("task was another service's, and is this one's now", "task", taken.Task, "service", r.Service.ID, "from", taken.From)
	}
	if len(registered.Orphaned) > 0 {
		e.log.Warn("tasks are gone with the new service version", "service", r.Service.ID, "version", r.Service.Version, "tasks", registered.Orphaned)
	}
	e.feed.Publish(api.StreamEvent{Type: "service", ID: string(r.Service.ID), Status: "active"})
	for _, run := range registered.Runs {
		e.feed.Publish(api.StreamEvent{Type: "run", RunID: string(run)})
	}
	// Runs may have waited for these tasks to be registered, or for an address.
	e.wakes.work()
	return registered, nil
}
