package flow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Batch gathers what one transaction does to task runs and their pipeline
// runs. See the package comment for the order of calls.
type Batch struct {
	// Changes is complete after Settle.
	Changes Changes

	tx      Tx
	now     time.Time
	runs    map[pipeline.RunID]*Run
	joins   map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges
	loaded  map[pipeline.RunID]bool // all joins of the run are in joins
	asked   map[pipeline.RunID]map[pipeline.TaskID]bool
	dirty   map[pipeline.RunID]map[pipeline.TaskID]bool
	outputs map[pipeline.RunID]map[pipeline.TaskID]store.Upstream // of this batch
	seen    map[pipeline.TaskID]int
	queue   []queued
	results []store.EndedAttempt
	keyed   map[pipeline.TaskRunID]string // of attempts that end
	last    map[pipeline.RunID]int        // index of the result that touched the run last

	cancelled map[pipeline.TaskRunID]bool // by cancelPending
}

// queued is a task of a run that is to be queued because of result number by
// (-1: because of none).
type queued struct {
	run  *Run
	task pipeline.TaskID
	by   int
	as   pipeline.TaskRunID // empty: a new id
	old  *store.TaskRun     // the task run it repeats; nil: none
}

// New returns an empty batch over the runs under lock.
func New(tx Tx, now time.Time, runs []*Run) *Batch {
	b := &Batch{
		tx: tx, now: now,
		runs:    map[pipeline.RunID]*Run{},
		joins:   map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges{},
		loaded:  map[pipeline.RunID]bool{},
		asked:   map[pipeline.RunID]map[pipeline.TaskID]bool{},
		dirty:   map[pipeline.RunID]map[pipeline.TaskID]bool{},
		outputs: map[pipeline.RunID]map[pipeline.TaskID]store.Upstream{},
		seen:    map[pipeline.TaskID]int{},
		last:    map[pipeline.RunID]int{},
		keyed:   map[pipeline.TaskRunID]string{},

		cancelled: map[pipeline.TaskRunID]bool{},
	}
	for _, r := range runs {
		b.runs[r.ID] = r
	}
	b.Changes.Seen = map[pipeline.TaskID]int{}
	b.Changes.Freed = map[pipeline.TaskID]int{}
	return b
}

// Load reads the joins that the ends of these tasks may touch, in one go for
// the whole batch. What it missed is read when it is needed.
func (b *Batch) Load(ctx context.Context, ends map[pipeline.RunID][]pipeline.TaskID) error {
	want := map[pipeline.RunID][]pipeline.TaskID{}
	for id, tasks := range ends {
		r := b.runs[id]
		if r == nil {
			return fmt.Errorf("pipeline run %s: %w", id, store.ErrNotFound)
		}
		g := r.Graph
		for _, task := range tasks {
			for _, next := range g.Next(task) {
				if len(g.Predecessors(next)) > 1 && !b.asked[id][next] && !b.loaded[id] {
					want[id] = append(want[id], next)
					mark(b.asked, id, next)
				}
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	return b.readJoins(ctx, want)
}

func (b *Batch) readJoins(ctx context.Context, of map[pipeline.RunID][]pipeline.TaskID) error {
	found, err := b.tx.Joins(ctx, of)
	if err != nil {
		return err
	}
	for id, edges := range found {
		if b.joins[id] == nil {
			b.joins[id] = map[pipeline.TaskID]pipeline.Edges{}
		}
		for task, e := range edges {
			if !b.dirty[id][task] {
				b.joins[id][task] = e
			}
		}
	}
	return nil
}

// counts answers pipeline.Advance for one run.
func (b *Batch) counts(ctx context.Context, id pipeline.RunID) func(pipeline.TaskID) (pipeline.Edges, error) {
	return func(task pipeline.TaskID) (pipeline.Edges, error) {
		e, known := b.joins[id][task]
		if known || b.loaded[id] || b.asked[id][task] || len(b.runs[id].Graph.Predecessors(task)) < 2 {
			return e, nil
		}
		// A chain of skips reached a join nobody thought of: read them all.
		b.loaded[id] = true
		err := b.readJoins(ctx, map[pipeline.RunID][]pipeline.TaskID{id: nil})
		return b.joins[id][task], err
	}
}

// advance resolves the out-edges of a task of an active run that ended.
func (b *Batch) advance(ctx context.Context, r *Run, end pipeline.End, by int) error {
	g := r.Graph
	eff, err := g.Advance(r.Mode, b.counts(ctx, r.ID), end)
	if err != nil {
		return err
	}
	if eff.Abort {
		return b.abort(ctx, r, by)
	}
	for task, edges := range eff.Edges {
		if len(g.Predecessors(task)) < 2 {
			continue // resolved by this one edge, nobody will ask again
		}
		if b.joins[r.ID] == nil {
			b.joins[r.ID] = map[pipeline.TaskID]pipeline.Edges{}
		}
		b.joins[r.ID][task] = edges
		mark(b.dirty, r.ID, task)
	}
	for _, task := range eff.Queue {
		b.queue = append(b.queue, queued{run: r, task: task, by: by})
	}
	return nil
}

// abort fails a run here and now.
func (b *Batch) abort(ctx context.Context, r *Run, by int) error {
	asked, err := b.stop(ctx, r, pipeline.RunFailed, ErrorFailFast)
	if by >= 0 && asked > 0 {
		b.results[by].CancelAsked = true
	}
	return err
}

// stop ends an active run with open tasks: what is queued is cancelled, what
// runs is asked to stop.
func (b *Batch) stop(ctx context.Context, r *Run, status pipeline.RunStatus, reason string) (asked int, err error) {
	r.Status, r.Ended = status, true
	pending, err := b.tx.TakePending(ctx, r.ID)
	if err != nil {
		return 0, err
	}
	for _, p := range pending {
		b.cancelPending(r, p, reason)
	}
	b.cancelUnwritten(r, reason)
	return b.tx.AskToStop(ctx, r.ID)
}

// cancelUnwritten takes back what this batch itself meant to queue for r.
func (b *Batch) cancelUnwritten(r *Run, reason string) {
	b.queue = slices.DeleteFunc(b.queue, func(q queued) bool { return q.run == r })
	cancelled := func() {
		b.Changes.Counts.Pending--
		r.Open--
		r.Tally.Broken++
	}
	b.Changes.Requeues = slices.DeleteFunc(b.Changes.Requeues, func(q Requeue) bool {
		if q.run != r.ID {
			return false
		}
		cancelled()
		b.Changes.Finishes = append(b.Changes.Finishes, Finish{
			ID: q.ID, Status: pipeline.TaskCancelled, Error: Text(reason), Past: q.Past,
		})
		if q.by >= 0 {
			b.results[q.by].Status, b.results[q.by].RetryAt = pipeline.TaskCancelled, time.Time{}
		}
		return true
	})
	for i := range b.Changes.Inserts {
		if in := &b.Changes.Inserts[i]; in.Run == r.ID && in.Status == pipeline.TaskPending {
			cancelled()
			in.Status, in.Error, in.CompletedAt = pipeline.TaskCancelled, Text(reason), b.now
		}
	}
}

// cancelPending cancels a queued task run, once: a store may name it again
// until Changes are written.
func (b *Batch) cancelPending(r *Run, p Pending, reason string) {
	if b.cancelled[p.ID] {
		return
	}
	b.cancelled[p.ID] = true
	b.Changes.Cancels = append(b.Changes.Cancels, Cancel{ID: p.ID, Error: Text(reason)})
	b.Changes.Counts.Pending--
	if r != nil {
		r.Open--
		r.Tally.Broken++
	}
}

// CancelRun ends an active run by request.
func (b *Batch) CancelRun(ctx context.Context, id pipeline.RunID, reason string) error {
	r := b.runs[id]
	switch {
	case r == nil:
		return store.ErrNotFound
	case !r.active():
		return fmt.Errorf("run is %s: %w", r.Status, store.ErrConflict)
	}
	if reason == "" {
		reason = errorCancelled
	}
	r.Error = Text(reason)
	_, err := b.stop(ctx, r, pipeline.RunCancelled, reason)
	return err
}

// CancelTask cancels a standalone task run by request: the one taken out of
// the queue, if it was there. Otherwise asked says whether its attempt was asked
// to stop.
func (b *Batch) CancelTask(pending []Pending, asked bool, reason string) error {
	if reason == "" {
		reason = errorCancelled
	}
	for _, p := range pending {
		b.cancelPending(nil, p, reason)
	}
	if len(pending) == 0 && !asked {
		return store.Refuse("Task run has ended")
	}
	return nil
}

// ErrInRun refuses to cancel a task run of a pipeline run by itself.
var ErrInRun = store.Refuse("The task run belongs to a pipeline run; cancel that one")

// Orphan cancels task runs, taken out of the queue, whose task was removed.
func (b *Batch) Orphan(ctx context.Context, pending []Pending, reason string) error {
	of := map[pipeline.RunID][]pipeline.TaskID{}
	for _, p := range pending {
		if p.Run != "" {
			of[p.Run] = append(of[p.Run], p.Task)
		}
	}
	if err := b.Load(ctx, of); err != nil {
		return err
	}
	for _, p := range pending { // before any of their runs is stopped for another reason
		b.cancelPending(b.runs[p.Run], p, reason)
	}
	for _, p := range pending {
		r := b.runs[p.Run]
		if r == nil || !r.active() {
			continue
		}
		r.fail(reason)
		if err := b.advance(ctx, r, pipeline.End{Task: p.Task, Outcome: pipeline.Broke}, -1); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) fail(reason string) {
	if r.Error == "" {
		r.Error, r.Blamed = Text(reason), true
	}
}

// Settle queues what follows and ends the runs that have nothing open. It
// returns the results of the attempts given to End, in their order.
func (b *Batch) Settle(ctx context.Context) ([]store.EndedAttempt, error) {
	for len(b.queue) > 0 {
		if err := b.queueNext(ctx); err != nil {
			return nil, err
		}
	}
	for _, id := range sortedKeys(b.runs) {
		r := b.runs[id]
		if r.active() && r.Open <= 0 {
			r.Status, r.Ended = pipeline.Ended(r.Mode, r.Tally), true
			if r.Tally.EndsCompleted == 1 {
				r.OutputPath = r.EndOutput
			}
		}
		if i, known := b.last[id]; known && r.Ended {
			b.results[i].RunEnded = r.Status
		}
		b.Changes.Runs = append(b.Changes.Runs, r)
	}
	for _, id := range sortedKeys(b.dirty) {
		for _, task := range sortedKeys(b.dirty[id]) {
			b.Changes.Joins = append(b.Changes.Joins, Join{Run: id, Task: task, Edges: b.joins[id][task]})
		}
	}
	b.settleKeys()
	return b.results, nil
}
