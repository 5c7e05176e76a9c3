package flow

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// StartRuns creates pipeline runs with their entry tasks, one result per item.
// The definitions are read in one go, and so are their tasks.
func (b *Batch) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	ids := make([]pipeline.ID, len(runs))
	for i, r := range runs {
		ids[i] = r.Pipeline
	}
	defs, err := b.tx.Pipelines(ctx, ids)
	if err != nil {
		return nil, err
	}
	var entries []pipeline.TaskID
	for _, def := range defs {
		entries = append(entries, def.EntryTasks...)
	}
	tasks, err := b.tx.Tasks(ctx, entries)
	if err != nil {
		return nil, err
	}
	out := make([]store.StartedRun, len(runs))
	held, err := b.claimRunKeys(ctx, runs)
	if err != nil {
		return nil, err
	}
	for i, r := range runs {
		key := ""
		if r.IdempotencyKey != "" {
			key = RunKey(r.Pipeline, r.IdempotencyKey)
		}
		if started, taken := held[key]; taken && key != "" {
			out[i] = started
			continue
		}
		if def, known := defs[r.Pipeline]; known {
			out[i] = b.startRun(r, def, tasks)
		} else {
			out[i].Err = fmt.Errorf("pipeline %q: %w", r.Pipeline, store.ErrNotFound)
		}
		if key != "" && out[i].Err == nil {
			held[key] = out[i] // for the rest of the batch
		}
	}
	return out, nil
}

func (b *Batch) claimRunKeys(ctx context.Context, runs []store.StartRun) (map[string]store.StartedRun, error) {
	var claims []RunKeyClaim
	seen := map[string]bool{}
	for i := range runs {
		r := &runs[i]
		if r.IdempotencyKey == "" {
			continue
		}
		if r.ID == "" {
			r.ID = pipeline.NewRunID(b.now)
		}
		if key := RunKey(r.Pipeline, r.IdempotencyKey); !seen[key] {
			seen[key] = true
			claims = append(claims, RunKeyClaim{Key: key, By: r.ID, TTL: r.IdempotencyTTL})
		}
	}
	if len(claims) == 0 {
		return nil, nil
	}
	return b.tx.ClaimRunKeys(ctx, claims)
}

// EnqueueTasks queues standalone task runs, all or none.
func (b *Batch) EnqueueTasks(ctx context.Context, items []store.EnqueueTask) ([]store.EnqueuedTask, error) {
	ids := make([]pipeline.TaskID, len(items))
	for i, item := range items {
		ids[i] = item.Task
	}
	tasks, err := b.tx.Tasks(ctx, ids)
	if err != nil {
		return nil, err
	}
	keys, err := b.claimKeys(ctx, items)
	if err != nil {
		return nil, err
	}
	out := make([]store.EnqueuedTask, len(items))
	for i, item := range items {
		if out[i], err = b.enqueue(item, tasks, keys); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// startRun creates a pipeline run with its entry tasks. An entry that is not
// known (any more) makes the whole run ErrNotFound and changes nothing.
func (b *Batch) startRun(p store.StartRun, def store.Pipeline, tasks map[pipeline.TaskID]Task) store.StartedRun {
	if p.ID == "" {
		p.ID = pipeline.NewRunID(b.now)
	}
	p.Priority = fittingPriority(p.Priority)
	if len(def.EntryTasks) == 0 {
		return store.StartedRun{Err: fmt.Errorf("pipeline %q has no entry task: %w", def.ID, store.ErrConflict)}
	}
	def.EntryTasks = distinct(def.EntryTasks)
	for _, id := range def.EntryTasks {
		if t, known := tasks[id]; !known || t.Removed {
			return store.StartedRun{Err: fmt.Errorf("entry task %q: %w", id, store.ErrNotFound)}
		}
	}
	run := store.PipelineRun{
		ID: p.ID, Pipeline: def.ID, Version: def.Version, Status: pipeline.RunRunning,
		FailureMode: cmp.Or(p.FailureMode, def.FailureMode, pipeline.FailFast),
		Structure:   def.Structure.Reachable(def.EntryTasks), EntryTasks: def.EntryTasks,
		InputPath: p.Input.Path, Metadata: Object(p.Metadata), TriggeredBy: Text(p.TriggeredBy), CreatedAt: b.now, StartedAt: b.now,
	}
	if p.ScheduledFor.After(b.now) {
		run.Status, run.StartedAt = pipeline.RunPending, time.Time{}
	}
	b.input(p.Input)
	out := store.StartedRun{Run: run}
	for _, id := range def.EntryTasks {
		out.Entries = append(out.Entries, b.insert(tasks[id], store.TaskRun{
			Run: p.ID, InputPath: p.Input.Path, ScheduledFor: p.ScheduledFor,
			Metadata: Object(Placement(run.Metadata)),
		}, p.Priority))
	}
	b.claim(p.Input.Path, out.Entries[0].ID, p.Uploads)
	b.Changes.Starts = append(b.Changes.Starts, Start{PipelineRun: run, Priority: p.Priority, Open: len(out.Entries)})
	return out
}

func (b *Batch) input(in store.Input) {
	if in.Data != nil {
		b.Changes.Inputs = append(b.Changes.Inputs, in)
	}
}

// insert queues a new task run of task.
func (b *Batch) insert(t Task, tr store.TaskRun, priority *int) store.TaskRun {
	if tr.ID == "" {
		tr.ID = pipeline.NewTaskRunID(b.now)
	}
	tr.Task, tr.Status, tr.Attempt = t.ID, pipeline.TaskPending, 1
	tr.MaxRetries, tr.CodeHash, tr.CodeVersion = t.Retry.Retries, t.CodeHash, t.CodeVersion
	tr.Priority, tr.CreatedAt = t.Priority, b.now
	if priority != nil {
		tr.Priority = *priority
	}
	last, known := b.seen[t.ID]
	if !known {
		last = t.LastRun
	}
	tr.FirstRun, tr.CodeChanged = last == 0, last != 0 && last != t.CodeVersion
	if last != t.CodeVersion {
		b.Changes.Seen[t.ID] = t.CodeVersion
	}
	b.seen[t.ID] = t.CodeVersion
	b.Changes.Inserts = append(b.Changes.Inserts, Insert{TaskRun: tr, Service: t.Service, Limited: t.Concurrency > 0})
	b.Changes.Counts.Pending++
	return tr
}

// enqueue queues a standalone task run.
func (b *Batch) enqueue(p store.EnqueueTask, tasks map[pipeline.TaskID]Task, keys map[string]KeyState) (store.EnqueuedTask, error) {
	t, known := tasks[p.Task]
	if !known || t.Removed {
		return store.EnqueuedTask{}, fmt.Errorf("task %q: %w", p.Task, store.ErrNotFound)
	}
	p.Priority = fittingPriority(p.Priority)
	key := ""
	if p.IdempotencyKey != "" {
		key = TaskKey(p.Task, p.IdempotencyKey)
		if run, known := b.known(p, t, keys[key], key); known {
			return store.EnqueuedTask{Run: run}, nil
		}
	}
	b.input(p.Input)
	tr := b.insert(t, store.TaskRun{
		ID: p.ID, InputPath: p.Input.Path, ScheduledFor: p.ScheduledFor,
		IdempotencyKey: Text(p.IdempotencyKey), Metadata: Object(p.Metadata),
	}, p.Priority)
	if key != "" {
		keys[key] = KeyState{Open: &tr} // for the rest of the batch
	}
	b.claim(p.Input.Path, tr.ID, p.Uploads)
	return store.EnqueuedTask{Run: tr}, nil
}

// claim notes the uploads of an input, if it names any.
func (b *Batch) claim(path string, by pipeline.TaskRunID, uploads []string) {
	if len(uploads) > 0 {
		b.Changes.Uploads = append(b.Changes.Uploads, UploadClaim{Path: path, TaskRun: by, Uploads: uploads})
	}
}

// fittingPriority is p within the 32 bits of its column.
func fittingPriority(p *int) *int {
	if p == nil {
		return nil
	}
	v := max(math.MinInt32, min(*p, math.MaxInt32))
	return &v
}

// queueNext queues the tasks that the graph let through. One that a later
// version of its service removed is born cancelled, which may let others
// through, so that Settle calls it until nothing is left.
func (b *Batch) queueNext(ctx context.Context) error {
	next := b.queue
	b.queue = nil
	var ids []pipeline.TaskID
	upstream := map[pipeline.RunID][]pipeline.TaskID{}
	for _, q := range next {
		ids = append(ids, q.task)
		for _, a := range q.run.Graph.Ancestors(q.task) {
			if _, here := b.outputs[q.run.ID][a]; !here && !slices.Contains(upstream[q.run.ID], a) {
				upstream[q.run.ID] = append(upstream[q.run.ID], a)
			}
		}
	}
	slices.Sort(ids)
	tasks, err := b.tx.Tasks(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	if len(upstream) > 0 {
		found, err := b.tx.Outputs(ctx, upstream)
		if err != nil {
			return err
		}
		for id, outputs := range found {
			if b.outputs[id] == nil {
				b.outputs[id] = map[pipeline.TaskID]store.Upstream{}
			}
			maps.Copy(b.outputs[id], outputs)
		}
	}
	for _, q := range next {
		if !q.run.active() {
			continue // an earlier one of this round ended the run
		}
		t, known := tasks[q.task]
		if !known {
			// Checked before the run began, so somebody deleted the row since. No
			// task run can refer to it; the run goes on as after any failure.
			q.run.Open++
			if err := b.loadAndBreak(ctx, q, fmt.Sprintf("Tasks not found: %s", q.task)); err != nil {
				return err
			}
			continue
		}
		var refs store.UpstreamRefs
		for _, a := range q.run.Graph.Ancestors(q.task) {
			if up, done := b.outputs[q.run.ID][a]; done {
				refs = append(refs, up)
			}
		}
		priority := q.run.Priority
		tr := store.TaskRun{ID: q.as, Run: q.run.ID, InputPath: q.run.InputPath, UpstreamRefs: refs, Metadata: Object(q.run.Placement)}
		if q.old != nil {
			b.repeat(&tr, *q.old)
			priority = &q.old.Priority
		}
		if t.Removed {
			if err := b.bornCancelled(ctx, t, tr, q); err != nil {
				return err
			}
			continue
		}
		b.insert(t, tr, priority)
		q.run.Open++
		if q.by >= 0 {
			b.results[q.by].Queued = append(b.results[q.by].Queued, q.task)
		}
	}
	return nil
}

func (b *Batch) bornCancelled(ctx context.Context, t Task, tr store.TaskRun, q queued) error {
	b.insert(t, tr, q.run.Priority)
	b.Changes.Counts.Pending--
	in := &b.Changes.Inserts[len(b.Changes.Inserts)-1]
	in.Status, in.Error, in.CompletedAt = pipeline.TaskCancelled, ErrorRemoved(t.RemovedIn), b.now
	q.run.Open++
	return b.loadAndBreak(ctx, q, in.Error)
}

func (b *Batch) loadAndBreak(ctx context.Context, q queued, reason string) error {
	if err := b.Load(ctx, map[pipeline.RunID][]pipeline.TaskID{q.run.ID: {q.task}}); err != nil {
		return err
	}
	return b.broke(ctx, q.task, q.run, reason, q.by)
}

// distinct drops repeated ids and keeps the order.
func distinct(ids []pipeline.TaskID) []pipeline.TaskID {
	var out []pipeline.TaskID
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func mark(set map[pipeline.RunID]map[pipeline.TaskID]bool, run pipeline.RunID, task pipeline.TaskID) {
	if set[run] == nil {
		set[run] = map[pipeline.TaskID]bool{}
	}
	set[run][task] = true
}
