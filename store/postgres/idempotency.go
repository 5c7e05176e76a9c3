package postgres

import (
	"context"
	"slices"
	"strings"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

const cacheCols = `c.idempotency_key, c.task_run_id, c.output_path, coalesce(c.output_bytes, c.output_size::bigint, 0), c.output_sha256, c.assets`

// ClaimKeys gives keys to task runs. Inserting a key waits for whoever else
// has inserted or deletes it at the moment; what is read after that is what
// they left.
func (t *tx) ClaimKeys(_ context.Context, claims []flow.KeyClaim) (map[string]flow.KeyState, error) {
	slices.SortFunc(claims, func(a, b flow.KeyClaim) int { return strings.Compare(a.Key, b.Key) }) // one order for all
	out := make(map[string]flow.KeyState, len(claims))
	by := make(map[string]flow.KeyClaim, len(claims))
	var keys, ids []string
	for _, c := range claims {
		keys, ids, by[c.Key] = append(keys, c.Key), append(ids, string(c.By)), c
	}
	if _, err := t.exec(`insert into idempotency_open (idempotency_key, task_run_id)
		select * from unnest($1::text[], $2::text[]) u(key, id) order by key on conflict do nothing`, keys, ids); err != nil {
		return nil, err
	}
	holders := map[string]pipeline.TaskRunID{}
	if err := t.rows(`select idempotency_key, task_run_id from idempotency_open where idempotency_key = any($1)
		order by idempotency_key for update`, []any{keys}, func(row scanner) error {
		var key string
		var id pipeline.TaskRunID
		err := row.Scan(&key, &id)
		holders[key] = id
		return err
	}); err != nil {
		return nil, err
	}
	var others, mine []string
	for _, key := range keys {
		switch holder, held := holders[key]; {
		case !held:
			return nil, errAgain // its run ended between the two statements
		case holder == by[key].By:
			mine = append(mine, key)
		default:
			others = append(others, string(holder))
		}
	}
	open := map[pipeline.TaskRunID]store.TaskRun{}
	if len(others) > 0 {
		rows, err := t.taskRuns(` where t.id = any($1) and (t.status in ('pending', 'waiting', 'running')) is true`, others)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			open[row.ID] = row
		}
	}
	for _, key := range keys {
		if holder := holders[key]; holder != by[key].By {
			if run, is := open[holder]; is && by[key].Stands(run) {
				out[key] = flow.KeyState{Open: &run}
				continue
			}
			// Left behind by a run that somebody deleted, or that waits.
			if _, err := t.exec(`update idempotency_open set task_run_id = $2 where idempotency_key = $1`, key, string(by[key].By)); err != nil {
				return nil, err
			}
			mine = append(mine, key)
		}
	}
	var hits []string
	if err := t.rows(`select `+cacheCols+` from idempotency_cache c where c.idempotency_key = any($1) and c.expires_at > $2`,
		[]any{mine, t.now}, func(row scanner) error {
			var key string
			hit := store.IdempotencyAnswer{Hit: true}
			err := row.Scan(&key, &hit.Of, asText(&hit.OutputPath), &hit.OutputSize, asText(&hit.SHA256), jsonCol{&hit.Assets})
			hits = append(hits, key)
			out[key] = flow.KeyState{Hit: &hit}
			return err
		}); err != nil {
		return nil, err
	}
	if len(hits) > 0 {
		if _, err := t.exec(`delete from idempotency_open where idempotency_key = any($1)`, hits); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ClaimRunKeys gives keys to pipeline runs.
func (t *tx) ClaimRunKeys(_ context.Context, claims []flow.RunKeyClaim) (map[string]store.StartedRun, error) {
	slices.SortFunc(claims, func(a, b flow.RunKeyClaim) int { return strings.Compare(a.Key, b.Key) })
	out := make(map[string]store.StartedRun, len(claims))
	for _, c := range claims {
		inserted, err := t.exec(`insert into run_keys (idempotency_key, pipeline_run_id, claimed_at) values ($1, $2, $3) on conflict do nothing`,
			c.Key, string(c.By), t.now)
		if err != nil {
			return nil, err
		}
		if inserted > 0 {
			continue
		}
		var holder string
		if err := t.row(`select pipeline_run_id from run_keys where idempotency_key = $1 for update`, []any{c.Key}, &holder); err != nil {
			return nil, err
		}
		var run []store.PipelineRun
		if err := t.rows(`select `+runCols+runFrom+` where r.id = $1`, []any{holder}, func(row scanner) error {
			var r store.PipelineRun
			err := scanRun(row, &r)
			run = append(run, r)
			return err
		}); err != nil {
			return nil, err
		}
		if len(run) > 0 && flow.Holds(run[0], c.TTL, t.now) {
			rows, err := t.taskRuns(` where t.pipeline_run_id = $1 order by t.seq`, holder)
			if err != nil {
				return nil, err
			}
			out[c.Key] = flow.Existing(run[0], rows)
			continue
		}
		if _, err := t.exec(`update run_keys set pipeline_run_id = $2, claimed_at = $3 where idempotency_key = $1`, c.Key, string(c.By), t.now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keys writes what a batch decided about keys.
func (t *tx) keys(c *flow.Changes) {
	if len(c.Claims) > 0 {
		var keys, ids []string
		for _, claim := range c.Claims {
			keys, ids = append(keys, claim.Key), append(ids, string(claim.By))
		}
		t.end.Queue(`insert into idempotency_open (idempotency_key, task_run_id)
			select * from unnest($1::text[], $2::text[]) u(key, id) order by key on conflict do nothing`, keys, ids)
	}
	if len(c.Hits) > 0 {
		var ids, keys []string
		for _, h := range c.Hits {
			ids, keys = append(ids, string(h.ID)), append(keys, h.Key)
		}
		t.end.Queue(`update task_runs t set output_path = c.output_path, output_size = c.output_size,
				output_bytes = coalesce(c.output_bytes, c.output_size), output_sha256 = c.output_sha256, assets = coalesce(c.assets, '{}')
			from unnest($1::text[], $2::text[]) u(id, key) join idempotency_cache c on c.idempotency_key = u.key where t.id = u.id`, ids, keys)
	}
	if len(c.Caches) > 0 {
		var keys, ids []string
		slices.SortFunc(c.Caches, func(a, b flow.Cached) int { return strings.Compare(a.Key, b.Key) })
		for i, r := range c.Caches {
			if i > 0 && c.Caches[i-1].Key == r.Key {
				continue // the same statement must not meet a key twice
			}
			keys, ids = append(keys, r.Key), append(ids, string(r.TaskRun))
		}
		t.end.Queue(`insert into idempotency_cache (idempotency_key, task_id, task_run_id, output_path, output_size, output_bytes,
				output_sha256, assets, code_version, cached_at, expires_at)
			select u.key, t.task_id, t.id, t.output_path, t.output_size, t.output_bytes, t.output_sha256, t.assets, t.code_version, $3::timestamptz,
				$3::timestamptz + coalesce(k.idempotency_ttl_seconds, 86400) * interval '1 second'
			from unnest($1::text[], $2::text[]) u(key, id) join task_runs t on t.id = u.id join tasks k on k.id = t.task_id order by u.key
			on conflict (idempotency_key) do update set task_run_id = excluded.task_run_id, output_path = excluded.output_path,
				output_size = excluded.output_size, output_bytes = excluded.output_bytes, output_sha256 = excluded.output_sha256,
				assets = excluded.assets, code_version = excluded.code_version, cached_at = excluded.cached_at, expires_at = excluded.expires_at
			where idempotency_cache.expires_at <= $3::timestamptz`, keys, ids, t.now)
	}
	if len(c.Unclaims) > 0 {
		t.end.Queue(`delete from idempotency_open where task_run_id = any($1)`, list(c.Unclaims))
	}
}

// CheckIdempotency gives an attempt a key, or the result that is known.
func (s *Store) CheckIdempotency(ctx context.Context, ref store.AttemptRef, key string) (store.IdempotencyAnswer, error) {
	var out store.IdempotencyAnswer
	id := flow.Text(string(ref.ID))
	err := s.write(ctx, "check idempotency key", func(t *tx) error {
		out = store.IdempotencyAnswer{}
		rows, err := t.taskRuns(` where t.id = $1`, id)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return store.ErrNotFound
		}
		run := rows[0]
		held := store.AttemptRef{ID: run.ID}
		if err := t.rows(`select attempt, owner from lease where task_run_id = $1 for share`, []any{id}, func(row scanner) error {
			return row.Scan(&held.Attempt, &held.Owner)
		}); err != nil {
			return err
		}
		if held.Attempt == 0 || !held.Admits(ref) {
			return store.ErrLeaseLost
		}
		scoped := flow.TaskKey(run.Task, key)
		states, err := t.ClaimKeys(t.ctx, []flow.KeyClaim{{Key: scoped, By: run.ID, Running: true}})
		if err != nil {
			return err
		}
		switch state := states[scoped]; {
		case state.Hit != nil:
			made, err := t.taskRuns(` where t.id = $1`, string(state.Hit.Of))
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
			_, err = t.exec(`update task_runs set metadata = coalesce(metadata, '{}') || jsonb_build_object('idempotentOf', $2::text) where id = $1`, id, string(out.Of))
			return err
		case state.Open != nil:
			out = store.IdempotencyAnswer{InProgress: true, Of: state.Open.ID}
		default:
			if _, err = t.exec(`delete from idempotency_open where task_run_id = $1 and idempotency_key <> $2`, id, scoped); err == nil {
				_, err = t.exec(`update task_runs set idempotency_key = $2 where id = $1`, id, flow.Text(key))
			}
		}
		return err
	})
	return out, err
}
