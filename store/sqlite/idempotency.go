package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"pipedai/store"
	"pipedai/store/internal/flow"
)

const cacheCols = `c.task_run_id, c.output_path, coalesce(c.output_bytes, c.output_size, 0), c.output_sha256, c.assets`

func scanCache(row scanner, a *store.IdempotencyAnswer) error {
	a.Hit = true
	return row.Scan(asText(&a.Of), asText(&a.OutputPath), &a.OutputSize, asText(&a.SHA256), jsonCol{&a.Assets})
}

// ClaimKeys gives keys to task runs.
func (t *tx) ClaimKeys(_ context.Context, claims []flow.KeyClaim) (map[string]flow.KeyState, error) {
	out := make(map[string]flow.KeyState, len(claims))
	for _, c := range claims {
		open, err := t.taskRuns(` join idempotency_open o on o.task_run_id = t.id
			where o.idempotency_key = ? and t.status in ('pending', 'waiting', 'running')`, c.Key)
		if err != nil {
			return nil, err
		}
		if len(open) > 0 && c.Stands(open[0]) {
			out[c.Key] = flow.KeyState{Open: &open[0]}
			continue
		}
		var hit store.IdempotencyAnswer
		err = t.one(func(row scanner) error { return scanCache(row, &hit) },
			`select `+cacheCols+` from idempotency_cache c where c.idempotency_key = ? and c.expires_at > ?`, c.Key, us(t.now))
		if err == nil {
			out[c.Key] = flow.KeyState{Hit: &hit}
			continue
		} else if !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if err := t.run(`insert into idempotency_open (idempotency_key, task_run_id) values (?1, ?2)
			on conflict (idempotency_key) do update set task_run_id = ?2`, c.Key, c.By); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ClaimRunKeys gives keys to pipeline runs.
func (t *tx) ClaimRunKeys(_ context.Context, claims []flow.RunKeyClaim) (map[string]store.StartedRun, error) {
	out := make(map[string]store.StartedRun, len(claims))
	for _, c := range claims {
		var run store.PipelineRun
		err := t.one(func(row scanner) error { return scanRun(row, &run) },
			`select `+runCols+runFrom+` join run_keys u on u.pipeline_run_id = r.id where u.idempotency_key = ?`, c.Key)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if err == nil && flow.Holds(run, c.TTL, t.now) {
			rows, err := t.taskRuns(` where t.pipeline_run_id = ? order by t.seq`, run.ID)
			if err != nil {
				return nil, err
			}
			out[c.Key] = flow.Existing(run, rows)
			continue
		}
		if err := t.run(`insert into run_keys (idempotency_key, pipeline_run_id, claimed_at) values (?1, ?2, ?3)
			on conflict (idempotency_key) do update set pipeline_run_id = ?2, claimed_at = ?3`, c.Key, c.By, us(t.now)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keys writes what a batch decided about keys.
func (t *tx) keys(c *flow.Changes) error {
	for _, claim := range c.Claims {
		if err := t.run(`insert into idempotency_open (idempotency_key, task_run_id) values (?, ?) on conflict do nothing`, claim.Key, claim.By); err != nil {
			return err
		}
	}
	for _, h := range c.Hits {
		if err := t.run(`update task_runs set output_path = c.output_path, output_size = c.output_size,
				output_bytes = coalesce(c.output_bytes, c.output_size), output_sha256 = c.output_sha256, assets = coalesce(c.assets, '{}')
			from idempotency_cache c where c.idempotency_key = ?2 and id = ?1`, h.ID, h.Key); err != nil {
			return err
		}
	}
	for _, r := range c.Caches {
		if err := t.run(`insert into idempotency_cache (idempotency_key, task_id, task_run_id, output_path, output_size, output_bytes,
				output_sha256, assets, code_version, cached_at, expires_at)
			select ?1, t.task_id, t.id, t.output_path, t.output_size, t.output_bytes, t.output_sha256, t.assets, t.code_version, ?3,
				?3 + coalesce(k.idempotency_ttl_seconds, 86400) * 1000000
			from task_runs t join tasks k on k.id = t.task_id where t.id = ?2
			on conflict (idempotency_key) do update set task_run_id = excluded.task_run_id, output_path = excluded.output_path,
				output_size = excluded.output_size, output_bytes = excluded.output_bytes, output_sha256 = excluded.output_sha256,
				assets = excluded.assets, code_version = excluded.code_version, cached_at = excluded.cached_at, expires_at = excluded.expires_at
			where idempotency_cache.expires_at <= ?3`, r.Key, r.TaskRun, us(t.now)); err != nil {
			return err
		}
	}
	for _, id := range c.Unclaims {
		if err := t.run(`delete from idempotency_open where task_run_id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}

// CheckIdempotency gives an attempt a key, or the result that is known.
func (s *Store) CheckIdempotency(ctx context.Context, ref store.AttemptRef, key string) (store.IdempotencyAnswer, error) {
	var out store.IdempotencyAnswer
	err := s.write(ctx, "check idempotency key", func(t *tx) error {
		rows, err := t.taskRuns(` where t.id = ?`, ref.ID)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return store.ErrNotFound
		}
		var owner string
		if err := t.row(`select owner from task_runs where id = ?`, []any{ref.ID}, asText(&owner)); err != nil {
			return err
		}
		run := rows[0]
		if owner == "" || !(store.AttemptRef{ID: run.ID, Attempt: run.Attempt, Owner: owner}).Admits(ref) {
			return store.ErrLeaseLost
		}
		scoped := flow.TaskKey(run.Task, key)
		states, err := t.ClaimKeys(t.ctx, []flow.KeyClaim{{Key: scoped, By: run.ID, Running: true}})
		if err != nil {
			return err
		}
		switch state := states[scoped]; {
		case state.Hit != nil:
			made, err := t.taskRuns(` where t.id = ?`, string(state.Hit.Of))
			if err != nil {
				return err
			}
			var maker *store.TaskRun
			if len(made) > 0 {
				maker = &made[0]
			}
			var useful bool
			if out, useful = flow.Reused(*state.Hit, maker, run); !useful {
				return nil
			}
			return t.run(`update task_runs set metadata = json_set(coalesce(metadata, '{}'), '$.idempotentOf', ?2) where id = ?1`, run.ID, out.Of)
		case state.Open != nil:
			out = store.IdempotencyAnswer{InProgress: true, Of: state.Open.ID}
			return nil
		}
		if err := t.run(`delete from idempotency_open where task_run_id = ? and idempotency_key <> ?`, run.ID, scoped); err != nil {
			return err
		}
		return t.run(`update task_runs set idempotency_key = ?2 where id = ?1`, run.ID, flow.Text(key))
	})
	return out, err
}
