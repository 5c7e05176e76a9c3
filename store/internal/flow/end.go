package flow

import (
	"cmp"
	"context"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
)

// End ends attempts in the order given. Those that are not in held (which End
// uses up) get ErrLeaseLost and change nothing.
func (b *Batch) End(ctx context.Context, held map[pipeline.TaskRunID]Held, ends []store.EndAttempt) error {
	if err := b.Load(ctx, sources(held)); err != nil {
		return err
	}
	for _, end := range ends {
		i := len(b.results)
		b.results = append(b.results, store.EndedAttempt{ID: end.ID, Attempt: end.Attempt})
		h, ok := held[end.ID]
		if !ok || !h.Admits(end.AttemptRef) {
			b.results[i].Err = store.ErrLeaseLost
			continue
		}
		delete(held, end.ID)
		if err := b.end(ctx, h, end, i); err != nil {
			return err
		}
	}
	return nil
}

func sources(held map[pipeline.TaskRunID]Held) map[pipeline.RunID][]pipeline.TaskID {
	out := map[pipeline.RunID][]pipeline.TaskID{}
	for _, id := range sortedKeys(held) {
		if h := held[id]; h.Run != "" {
			out[h.Run] = append(out[h.Run], h.Task)
		}
	}
	return out
}

func (b *Batch) end(ctx context.Context, h Held, end store.EndAttempt, i int) error {
	b.letGo(h)
	res := &b.results[i]
	res.Task, res.Run = h.Task, h.Run
	r := b.runs[h.Run]
	if r != nil {
		b.last[r.ID] = i
	}
	if end.Failure == nil {
		return b.complete(ctx, h, end, r, i)
	}
	return b.fail(ctx, h, end, r, i)
}

// letGo undoes what holding the lease counted.
func (b *Batch) letGo(h Held) {
	b.keep(h)
	b.Changes.Counts.Running--
	if h.Slot {
		b.Changes.Freed[h.Task]++
	}
}

func (b *Batch) complete(ctx context.Context, h Held, end store.EndAttempt, r *Run, i int) error {
	res := &b.results[i]
	res.Status = pipeline.TaskCompleted
	fin := Finish{
		ID: h.ID, Status: pipeline.TaskCompleted,
		OutputPath: Text(end.OutputPath), OutputSize: end.OutputSize, OutputSHA256: Text(end.OutputSHA256), LogsPath: Text(end.LogsPath),
		Assets: cleanAssets(end.Assets),
	}
	if !end.AllNext {
		fin.SelectedNext = make([]pipeline.TaskID, 0, len(end.SelectedNext))
		for _, t := range end.SelectedNext {
			fin.SelectedNext = append(fin.SelectedNext, pipeline.TaskID(Text(string(t))))
		}
	}
	b.Changes.Finishes = append(b.Changes.Finishes, fin)
	b.Changes.Counts.Completed++
	if r == nil {
		return nil
	}
	r.Open--
	r.Tally.Completed++
	g := r.Graph
	if g.IsEnd(h.Task) {
		r.Tally.EndsCompleted++
		r.EndOutput = fin.OutputPath
	}
	if !r.active() {
		return nil // recorded, never continued
	}
	for _, t := range end.SelectedNext {
		if !end.AllNext && !slices.Contains(g.Next(h.Task), t) {
			res.Unknown = append(res.Unknown, t)
		}
	}
	if b.outputs[r.ID] == nil {
		b.outputs[r.ID] = map[pipeline.TaskID]store.Upstream{}
	}
	b.outputs[r.ID][h.Task] = store.Upstream{Task: h.Task, OutputPath: fin.OutputPath, SHA256: fin.OutputSHA256, Assets: fin.Assets}
	return b.advance(ctx, r, pipeline.End{
		Task: h.Task, Outcome: pipeline.Done, All: end.AllNext, Selected: end.SelectedNext,
	}, i)
}

func (b *Batch) fail(ctx context.Context, h Held, end store.EndAttempt, r *Run, i int) error {
	res := &b.results[i]
	f := end.Failure
	past := &store.PastAttempt{
		Attempt:   h.Attempt,
		Error:     cmp.Or(Text(f.Error), errorUnspecified),
		ErrorCode: Text(f.Code),
		Timestamp: Stamp(b.now), ReasonClass: f.ReasonClass,
	}
	if h.Timeout > 0 && !h.Deadline.IsZero() {
		past.StartedAt = Stamp(h.Deadline.Add(-h.Timeout - Grace(h.Timeout)))
	}
	stopped := h.Cancel || (r != nil && !r.active())
	if !f.Final && !stopped && h.RemovedIn == "" {
		if delay, again := h.Retry.After(h.Attempt); again {
			past.RetryAt = Stamp(b.now.Add(delay))
			q := Requeue{ID: h.ID, Attempt: h.Attempt + 1, Retries: h.Retry.Retries, Past: past, Due: b.now.Add(delay), run: h.Run, by: i}
			b.Changes.Requeues = append(b.Changes.Requeues, q)
			b.Changes.Counts.Pending++
			res.Status, res.RetryAt = pipeline.TaskPending, q.Due
			return nil
		}
	}

	fin := Finish{
		ID: h.ID, Status: pipeline.TaskFailed, LogsPath: Text(end.LogsPath),
		Error: past.Error, ErrorCode: past.ErrorCode, Details: JSON(f.Details), Past: past,
	}
	switch {
	case stopped:
		fin.Status = pipeline.TaskCancelled // nobody wants it any more: no dead letter
	case f.Timeout:
		fin.Status = pipeline.TaskTimeout
	}
	if fin.Status == pipeline.TaskFailed {
		b.Changes.Counts.Failed++
	}
	if !stopped {
		res.DeadLetter = pipeline.NewDeadLetterID(b.now)
		b.Changes.DeadLetters = append(b.Changes.DeadLetters, DeadLetter{
			ID: res.DeadLetter, TaskRun: h.ID, Error: past.Error, Details: fin.Details,
		})
		b.Changes.Counts.DeadLetters++
	}
	b.Changes.Finishes = append(b.Changes.Finishes, fin)
	res.Status = fin.Status
	return b.broke(ctx, h.Task, r, past.Error, i)
}

// broke tells a run that one of its tasks ended without completing.
func (b *Batch) broke(ctx context.Context, task pipeline.TaskID, r *Run, reason string, by int) error {
	if r == nil {
		return nil
	}
	r.Open--
	r.Tally.Broken++
	if !r.active() {
		return nil
	}
	r.fail(reason)
	return b.advance(ctx, r, pipeline.End{Task: task, Outcome: pipeline.Broke}, by)
}

// Release gives back attempts that were sent to nobody, uncounted: the next
// claim has the same attempt. Where nobody wants them any more they end as
// cancelled.
func (b *Batch) Release(ctx context.Context, held map[pipeline.TaskRunID]Held) error {
	return b.giveBack(ctx, held, 0)
}

// TakeBack gives back attempts of a holder that is gone without saying whether
// a worker took them. It does as Release, but the next attempt has the next
// number, so that a worker that has this one after all cannot be mistaken for
// it; and one more retry, so that none is lost.
func (b *Batch) TakeBack(ctx context.Context, held map[pipeline.TaskRunID]Held) error {
	return b.giveBack(ctx, held, 1)
}

func (b *Batch) giveBack(ctx context.Context, held map[pipeline.TaskRunID]Held, skip int) error {
	if err := b.Load(ctx, sources(held)); err != nil {
		return err
	}
	for _, id := range sortedKeys(held) {
		h := held[id]
		b.letGo(h)
		r := b.runs[h.Run]
		if !h.Cancel && h.RemovedIn == "" && (r == nil || r.active()) {
			b.Changes.Requeues = append(b.Changes.Requeues, Requeue{
				ID: h.ID, Attempt: h.Attempt + skip, Retries: h.Retry.Retries + skip, run: h.Run, by: -1,
			})
			b.Changes.Counts.Pending++
			continue
		}
		reason := errorCancelled
		if h.RemovedIn != "" && !h.Cancel {
			reason = Text(ErrorRemoved(h.RemovedIn))
		}
		b.Changes.Finishes = append(b.Changes.Finishes, Finish{ID: h.ID, Status: pipeline.TaskCancelled, Error: reason})
		if err := b.broke(ctx, h.Task, r, reason, -1); err != nil {
			return err
		}
	}
	return nil
}
