package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// retryBatch is how many dead letters one transaction runs again.
const retryBatch = 100

// RetryDeadLetter runs a dead letter again, named by its id or by that of its
// task run. It fails with store.ErrMaintenance, store.ErrNotFound, or a
// *store.Refusal (store.ErrConflict) that says why not.
func (e *Engine) RetryDeadLetter(ctx context.Context, ref string) (store.RetriedLetter, error) {
	got, err := e.store.RetryDeadLetters(ctx, []string{ref})
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		return store.RetriedLetter{}, fmt.Errorf("retry dead letter %s: %w", ref, err)
	}
	e.retried(got)
	return got[0], nil
}

// RetryDeadLetters runs the dead letters again that a filter selects, newest
// first, up to its limit, and answers for each. What could not be taken does not
// take back the others: it says why in its Err. Letters of a pipeline run that an earlier one of
// the call took up with it count as retried.
func (e *Engine) RetryDeadLetters(ctx context.Context, f store.DeadLetterFilter) ([]store.RetriedLetter, error) {
	f.IncludeRetried = false
	letters, _, err := e.store.DeadLetters(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("retry dead letters: %w", err)
	}
	if len(letters) == 0 { // maintenance is told even then
		_, err := e.store.RetryDeadLetters(ctx, nil)
		return []store.RetriedLetter{}, err
	}
	ids := make([]pipeline.DeadLetterID, len(letters))
	for i, l := range letters {
		ids[i] = l.ID
	}
	return e.RetryDeadLettersByID(ctx, ids)
}

// RetryDeadLettersByID runs these dead letters again, as RetryDeadLetters does.
func (e *Engine) RetryDeadLettersByID(ctx context.Context, ids []pipeline.DeadLetterID) ([]store.RetriedLetter, error) {
	out := make([]store.RetriedLetter, 0, len(ids))
	for start := 0; start < len(ids); start += retryBatch {
		batch := ids[start:min(start+retryBatch, len(ids))]
		refs := make([]string, len(batch))
		for i, id := range batch {
			refs[i] = string(id)
		}
		got, err := e.store.RetryDeadLetters(ctx, refs)
		if err != nil {
			err = fmt.Errorf("retry dead letters: %w", err)
			if len(out) == 0 {
				return nil, err
			}
			// What is committed has to be told, and what is not, too.
			e.log.Error("dead letters are left", "count", len(ids)-start, "error", err)
			for _, id := range ids[start:] {
				out = append(out, store.RetriedLetter{ID: id, Err: err})
			}
			return out, nil
		}
		e.retried(got)
		for i := range got {
			got[i].ID = cmp.Or(got[i].ID, batch[i]) // of one that is gone, what was asked for
		}
		out = append(out, got...)
	}
	return out, nil
}

// retried tells of retries and wakes whom they concern.
func (e *Engine) retried(letters []store.RetriedLetter) {
	var tasks []pipeline.TaskID
	for _, l := range letters {
		if l.Err != nil {
			continue
		}
		e.logEach("queued again", l.Run)
		e.feed.Publish(taskChanged(l.Run.Run, l.Run.ID, l.Run.Status))
		if l.Run.Run != "" {
			e.feed.Publish(runChanged(store.PipelineRun{ID: l.Run.Run, Status: pipeline.RunRunning}))
		}
		tasks = append(tasks, l.Run.Task)
	}
	if len(tasks) > 0 {
		e.wakes.work() // a run that is taken up queues other tasks, too
	}
}

// purgeBatch bounds one transaction of a purge.
const purgeBatch = 1000

// PurgeDeadLetters deletes dead letters that failed before a time, retried or
// not, and says how many. It stops early with ctx's error.
func (e *Engine) PurgeDeadLetters(ctx context.Context, before time.Time) (int, error) {
	purged := 0
	for {
		n, err := e.store.PurgeDeadLetters(ctx, before, purgeBatch)
		purged += n
		if err != nil {
			return purged, fmt.Errorf("purge dead letters: %w", err)
		}
		if n < purgeBatch {
			return purged, nil
		}
		if err := ctx.Err(); err != nil {
			return purged, err
		}
	}
}

// DeleteDeadLetters deletes those with these ids, retried or not, and says how
// many there were.
func (e *Engine) DeleteDeadLetters(ctx context.Context, ids []pipeline.DeadLetterID) (int, error) {
	n, err := e.store.DeleteDeadLetters(ctx, ids)
	if err != nil {
		return n, fmt.Errorf("delete dead letters: %w", err)
	}
	return n, nil
}

// DeadLetterRetention is how long dead letters are kept.
func (e *Engine) DeadLetterRetention() time.Duration { return e.o.DeadLetterRetention }

// Replay runs everything again that broke in a pipeline run that is failed,
// partial or cancelled, and keeps what completed. It fails like
// RetryDeadLetter.
func (e *Engine) Replay(ctx context.Context, id pipeline.RunID) (store.Replayed, error) {
	did, err := e.store.ReplayRun(ctx, id)
	if err != nil {
		return store.Replayed{}, fmt.Errorf("replay run %s: %w", id, err)
	}
	e.feed.Publish(runChanged(did.Run))
	e.wakes.work()
	return did, nil
}
