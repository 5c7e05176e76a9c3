package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// How silence is read. A service that is reached by push says nothing while it
// has nothing to do, so silence makes it inactive and no more; whether it is
// there, the next dispatch finds out. Workers that pull ask at least once a
// minute.
const (
	pushInactive     = 10 * time.Minute
	pullInactive     = 2 * time.Minute
	pullDisconnected = 10 * time.Minute
)

const (
	// liveEvery is how soon news about a service is stored.
	liveEvery = 5 * time.Second
	// liveFresh is how fresh "last heard of" is kept: within it, what a service
	// says again is no news.
	liveFresh = 15 * time.Second
	// liveSweep is how often silent services are looked for.
	liveSweep = 30 * time.Second
)

// liveness gathers the signs of life of services (claims, heartbeats, reports,
// dispatches) and stores them together, so that none costs a write of its own.
// It is for people to see: nothing is decided by it.
type liveness struct {
	e *Engine

	mu       sync.Mutex
	services map[pipeline.ServiceID]time.Time // when last heard of, as told to the store
	tasks    map[pipeline.TaskID]time.Time    // likewise, of services known by a task
	fresh    store.NoteServices               // since the last time
	swept    time.Time
}

// liveMost bounds what is remembered; beyond it, everything is told again.
const liveMost = 10_000

func newLiveness(e *Engine) *liveness {
	return &liveness{e: e, services: map[pipeline.ServiceID]time.Time{}, tasks: map[pipeline.TaskID]time.Time{}}
}

// heard notes that workers of services were heard of.
func (l *liveness) heard(services ...pipeline.ServiceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range services {
		if isNews(l.services, id) {
			l.fresh.Heard = append(l.fresh.Heard, id)
		}
		l.fresh.Lost = slices.DeleteFunc(l.fresh.Lost, func(lost pipeline.ServiceID) bool { return lost == id })
	}
}

// heardOf notes that the service of a task was heard of.
func (l *liveness) heardOf(task pipeline.TaskID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isNews(l.tasks, task) {
		l.fresh.HeardTasks = append(l.fresh.HeardTasks, task)
	}
}

// isNews reports whether a sign is worth telling, and remembers it.
func isNews[ID comparable](last map[ID]time.Time, id ID) bool {
	now := time.Now()
	if now.Sub(last[id]) < liveFresh {
		return false
	}
	if len(last) >= liveMost {
		clear(last)
	}
	last[id] = now
	return true
}

// reported notes a report of a worker. Failures that the engine itself reports,
// of attempts that did not reach a worker, are no sign of life.
func (l *liveness) reported(failure *store.Failure, task pipeline.TaskID) {
	if failure == nil || failure.Code != api.CodeDispatchFailed {
		l.heardOf(task)
	}
}

// sent notes how a dispatch went: whether there was an answer, whatever it
// said.
func (l *liveness) sent(service pipeline.ServiceID, err error) {
	var refused *DispatchError
	switch {
	case err == nil:
		l.heard(service)
	case !errors.As(err, &refused) || !refused.Unreached:
		// Refused before anything was sent, or by a worker that is there: says
		// nothing, or nothing new.
	default:
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.services, service) // the next sign is news
		clear(l.tasks)
		l.fresh.Heard = slices.DeleteFunc(l.fresh.Heard, func(heard pipeline.ServiceID) bool { return heard == service })
		if !slices.Contains(l.fresh.Lost, service) {
			l.fresh.Lost = append(l.fresh.Lost, service)
		}
	}
}

// Run stores what is news, and looks for silent services, until ctx ends.
func (l *liveness) Run(ctx context.Context) error {
	return l.e.loop(ctx, "note services", nil, func(ctx context.Context) (time.Duration, error) {
		return jittered(liveEvery), l.once(ctx)
	}, 0)
}

// once stores what is news, and looks for silent services if it is time.
func (l *liveness) once(ctx context.Context) error {
	l.mu.Lock()
	news := l.fresh
	due := time.Since(l.swept) >= liveSweep
	if len(news.Heard)+len(news.HeardTasks)+len(news.Lost) == 0 && !due {
		l.mu.Unlock()
		return nil
	}
	l.fresh = store.NoteServices{}
	l.swept = time.Now()
	l.mu.Unlock()

	news.PushInactive, news.PullInactive, news.PullDisconnected = pushInactive, pullInactive, pullDisconnected
	changed, err := l.e.store.NoteServices(ctx, news)
	if err != nil {
		return fmt.Errorf("note services: %w", err) // the next signs come soon
	}
	for _, service := range changed {
		l.e.log.Info("service", "service", service.ID, "status", service.Status)
		l.e.feed.Publish(api.StreamEvent{Type: "service", ID: string(service.ID), Status: service.Status})
	}
	return nil
}
