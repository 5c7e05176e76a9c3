package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// EndAttempts ends attempts and lets what follows follow.
func (s *Store) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	var out []store.EndedAttempt
	err := s.writeMany(ctx, "end attempts", len(ends), func(t *tx) (err error) {
		out, err = t.endAttempts(ends)
		return err
	})
	return out, err
}

// EndAndClaim is both in one transaction. A claim of slots alone would save
// nothing here: this process claims anyway, and meets no other.
func (s *Store) EndAndClaim(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	var out []store.EndedAttempt
	var claimed []store.Claimed
	err := s.writeMany(ctx, "end attempts", len(ends)+p.Limit, func(t *tx) (err error) {
		claimed = nil
		if out, err = t.endAttempts(ends); err == nil && !p.SlotsOnly {
			claimed, err = t.claimAfter(p)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out, claimed, nil
}

func (t *tx) endAttempts(ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	refs := make([]store.AttemptRef, len(ends))
	for i, e := range ends {
		refs[i] = e.AttemptRef
	}
	held, runs, err := t.take(refs)
	if err != nil {
		return nil, err
	}
	b := flow.New(t, t.now, runs)
	if err := b.End(t.ctx, held, ends); err != nil {
		return nil, err
	}
	out, err := t.settle(b)
	if err != nil {
		return nil, err
	}
	return out, t.tellUnknown(ends, out)
}

// tellUnknown turns a lost lease into ErrNotFound where there is no such task
// run at all.
func (t *tx) tellUnknown(ends []store.EndAttempt, out []store.EndedAttempt) error {
	for i := range out {
		if out[i].Err == nil {
			continue
		}
		var one int
		err := t.row(`select 1 from task_runs where id = ?`, []any{ends[i].ID}, &one)
		if errors.Is(err, sql.ErrNoRows) {
			out[i].Err = store.ErrNotFound
		} else if err != nil {
			return err
		}
	}
	return nil
}

// ReleaseAttempts gives attempts back uncounted.
func (s *Store) ReleaseAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	return s.writeMany(ctx, "release attempts", len(attempts), func(t *tx) error {
		held, runs, err := t.take(attempts)
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

// take reads the leases of attempts, which settle clears, and the pipeline
// runs they belong to. Attempts that are not the ones under lease are left out.
func (t *tx) take(refs []store.AttemptRef) (map[pipeline.TaskRunID]flow.Held, []*flow.Run, error) {
	held := make(map[pipeline.TaskRunID]flow.Held, len(refs))
	t.seqs = make(map[pipeline.TaskRunID]int64, len(refs))
	t.taken = map[pipeline.RunID]int{}
	policies := map[pipeline.TaskID]flow.Held{}
	var runs []pipeline.RunID
	ids := make([]pipeline.TaskRunID, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	under := make(map[pipeline.TaskRunID]flow.Held, len(refs))
	err := t.rows(`select t.seq, t.id, t.attempt, t.owner, t.task_id, t.pipeline_run_id, t.slot, t.heartbeat_at is not null, t.cancel,
			t.deadline, t.timeout_seconds, t.max_retries, t.idempotency_key
		from json_each(?) j cross join task_runs t on t.id = j.value where t.owner is not null`, []any{list(ids)}, func(row scanner) error {
		var h flow.Held
		var seq int64
		err := row.Scan(&seq, asText(&h.ID), &h.Attempt, &h.Owner, asText(&h.Task), asText(&h.Run), &h.Slot, &h.Accepted, &h.Cancel,
			timeCol{&h.Deadline}, seconds{&h.Timeout}, &h.Retry.Retries, asText(&h.Key))
		under[h.ID], t.seqs[h.ID] = h, seq
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		h, known := under[ref.ID]
		if _, twice := held[ref.ID]; twice || !known || !h.Admits(ref) {
			continue
		}
		policy, known := policies[h.Task]
		if !known {
			if err := t.row(`select retry_backoff, retry_delay_ms, max_retry_delay_ms, json_extract(metadata, '$.removedInVersion')
				from tasks where id = ?`, []any{h.Task}, asText(&policy.Retry.Backoff), millis{&policy.Retry.Delay},
				millis{&policy.Retry.MaxDelay}, asText(&policy.RemovedIn)); err != nil {
				return nil, nil, err
			}
			policies[h.Task] = policy
		}
		policy.Retry.Retries = h.Retry.Retries
		h.Retry, h.RemovedIn = policy.Retry, policy.RemovedIn
		held[ref.ID] = h
		if h.Run != "" {
			t.taken[h.Run]++
			runs = append(runs, h.Run)
		}
	}
	found, err := t.runs(runs)
	return held, found, err
}

// runs reads the state of pipeline runs, each once, in the order of their ids.
func (t *tx) runs(ids []pipeline.RunID) ([]*flow.Run, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var out []*flow.Run
	err := t.rows(`select r.id, r.structure_snapshot, rs.entry_tasks, rs.failure_mode, r.status, rs.open, rs.completed, rs.broken,
			rs.ends_completed, rs.priority, r.input_path, r.error, rs.end_output, r.output_path, r.metadata
		from json_each(?) j cross join pipeline_runs r on r.id = j.value cross join run_state rs on rs.pipeline_run_id = r.id`,
		[]any{list(ids)}, func(row scanner) error {
			r := &flow.Run{}
			var structure, entries string
			var metadata json.RawMessage
			err := row.Scan(asText(&r.ID), &structure, &entries, asText(&r.Mode), asText(&r.Status), &r.Open, &r.Tally.Completed, &r.Tally.Broken,
				&r.Tally.EndsCompleted, &r.Priority, asText(&r.InputPath), asText(&r.Error), asText(&r.EndOutput), asText(&r.OutputPath), jsonCol{&metadata})
			r.Placement = flow.Placement(metadata)
			if err == nil {
				r.Graph, err = t.c.graphs.of(structure, entries)
			}
			out = append(out, r)
			return err
		})
	return out, err
}

// The reads of flow.Tx.

// Joins reads counts.
func (t *tx) Joins(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges, error) {
	out := map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges{}
	for id, tasks := range of {
		out[id] = map[pipeline.TaskID]pipeline.Edges{}
		query, args := `select task_id, fired, dead, broken from joins where pipeline_run_id = ?`, []any{id}
		if tasks != nil {
			query += ` and task_id in (select value from json_each(?))`
			args = append(args, list(tasks))
		}
		err := t.rows(query, args, func(row scanner) error {
			var task pipeline.TaskID
			var e pipeline.Edges
			err := row.Scan(&task, &e.Fired, &e.Dead, &e.Broken)
			out[id][task] = e
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Pipelines reads pipeline definitions.
func (t *tx) Pipelines(_ context.Context, ids []pipeline.ID) (map[pipeline.ID]store.Pipeline, error) {
	out := map[pipeline.ID]store.Pipeline{}
	err := t.rows(`select `+pipelineCols+` from pipelines p where p.id in (select value from json_each(?)) and `+defined, []any{list(ids)}, func(row scanner) error {
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
		where k.id in (select value from json_each(?))`, []any{list(ids)}, func(row scanner) error {
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
	for id, tasks := range of {
		out[id] = map[pipeline.TaskID]store.Upstream{}
		err := t.rows(`select task_id, output_path, output_sha256, assets from task_runs
			where pipeline_run_id = ? and superseded_by is null and status = 'completed'
			and task_id in (select value from json_each(?))`, []any{id, list(tasks)}, func(row scanner) error {
			var up store.Upstream
			err := row.Scan(&up.Task, asText(&up.OutputPath), asText(&up.SHA256), jsonCol{&up.Assets})
			out[id][up.Task] = up
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// TakePending reads the queue of a run; settle takes it out.
func (t *tx) TakePending(_ context.Context, id pipeline.RunID) ([]flow.Pending, error) {
	return t.pending(`select id, task_id, pipeline_run_id from task_runs where pipeline_run_id = ? and status = 'pending' order by seq`, id)
}

func (t *tx) pending(query string, args ...any) ([]flow.Pending, error) {
	var out []flow.Pending
	err := t.rows(query, args, func(row scanner) error {
		var p flow.Pending
		err := row.Scan(&p.ID, &p.Task, asText(&p.Run))
		out = append(out, p)
		return err
	})
	return out, err
}

// AskToStop marks the leases of a run. Those that this step took are over.
func (t *tx) AskToStop(_ context.Context, id pipeline.RunID) (int, error) {
	n, err := t.exec(`update task_runs set cancel = 1 where pipeline_run_id = ? and owner is not null`, id)
	return n - t.taken[id], err
}
