// Package engine is what the control plane does: it accepts work, claims it,
// hands it to workers, takes their reports, and takes back what was lost.
//
// One use-case or loop a file, named by its verb:
//
//	register.go, define.go     what there is to run: tasks, pipelines
//	trigger.go, enqueue.go     accept work; check.go holds inputs against schemas,
//	                           input.go and placement.go say where they live
//	upload.go, uploadkeep.go   files that inputs name, and what becomes of them
//	plan.go                    what a trigger would do
//	claim.go, ride.go          take work from the store
//	dispatch.go, pull.go       bring it to a worker that listens, or that asks;
//	                           accept.go notes that it took it
//	heartbeat.go, complete.go  take its signs of life and its report
//	rescue.go, due.go          take back what nobody reported; make timed work claimable
//	retry.go, cancel.go        run again what failed; stop what is not wanted
//	idempotency.go             answer for work that was done before
//	maintenance.go             accept nothing, finish what there is
//	liveness.go, upkeep.go     know which services are there; keep the tables small
//	object.go                  read what tasks stored
//	rollouts.go                give rollouts over hosts their turn
//	glance.go, notify.go       see what nobody told of; tell other replicas
//	tick.go                    one round of everything, for serverless mode
//
// gather.go commits together what arrives together, loop.go is the shape of
// every loop. Nothing that matters lives in memory: every decision is a step of
// the store, so any number of engines may share one.
//
// Work wakes work. Whatever makes a run claimable or frees a slot signals
// those who claim (wake.go); polling is the net below it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"pipedai/api"
	"pipedai/internal/lifecycle"
	"pipedai/internal/oplog"
	"pipedai/pipeline"
	"pipedai/store"
)

// Engine moves runs through pipelines. Make one with New. All methods are
// safe for concurrent use, before, during and after Run.
type Engine struct {
	o          Options
	log        *slog.Logger
	store      store.Store
	dispatcher Dispatcher
	backends   map[string]Backend
	backend    Backend // the default one

	feed        *Feed
	wakes       *wakes
	catalog     *catalog
	claimer     *claimer
	acceptances *acceptances
	watched     atomic.Bool // by a watcher: nobody else need poll
	mode        *modeWatch
	upkeep      *upkeeper
	live        *liveness
	placing     singleflight.Group // inputs on their way to storage, by path
	seals       seals
	metrics     *metrics

	starts   *gather[store.StartRun, store.StartedRun]
	accepts  *gather[store.AttemptRef, struct{}]
	releases *gather[store.AttemptRef, struct{}]
	beats    *gather[store.Heartbeat, store.HeartbeatAnswer]
	ends     *gather[store.EndAttempt, store.EndedAttempt]

	onNotice   atomic.Pointer[func()]               // see OnNotice
	onHostNews atomic.Pointer[func([]store.HostID)] // see OnHostNews
	stopping   chan struct{}                        // closed when Run begins to stop
	stop       sync.Once
	work       context.Context // of dispatches under way; outlives the loops
	abandon    context.CancelCauseFunc
}

// New makes an engine over a migrated store. It starts nothing.
func New(st store.Store, d Dispatcher, o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("engine options: %w", err)
	}
	backends, chosen, err := o.backends()
	if err != nil {
		return nil, fmt.Errorf("engine options: %w", err)
	}
	m := newMetrics()
	st = timedStore{st, m.steps}
	e := &Engine{
		o: o, metrics: m, log: o.Log.With(oplog.Component, "engine"), store: st, dispatcher: d,
		backends: backends, backend: chosen,
		feed: newFeed(time.Now()), wakes: newWakes(), catalog: newCatalog(),
		stopping: make(chan struct{}),
	}
	e.work, e.abandon = context.WithCancelCause(context.Background())
	e.claimer = &claimer{e: e}
	e.acceptances = newAcceptances(e.noteAccepted)
	e.mode = &modeWatch{e: e}
	e.upkeep = newUpkeeper(e)
	e.live = newLiveness(e)
	e.starts = newGather(500, e.startRuns)
	e.accepts = newGather(500, answerless(st.AcceptAttempts))
	e.releases = newGather(500, answerless(st.ReleaseAttempts))
	e.beats = newGather(1000, st.ExtendLeases)
	e.ends = newGather(500, e.endAttempts)
	return e, nil
}

// Store is where reads go.
func (e *Engine) Store() store.Store { return e.store }

// Changes is the feed of what changed in this process.
func (e *Engine) Changes() *Feed { return e.feed }

// Publish puts a change that the engine does not make itself on the feed.
func (e *Engine) Publish(event api.StreamEvent) { e.feed.Publish(event) }

// errAbandoned is the cause that dispatches under way see when a stop takes
// too long.
var errAbandoned = errors.New("the engine stopped")

// Run runs the loops of a standalone engine until ctx ends, and returns when
// everything has stopped. It may be called once. In serverless mode it only
// waits, so that the stop is the same.
func (e *Engine) Run(ctx context.Context) error {
	loops := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if e.o.Mode == Standalone {
		loops = e.loops
	}
	// At once, not when the loops have ended: a claim that is out now gives back
	// what it gets, and long polls answer.
	forget := context.AfterFunc(ctx, e.stopNow)
	defer forget()
	err := loops(ctx)
	return errors.Join(err, e.shutdown())
}

// loops runs every loop and stops them in the order of the list from below:
// first who takes work, last who tells the others.
func (e *Engine) loops(ctx context.Context) error {
	var group lifecycle.Group
	group.Add("relay", relayer{e}.Run)
	group.Add("notify", notifier{e}.Run)
	group.Add("listen", listener{e}.Run)
	group.Add("watch", (&watcher{e: e}).Run)
	group.Add("upkeep", e.upkeep.Run)
	group.Add("rescue", rescuer{e}.Run)
	group.Add("liveness", e.live.Run)
	group.Add("mode", e.mode.Run)
	group.Add("rollouts", roller{e}.Run)
	group.Add("due", promoter{e}.Run)
	group.Add("claim", e.claimer.Run)
	return group.Run(ctx)
}

// shutdown is the end of Run: nothing new is claimed any more. What was
// claimed and has not reached a worker is given back, what is on its way there
// may arrive, and what was accepted is committed.
func (e *Engine) shutdown() error {
	e.stopNow()
	e.wakes.stop()

	grace := time.AfterFunc(e.o.DispatchTimeout+time.Second, func() { e.abandon(errAbandoned) })
	defer grace.Stop()
	e.claimer.wait()
	e.abandon(errAbandoned)
	e.acceptances.close()

	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return errors.Join(
		e.releases.drain(ctx), e.starts.drain(ctx), e.accepts.drain(ctx),
		e.beats.drain(ctx), e.ends.drain(ctx),
	)
}

// stopped reports whether Run is stopping.
func (e *Engine) stopped() bool {
	select {
	case <-e.stopping:
		return true
	default:
		return false
	}
}

// answerless fits a step that answers for the whole batch into a gather.
func answerless[In any](step func(context.Context, []In) error) func(context.Context, []In) ([]struct{}, error) {
	return func(ctx context.Context, items []In) ([]struct{}, error) {
		return make([]struct{}, len(items)), step(ctx, items)
	}
}

// runChanged is the notice that a pipeline run changed.
func runChanged(run store.PipelineRun) api.StreamEvent {
	return api.StreamEvent{Type: "run", RunID: string(run.ID), PipelineID: string(run.Pipeline), Status: string(run.Status)}
}

// taskChanged is the notice that a task run changed.
func taskChanged(run pipeline.RunID, id pipeline.TaskRunID, status pipeline.TaskStatus) api.StreamEvent {
	return api.StreamEvent{Type: "run", RunID: string(run), TaskRunID: string(id), Status: string(status)}
}

// stopNow ends every wait for work. It may be called again.
func (e *Engine) stopNow() { e.stop.Do(func() { close(e.stopping) }) }
