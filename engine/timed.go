package engine

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pipedai/store"
)

// timedStore measures the steps that an engine takes most.
type timedStore struct {
	store.Store
	steps *prometheus.HistogramVec
}

// took observes a step that began at begun.
func (s timedStore) took(step string, begun time.Time) {
	s.steps.WithLabelValues(step).Observe(time.Since(begun).Seconds())
}

// StartRuns implements store.Queue.
func (s timedStore) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	defer s.took("start", time.Now())
	return s.Store.StartRuns(ctx, runs)
}

// EnqueueTasks implements store.Queue.
func (s timedStore) EnqueueTasks(ctx context.Context, tasks []store.EnqueueTask) ([]store.EnqueuedTask, error) {
	defer s.took("enqueue", time.Now())
	return s.Store.EnqueueTasks(ctx, tasks)
}

// ClaimTasks implements store.Queue.
func (s timedStore) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	defer s.took("claim", time.Now())
	return s.Store.ClaimTasks(ctx, p)
}

// AcceptAttempts implements store.Queue.
func (s timedStore) AcceptAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	defer s.took("accept", time.Now())
	return s.Store.AcceptAttempts(ctx, attempts)
}

// ReleaseAttempts implements store.Queue.
func (s timedStore) ReleaseAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	defer s.took("release", time.Now())
	return s.Store.ReleaseAttempts(ctx, attempts)
}

// ExtendLeases implements store.Queue.
func (s timedStore) ExtendLeases(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	defer s.took("heartbeat", time.Now())
	return s.Store.ExtendLeases(ctx, beats)
}

// EndAttempts implements store.Queue.
func (s timedStore) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	defer s.took("end", time.Now())
	return s.Store.EndAttempts(ctx, ends)
}

// StartAndClaim implements store.Queue.
func (s timedStore) StartAndClaim(ctx context.Context, runs []store.StartRun, p store.ClaimTasks) ([]store.StartedRun, []store.Claimed, error) {
	defer s.took("start", time.Now())
	return s.Store.StartAndClaim(ctx, runs, p)
}

// EndAndClaim implements store.Queue.
func (s timedStore) EndAndClaim(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	defer s.took("end", time.Now())
	return s.Store.EndAndClaim(ctx, ends, p)
}

// Rescue implements store.Queue.
func (s timedStore) Rescue(ctx context.Context, p store.Rescue) (store.Rescued, error) {
	defer s.took("rescue", time.Now())
	return s.Store.Rescue(ctx, p)
}

// PromoteDue implements store.Queue.
func (s timedStore) PromoteDue(ctx context.Context, limit int) (promoted int, next time.Time, err error) {
	defer s.took("promote", time.Now())
	return s.Store.PromoteDue(ctx, limit)
}
