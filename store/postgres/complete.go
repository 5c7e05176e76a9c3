package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// EndAttempts ends attempts and lets what follows follow.
func (s *Store) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	var out []store.EndedAttempt
	if len(ends) == 0 {
		return out, nil
	}
	err := s.write(ctx, "end attempts", func(t *tx) error {
		refs := make([]store.AttemptRef, len(ends))
		for i, e := range ends {
			refs[i] = e.AttemptRef
		}
		held, runs, err := t.take(refs, time.Time{})
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if err := b.End(t.ctx, held, ends); err != nil {
			return err
		}
		if out, err = t.settle(b); err != nil {
			return err
		}
		return t.tellUnknown(ends, out)
	})
	return out, err
}

// tellUnknown turns a lost lease into ErrNotFound where there is no such task
// run at all.
func (t *tx) tellUnknown(ends []store.EndAttempt, out []store.EndedAttempt) error {
	var lost []string
	for i := range out {
		if out[i].Err != nil {
			lost = append(lost, flow.Text(string(ends[i].ID)))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	known := map[pipeline.TaskRunID]bool{}
	err := t.rows(`select id from task_runs where id = any($1)`, []any{lost}, func(row scanner) error {
		var id pipeline.TaskRunID
		err := row.Scan(&id)
		known[id] = true
		return err
	})
	for i := range out {
		if out[i].Err != nil && !known[ends[i].ID] {
			out[i].Err = store.ErrNotFound
		}
	}
	return err
}

// ReleaseAttempts gives attempts back uncounted.
func (s *Store) ReleaseAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	if len(attempts) == 0 {
		return nil
	}
	return s.write(ctx, "release attempts", func(t *tx) error {
		held, runs, err := t.take(attempts, time.Time{})
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if err := b.Release(t.ctx, held); err != nil {
			return err
		}
		_, err = t.settle(b)
		return err
	})
}

const (
	lockRuns = `select 1 from run_state where pipeline_run_id = any($1) order by pipeline_run_id for update`
	// A statement of its own: what another transaction changed while the lock
	// was waited for shows only in a new snapshot.
	readRuns = `select rs.pipeline_run_id, rs.failure_mode, r.status, rs.open, rs.completed, rs.broken, rs.ends_completed,
			rs.priority, r.input_path, r.error, rs.end_output, r.output_path, r.structure_snapshot, rs.entry_tasks, r.metadata
		from run_state rs join pipeline_runs r on r.id = rs.pipeline_run_id where rs.pipeline_run_id = any($1)`
)

// take locks the runs that attempts belong to and removes the leases of the
// attempts. Those that are not under lease are left out, and, given expired,
// those that are good beyond it.
func (t *tx) take(refs []store.AttemptRef, expired time.Time) (map[pipeline.TaskRunID]flow.Held, []*flow.Run, error) {
	ids, attempts, owners := refColumns(refs)
	var runIDs []pipeline.RunID
	if err := t.rows(`select distinct pipeline_run_id from lease where task_run_id = any($1) and pipeline_run_id is not null`,
		[]any{ids}, func(row scanner) error {
			var id pipeline.RunID
			err := row.Scan(&id)
			runIDs = append(runIDs, id)
			return err
		}); err != nil {
		return nil, nil, err
	}

	held := map[pipeline.TaskRunID]flow.Held{}
	var b pgx.Batch
	runs := t.queueRuns(&b, runIDs)
	b.Queue(`with mine as (
			select l.task_run_id from lease l join unnest($1::text[], $2::bigint[], $3::text[]) u(id, attempt, owner)
				on l.task_run_id = u.id and l.attempt = u.attempt and u.owner in ('', l.owner)
			where $4::timestamptz is null or least(l.until, l.deadline) <= $4
			order by l.task_run_id for update of l
		), gone as (
			delete from lease l using mine where l.task_run_id = mine.task_run_id returning l.*
		)
		select g.task_run_id, g.attempt, g.owner, g.task_id, g.pipeline_run_id, g.slot, g.accepted_at is not null, g.cancel, g.deadline,
			g.timeout_seconds::bigint, t.max_retries, k.retry_backoff, k.retry_delay_ms::bigint, k.max_retry_delay_ms::bigint,
			k.metadata->>'removedInVersion' is not null
		from gone g join task_runs t on t.id = g.task_run_id join tasks k on k.id = g.task_id`,
		ids, attempts, owners, ts(expired)).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var h flow.Held
			err := row.Scan(&h.ID, &h.Attempt, &h.Owner, &h.Task, asText(&h.Run), &h.Slot, &h.Accepted, &h.Cancel, timeCol{&h.Deadline},
				seconds(&h.Timeout), &h.Retry.Retries, &h.Retry.Backoff, millis(&h.Retry.Delay), millis(&h.Retry.MaxDelay), &h.Removed)
			held[h.ID] = h
			return err
		})
	})
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
		return nil, nil, err
	}
	for _, h := range held {
		if h.Run != "" && !slices.Contains(runIDs, h.Run) {
			return nil, nil, errAgain // leased again between the look and the lock
		}
	}
	return held, *runs, nil
}

// runs locks pipeline runs and reads their state.
func (t *tx) runs(ids []pipeline.RunID) ([]*flow.Run, error) {
	var b pgx.Batch
	runs := t.queueRuns(&b, ids)
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
		return nil, err
	}
	return *runs, nil
}

func (t *tx) queueRuns(b *pgx.Batch, ids []pipeline.RunID) *[]*flow.Run {
	out := &[]*flow.Run{}
	if len(ids) == 0 {
		return out
	}
	b.Queue(lockRuns, list(ids))
	b.Queue(readRuns, list(ids)).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			r := &flow.Run{}
			var structure pipeline.Structure
			var entries []pipeline.TaskID
			var metadata json.RawMessage
			err := row.Scan(&r.ID, &r.Mode, &r.Status, &r.Open, &r.Tally.Completed, &r.Tally.Broken, &r.Tally.EndsCompleted,
				&r.Priority, asText(&r.InputPath), asText(&r.Error), asText(&r.EndOutput), asText(&r.OutputPath),
				jsonCol{&structure}, &entries, jsonCol{&metadata})
			r.Placement = flow.Placement(metadata)
			r.Graph = pipeline.NewGraph(structure, entries)
			*out = append(*out, r)
			return err
		})
	})
	return out
}

// The reads of flow.Tx.

// pairs flattens what is asked of several runs into two columns.
func pairs(of map[pipeline.RunID][]pipeline.TaskID) (runs, tasks []string) {
	for run, ids := range of {
		for _, task := range ids {
			runs, tasks = append(runs, string(run)), append(tasks, string(task))
		}
	}
	return runs, tasks
}

// Joins reads counts.
func (t *tx) Joins(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges, error) {
	out := map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges{}
	var whole []string
	for run, tasks := range of {
		out[run] = map[pipeline.TaskID]pipeline.Edges{}
		if tasks == nil {
			whole = append(whole, string(run))
		}
	}
	runs, tasks := pairs(of)
	err := t.rows(`select pipeline_run_id, task_id, fired, dead, broken from joins
			where (pipeline_run_id, task_id) in (select * from unnest($1::text[], $2::text[]))
		union select pipeline_run_id, task_id, fired, dead, broken from joins where pipeline_run_id = any($3)`,
		[]any{runs, tasks, whole}, func(row scanner) error {
			var run pipeline.RunID
			var task pipeline.TaskID
			var e pipeline.Edges
			err := row.Scan(&run, &task, &e.Fired, &e.Dead, &e.Broken)
			if err == nil {
				out[run][task] = e
			}
			return err
		})
	return out, err
}

// Pipelines reads pipeline definitions.
func (t *tx) Pipelines(_ context.Context, ids []pipeline.ID) (map[pipeline.ID]store.Pipeline, error) {
	out := map[pipeline.ID]store.Pipeline{}
	err := t.rows(`select `+pipelineCols+` from pipelines p where p.id = any($1) and `+defined, []any{list(ids)}, func(row scanner) error {
		var p store.Pipeline
		err := scanPipeline(row, &p)
		out[p.ID] = p
		return err
	})
	return out, err
}

// Tasks reads task definitions.
func (t *tx) Tasks(_ context.Context, ids []pipeline.TaskID) (map[pipeline.TaskID]flow.Task, error) {
	out := map[pipeline.TaskID]flow.Task{}
	err := t.rows(`select coalesce(seen.code_version, 0), `+taskCols+` from tasks k left join task_seen seen on seen.task_id = k.id
		where k.id = any($1)`, []any{list(ids)}, func(row scanner) error {
		var task flow.Task
		err := row.Scan(append([]any{&task.LastRun}, taskDest(&task.Task, &task.RemovedIn)...)...)
		task.Removed = task.RemovedIn != ""
		out[task.ID] = task
		return err
	})
	return out, err
}

// Outputs reads results of tasks that completed.
func (t *tx) Outputs(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]store.Upstream, error) {
	out := map[pipeline.RunID]map[pipeline.TaskID]store.Upstream{}
	for run := range of {
		out[run] = map[pipeline.TaskID]store.Upstream{}
	}
	runs, tasks := pairs(of)
	// A plain join could be planned the other way round, with all of the history
	// against a few pairs. Behind offset 0 it cannot.
	err := t.rows(`select u.run, u.task, t.output_path, t.output_sha256, t.assets from unnest($1::text[], $2::text[]) u(run, task),
		lateral (select * from task_runs where pipeline_run_id = u.run and task_id = u.task and superseded_by is null offset 0) t
		where t.status = 'completed'`, []any{runs, tasks}, func(row scanner) error {
		var run pipeline.RunID
		var up store.Upstream
		err := row.Scan(&run, &up.Task, asText(&up.OutputPath), asText(&up.SHA256), jsonCol{&up.Assets})
		if err == nil {
			out[run][up.Task] = up
		}
		return err
	})
	return out, err
}

// TakePending empties the queue of a run.
func (t *tx) TakePending(_ context.Context, id pipeline.RunID) ([]flow.Pending, error) {
	return t.takePending(`pipeline_run_id = $1 and (status = 'pending') is true`, string(id))
}

// takePending takes the task runs that a condition names out of the queue: first from the timer,
// then from ready, because that is the way they move. What a claim took in
// between is running by then, and left to its lease.
func (t *tx) takePending(which string, arg any) ([]flow.Pending, error) {
	var taken []string
	add := func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			taken = append(taken, "")
			return row.Scan(&taken[len(taken)-1])
		})
	}
	var b pgx.Batch
	for _, table := range []string{"timer", "ready"} {
		b.Queue(`delete from `+table+` where task_run_id = any(array(
			select id from task_runs where `+which+`)) returning task_run_id`, arg).Query(add)
	}
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil || len(taken) == 0 {
		return nil, err
	}
	var out []flow.Pending
	err := t.rows(`select id, task_id, pipeline_run_id from task_runs where id = any($1) order by seq`, []any{taken}, func(row scanner) error {
		var p flow.Pending
		err := row.Scan(&p.ID, &p.Task, asText(&p.Run))
		out = append(out, p)
		return err
	})
	return out, err
}

// AskToStop marks the leases of a run.
func (t *tx) AskToStop(_ context.Context, id pipeline.RunID) (int, error) {
	n, err := t.exec(`with l as (select task_run_id from lease where pipeline_run_id = $1 order by task_run_id for update)
		update lease set cancel = true from l where lease.task_run_id = l.task_run_id`, id)
	return int(n), err
}
