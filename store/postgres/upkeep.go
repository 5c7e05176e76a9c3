package postgres

import (
	"context"
	"time"

	"pipedai/store"
	"pipedai/store/internal/flow"
)

// LiftStarved moves long-waiting task runs to the head of their lanes. A row of
// ready is never updated; it is replaced. Who cancels a run looks for its rows
// under the lock of the run, so those are replaced under it too. A registration
// cancels runs of tasks that are gone, locked or not, so nothing is lifted
// beside one.
func (s *Store) LiftStarved(ctx context.Context, since time.Time, limit int) (int, error) {
	var lifted int64
	err := s.write(ctx, "lift starved task runs", func(t *tx) error {
		var free bool
		if err := t.row(`select pg_try_advisory_xact_lock_shared($1)`, []any{lockRegister}, &free); err != nil || !free {
			return err
		}
		var alone, all, runs []string
		if err := t.rows(`select r.task_run_id, t.pipeline_run_id from ready r join task_runs t on t.id = r.task_run_id
			where r.since < $1 and r.priority > -2147483648 limit $2`, []any{since, limit}, func(row scanner) error {
			var id, run string
			err := row.Scan(&id, asText(&run))
			all = append(all, id)
			if run == "" {
				alone = append(alone, id)
			} else {
				runs = append(runs, run)
			}
			return err
		}); err != nil || len(all) == 0 {
			return err
		}
		var locked []string
		if err := t.rows(`select pipeline_run_id from run_state where pipeline_run_id = any($1) order by pipeline_run_id for update skip locked`,
			[]any{runs}, func(row scanner) error {
				locked = append(locked, "")
				return row.Scan(&locked[len(locked)-1])
			}); err != nil {
			return err
		}
		var err error
		lifted, err = t.exec(`with gone as (
				delete from ready where ctid = any(array(
					select r.ctid from ready r join task_runs t on t.id = r.task_run_id
					where r.task_run_id = any($1) and (r.task_run_id = any($2) or t.pipeline_run_id = any($3))
					for update of r skip locked))
				returning *
			)
			insert into ready (queue, lane, priority, seq, task_run_id, task_id, since)
			select queue, lane, -2147483648, seq, task_run_id, task_id, since from gone`, all, alone, locked)
		t.after = append(t.after, t.s.heads.forget)
		return err
	})
	return int(lifted), err
}

// ForgetKeys deletes what no longer answers.
func (s *Store) ForgetKeys(ctx context.Context, before time.Time, limit int) (int, error) {
	var forgotten int64
	err := s.write(ctx, "forget idempotency keys", func(t *tx) error {
		n, err := t.exec(`delete from idempotency_cache where idempotency_key = any(array(
			select idempotency_key from idempotency_cache where expires_at <= $1 order by expires_at limit $2 for update skip locked))`, t.now, limit)
		if err != nil {
			return err
		}
		forgotten = n
		n, err = t.exec(`delete from run_keys where idempotency_key = any(array(
			select u.idempotency_key from run_keys u left join pipeline_runs r on r.id = u.pipeline_run_id
			where u.claimed_at < $1 and (r.id is null or r.completed_at < $1) order by u.claimed_at limit $2 for update of u skip locked))`, before, limit)
		forgotten += n
		return err
	})
	return int(forgotten), err
}

// DeleteRuns deletes runs that ended long ago. The trigger of pipeline_runs
// takes what belongs to them.
func (s *Store) DeleteRuns(ctx context.Context, before time.Time, limit int) (store.DeletedRuns, error) {
	var out store.DeletedRuns
	err := s.write(ctx, "delete old runs", func(t *tx) error {
		out = store.DeletedRuns{}
		ids := func(query string, args ...any) ([]string, error) {
			var found []string
			err := t.rows(query, args, func(row scanner) error {
				found = append(found, "")
				return row.Scan(&found[len(found)-1])
			})
			return found, err
		}
		runs, err := ids(`select rs.pipeline_run_id from (
				select id from pipeline_runs r where created_at < $1 and completed_at < $1
					and not exists (select 1 from dlq d where d.pipeline_run_id = r.id and d.retried_at is null)
				order by created_at limit $2
			) r join run_state rs on rs.pipeline_run_id = r.id where rs.open <= 0
			order by rs.pipeline_run_id for update of rs skip locked`, before, limit)
		if err != nil {
			return err
		}
		// Between the look and the lock one may have been taken up again.
		if runs, err = ids(`select id from pipeline_runs where id = any($1) and completed_at < $2`, runs, before); err != nil {
			return err
		}
		alone, err := ids(`select id from task_runs t where pipeline_run_id is null and created_at < $1 and completed_at < $1
				and not exists (select 1 from dlq d where d.task_run_id = t.id and d.retried_at is null)
				and not exists (select 1 from task_runs n where n.id = t.superseded_by)
			limit $2 for update skip locked`, before, limit)
		if err != nil {
			return err
		}
		out.Runs, out.More = len(runs)+len(alone), len(runs) == limit || len(alone) == limit
		if out.Runs == 0 {
			return nil
		}
		const gone = `(pipeline_run_id = any($1) or id = any($2))`
		var c flow.Counts
		if err := t.row(`select -count(*) filter (where status = 'completed'), -count(*) filter (where status = 'failed') from task_runs where `+gone,
			[]any{runs, alone}, &c.Completed, &c.Failed); err != nil {
			return err
		}
		var paths []string
		if err := t.rows(`select distinct on (input_path) input_path, metadata, coalesce(i.stored, true)
				from task_runs left join inputs i on i.path = input_path
			where input_path is not null and `+gone+` order by input_path`, []any{runs, alone}, func(row scanner) error {
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
		if _, err := t.exec(`delete from run_events where task_run_id in (select id from task_runs where `+gone+`)`, runs, alone); err != nil {
			return err
		}
		if _, err := t.exec(`delete from task_runs where `+gone, runs, alone); err != nil {
			return err
		}
		if _, err := t.exec(`delete from pipeline_runs where id = any($1)`, runs); err != nil {
			return err
		}
		if _, err := t.exec(`delete from inputs where path = any($1)`, paths); err != nil {
			return err
		}
		t.count(c)
		return nil
	})
	return out, err
}
