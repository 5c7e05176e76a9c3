package sqlite

import (
	"context"
	"time"

	"pipedai/store"
	"pipedai/store/internal/flow"
)

// LiftStarved moves long-waiting task runs to the head of their lanes.
func (s *Store) LiftStarved(ctx context.Context, since time.Time, limit int) (int, error) {
	// Looked for beside the writer: there is no index for it, and rarely one.
	starved, err := all(ctx, s, "find starved task runs", func(row scanner, seq *int64) error { return row.Scan(seq) },
		`select seq from task_runs where since is not null and since < ? and lifted = 0 limit ?`, us(since), limit)
	if err != nil || len(starved) == 0 {
		return 0, err
	}
	var lifted int
	err = s.write(ctx, "lift starved task runs", func(t *tx) error {
		var err error
		lifted, err = t.exec(`update task_runs set lifted = 1 where since is not null and seq in (select value from json_each(?))`, jsonText(starved))
		return err
	})
	return lifted, err
}

// ForgetKeys deletes what no longer answers.
func (s *Store) ForgetKeys(ctx context.Context, before time.Time, limit int) (int, error) {
	var forgotten int
	err := s.write(ctx, "forget idempotency keys", func(t *tx) error {
		n, err := t.exec(`delete from idempotency_cache where idempotency_key in (
			select idempotency_key from idempotency_cache where expires_at <= ? order by expires_at limit ?)`, us(t.now), limit)
		if err != nil {
			return err
		}
		forgotten = n
		n, err = t.exec(`delete from run_keys where idempotency_key in (
			select u.idempotency_key from run_keys u left join pipeline_runs r on r.id = u.pipeline_run_id
			where u.claimed_at < ?1 and (r.id is null or r.completed_at < ?1) order by u.claimed_at limit ?2)`, us(before), limit)
		forgotten += n
		return err
	})
	return forgotten, err
}

// DeleteRuns deletes runs that ended long ago, oldest first.
func (s *Store) DeleteRuns(ctx context.Context, before time.Time, limit int) (store.DeletedRuns, error) {
	var out store.DeletedRuns
	alone, err := s.oldAlone(ctx, before, limit)
	if err != nil {
		return out, err
	}
	err = s.write(ctx, "delete old runs", func(t *tx) error {
		var runs []string
		err := t.rows(`select r.id from pipeline_runs r join run_state rs on rs.pipeline_run_id = r.id
			where r.created_at < ?1 and r.completed_at < ?1 and rs.open <= 0
				and not exists (select 1 from dlq d where d.pipeline_run_id = r.id and d.retried_at is null)
			order by r.created_at limit ?2`,
			[]any{us(before), limit}, func(row scanner) error {
				runs = append(runs, "")
				return row.Scan(&runs[len(runs)-1])
			})
		if err != nil {
			return err
		}
		out.Runs, out.More = len(runs)+len(alone), len(runs) == limit || len(alone) == limit
		if out.Runs == 0 {
			return nil
		}
		const gone = `(pipeline_run_id in (select value from json_each(?1)) or id in (select value from json_each(?2)))`
		args := []any{list(runs), list(alone)}
		var c flow.Counts
		if err := t.row(`select -coalesce(sum(status = 'completed'), 0), -coalesce(sum(status = 'failed'), 0) from task_runs where `+gone,
			args, &c.Completed, &c.Failed); err != nil {
			return err
		}
		var paths []string
		if err := t.rows(`select input_path, metadata, coalesce(i.stored, 1) from task_runs left join inputs i on i.path = input_path
			where input_path is not null and `+gone+` group by input_path`, args, func(row scanner) error {
			var in store.DeletedInput
			var stored bool
			err := row.Scan(&in.Path, jsonCol{&in.Metadata}, &stored)
			if paths = append(paths, in.Path); stored {
				out.Inputs = append(out.Inputs, in)
			}
			return err
		}); err != nil {
			return err
		}
		for _, stmt := range []string{
			`delete from run_events where task_run_id in (select id from task_runs where ` + gone + `)`,
			`delete from task_runs where ` + gone,
			`delete from pipeline_runs where id in (select value from json_each(?1)) and ?2 = ?2`,
		} {
			if err := t.run(stmt, args...); err != nil {
				return err
			}
		}
		if err := t.run(`delete from inputs where path in (select value from json_each(?))`, list(paths)); err != nil {
			return err
		}
		return t.count(c)
	})
	return out, err
}

// oldAlone finds standalone task runs that ended before a time: in the order of
// their creation, and no further than the first that is younger. What ended
// stays ended, so the writer need not wait for this.
func (s *Store) oldAlone(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := s.db.Reader.QueryContext(ctx, `select id, created_at, completed_at, pipeline_run_id is null
			and not exists (select 1 from dlq d where d.task_run_id = t.id and d.retried_at is null)
			and not exists (select 1 from task_runs n where n.id = t.superseded_by)
		from task_runs t order by seq`)
	if err != nil {
		return nil, wrap("find old task runs", err)
	}
	defer func() { _ = rows.Close() }() // read as far as needed
	var out []string
	for rows.Next() && len(out) < limit {
		var id string
		var created, ended time.Time
		var alone bool
		if err := rows.Scan(&id, timeCol{&created}, timeCol{&ended}, &alone); err != nil {
			return nil, wrap("find old task runs", err)
		}
		if !created.Before(before) {
			break
		}
		if alone && !ended.IsZero() && ended.Before(before) {
			out = append(out, id)
		}
	}
	return out, wrap("find old task runs", rows.Err())
}
