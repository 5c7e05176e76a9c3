package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
)

// RetryLetters runs dead letters again, one answer per letter, in order. Those
// of one pipeline run are taken up together. rows are the task runs that count
// of the runs under lock, alone the task runs of letters without a pipeline
// run, where they still exist.
func (b *Batch) RetryLetters(ctx context.Context, letters []store.DeadLetter, rows map[pipeline.RunID][]store.TaskRun,
	alone map[pipeline.TaskRunID]store.TaskRun,
) ([]store.RetriedLetter, error) {
	out := make([]store.RetriedLetter, len(letters))
	taken := map[pipeline.DeadLetterID]bool{}
	of := map[pipeline.RunID][]int{}
	for i, l := range letters {
		out[i] = store.RetriedLetter{ID: l.ID, TaskRun: l.TaskRun}
		switch {
		case l.ID == "":
			out[i].Err = store.ErrNotFound
		case !l.RetriedAt.IsZero() || taken[l.ID]:
			out[i].Err = store.Refuse("DLQ item was already retried")
		case l.Run == "":
			var err error
			if out[i].Run, err = b.retryAlone(ctx, l, alone[l.TaskRun]); err != nil && !refusal(err) {
				return nil, err
			}
			out[i].Err = err
		default:
			of[l.Run] = append(of[l.Run], i)
		}
		taken[l.ID] = true
	}
	for _, run := range sortedKeys(of) {
		if b.runs[run] == nil {
			for _, i := range of[run] {
				out[i].Err = store.Refuse("Its pipeline run was deleted")
			}
			continue
		}
		var again []pipeline.TaskRunID
		for _, i := range of[run] {
			again = append(again, letters[i].TaskRun)
		}
		opened, err := b.Reopen(ctx, run, rows[run], again)
		if err != nil && !refusal(err) {
			return nil, err
		}
		for _, i := range of[run] {
			out[i].Err = err
			if err == nil {
				out[i].Run = store.TaskRun{ID: opened[letters[i].TaskRun], Run: run}
			}
		}
	}
	return out, nil
}

// refusal tells an answer from a fault.
func refusal(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
}

// Fresh returns the task run that this batch inserts under an id.
func (b *Batch) Fresh(id pipeline.TaskRunID) store.TaskRun {
	for _, in := range b.Changes.Inserts {
		if in.ID == id {
			return in.TaskRun
		}
	}
	return store.TaskRun{}
}

func (b *Batch) retryAlone(ctx context.Context, l store.DeadLetter, old store.TaskRun) (store.TaskRun, error) {
	tasks, err := b.runnable(ctx, l.Task)
	if err != nil {
		return store.TaskRun{}, err
	}
	tr := store.TaskRun{InputPath: l.InputPath, UpstreamRefs: l.UpstreamRefs, Metadata: Object(nil)}
	var priority *int
	if old.ID != "" {
		b.repeat(&tr, old)
		priority = &old.Priority
	}
	tr = b.insert(tasks[l.Task], tr, priority)
	b.Changes.Supersedes = append(b.Changes.Supersedes, Supersede{ID: l.TaskRun, By: tr.ID})
	return tr, nil
}

// repeat gives a new task run what its predecessor was given.
func (b *Batch) repeat(tr *store.TaskRun, old store.TaskRun) {
	if tr.ID == "" {
		tr.ID = pipeline.NewTaskRunID(b.now)
	}
	if old.IdempotencyKey != "" {
		b.Changes.Claims = append(b.Changes.Claims, KeyClaim{Key: TaskKey(old.Task, old.IdempotencyKey), By: tr.ID})
	}
	tr.InputPath, tr.UpstreamRefs, tr.IdempotencyKey = old.InputPath, old.UpstreamRefs, old.IdempotencyKey
	tr.Metadata = Repeated(old.Metadata)
}

// runnable reads definitions and refuses tasks that no service has any more.
func (b *Batch) runnable(ctx context.Context, ids ...pipeline.TaskID) (map[pipeline.TaskID]Task, error) {
	tasks, err := b.tx.Tasks(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		switch t, known := tasks[id]; {
		case !known:
			return nil, store.Refuse(fmt.Sprintf("Task %q is not registered any more", id))
		case t.Removed:
			return nil, store.Refuse(fmt.Sprintf("Task %q was removed in version %s", id, t.RemovedIn))
		}
	}
	return tasks, nil
}

// Reopen runs tasks of a pipeline run again (pipeline.Graph.Replay): those
// whose task runs are named, or all that broke when again is nil. rows are the
// task runs of the run that count. The answer maps task runs that are void to
// the ones that take their place now.
func (b *Batch) Reopen(ctx context.Context, id pipeline.RunID, rows []store.TaskRun, again []pipeline.TaskRunID) (map[pipeline.TaskRunID]pipeline.TaskRunID, error) {
	r := b.runs[id]
	if r == nil {
		return nil, fmt.Errorf("pipeline run %s: %w", id, store.ErrNotFound)
	}
	plan, err := r.reopening(rows, again)
	if err != nil {
		return nil, err
	}
	if _, err := b.runnable(ctx, plan.Queue...); err != nil {
		return nil, err
	}

	if !r.active() {
		r.Status, r.Reopened = pipeline.RunRunning, true
	}
	r.Open, r.Tally, r.OutputPath = plan.Open-len(plan.Queue), plan.Tally, ""
	b.loaded[id], b.joins[id] = true, plan.Edges
	for task := range plan.Edges {
		if len(r.Graph.Predecessors(task)) > 1 {
			mark(b.dirty, id, task)
		}
	}
	void := map[pipeline.TaskID]bool{}
	for _, task := range slices.Concat(plan.Queue, plan.Later) {
		void[task] = true
	}
	r.remember(rows, void)

	replaced := map[pipeline.TaskRunID]pipeline.TaskRunID{}
	first := pipeline.TaskRunID("")
	for _, task := range plan.Queue {
		q := queued{run: r, task: task, by: -1, as: pipeline.NewTaskRunID(b.now)}
		if i := slices.IndexFunc(rows, func(t store.TaskRun) bool { return t.Task == task }); i >= 0 {
			q.old = &rows[i]
			replaced[q.old.ID] = q.as
			b.supersede(q.old.ID, q.as)
		}
		if first == "" {
			first = q.as
		}
		b.queue = append(b.queue, q)
	}
	for _, t := range rows {
		if slices.Contains(plan.Later, t.Task) {
			b.supersede(t.ID, first) // its own successor does not exist yet
		}
	}
	return replaced, nil
}

func (b *Batch) supersede(id, by pipeline.TaskRunID) {
	b.Changes.Supersedes = append(b.Changes.Supersedes, Supersede{ID: id, By: by})
}

// reopening plans, or refuses in words for people.
func (r *Run) reopening(rows []store.TaskRun, again []pipeline.TaskRunID) (pipeline.Replay, error) {
	was := map[pipeline.TaskID]pipeline.Was{}
	var tasks []pipeline.TaskID
	open := 0
	for _, t := range rows {
		was[t.Task] = pipeline.Was{Status: t.Status, All: t.SelectedNext == nil, Selected: t.SelectedNext}
		if !t.Status.Terminal() {
			open++
		}
		if slices.Contains(again, t.ID) {
			tasks = append(tasks, t.Task)
		}
	}
	switch {
	case len(tasks) < len(again):
		return pipeline.Replay{}, store.Refuse("A later run of the task has taken its place")
	case again == nil && (r.active() || r.Status == pipeline.RunCompleted):
		return pipeline.Replay{}, store.Refuse(fmt.Sprintf("Run is %s; only a failed, partial or cancelled one can be replayed", r.Status))
	case again != nil && r.Status == pipeline.RunCancelled:
		return pipeline.Replay{}, store.Refuse("The run was cancelled; replay it as a whole")
	case !r.active() && open > 0:
		return pipeline.Replay{}, store.Refuse(fmt.Sprintf("%d tasks of the run were asked to stop and have not ended yet; try again when they have", open))
	}
	plan, err := r.Graph.Replay(r.Mode, was, tasks)
	switch {
	case errors.Is(err, pipeline.ErrUnderWay):
		return plan, store.Refuse("A task that follows it runs right now; try again when that has ended")
	case err != nil:
		return plan, err
	case len(plan.Queue) == 0:
		return plan, store.Refuse("Nothing of the run is left to run again")
	}
	return plan, nil
}

// remember sets what a run keeps of the task runs that are not void: the first
// failure and the last output.
func (r *Run) remember(rows []store.TaskRun, void map[pipeline.TaskID]bool) {
	r.Error, r.Blamed, r.EndOutput = "", true, ""
	var failed, ended store.TaskRun
	for _, t := range rows {
		switch {
		case void[t.Task] || !t.Status.Terminal():
		case t.Status != pipeline.TaskCompleted:
			if failed.ID == "" || t.CompletedAt.Before(failed.CompletedAt) {
				failed, r.Error = t, t.Error
			}
		case r.Graph.IsEnd(t.Task) && !t.CompletedAt.Before(ended.CompletedAt):
			ended, r.EndOutput = t, t.OutputPath
		}
	}
}

// Replayed is what replaying a run means, or a refusal.
func Replayed(run store.PipelineRun, rows []store.TaskRun) (store.Replayed, error) {
	out := store.Replayed{Run: run}
	r := &Run{ID: run.ID, Graph: pipeline.NewGraph(run.Structure, run.EntryTasks), Mode: run.FailureMode, Status: run.Status}
	plan, err := r.reopening(rows, nil)
	if err != nil {
		return out, err
	}
	out.Queued, out.Later, out.Kept = plan.Queue, plan.Later, plan.Tally.Completed
	return out, nil
}

// FillLetter completes a dead letter read from its row.
func FillLetter(d *store.DeadLetter, order []pipeline.TaskID) {
	inOrder(d.UpstreamRefs, order)
	if len(d.PreviousAttempts) == 0 {
		d.PreviousAttempts = nil
	}
}
