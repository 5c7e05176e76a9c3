package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// Register stores a service with its tasks and renews the derived pipelines.
func (s *Store) Register(ctx context.Context, p store.Register) (store.Registered, error) {
	var out store.Registered
	err := s.write(ctx, "register service", func(t *tx) error {
		out = store.Registered{}
		old, err := t.putService(p.Service)
		if err != nil {
			return err
		}
		stored, err := t.tasksOf(p.Service.ID)
		if err != nil {
			return err
		}
		ids := make([]pipeline.TaskID, len(p.Tasks))
		for i, task := range p.Tasks {
			ids[i] = task.ID
		}
		known, err := t.Tasks(t.ctx, ids)
		if err != nil {
			return err
		}
		for _, task := range p.Tasks {
			was, exists := known[task.ID]
			a := flow.Announce(task, p.Service.ID, was, exists)
			if err := t.putTask(a, p.Service.Version); err != nil {
				return err
			}
			if a.Change != nil {
				out.CodeChanges = append(out.CodeChanges, *a.Change)
			}
			if exists && !was.Removed && was.Service != p.Service.ID {
				out.TakenOver = append(out.TakenOver, store.TakenOver{Task: task.ID, From: was.Service})
			}
		}
		if old != "" {
			out.Orphaned = flow.Removed(old, p.Service.Version, stored, p.Tasks)
			if out.Runs, err = t.orphan(out.Orphaned, p.Service.Version); err != nil {
				return err
			}
		}
		return t.renew()
	})
	return out, err
}

// putService returns the version that was stored; empty for a new service.
func (t *tx) putService(s store.Service) (old string, err error) {
	// Two registrations at once would renew the derived pipelines from halves.
	if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockRegister); err != nil {
		return "", err
	}
	err = t.row(`select version from services where id = $1 for update`, []any{s.ID}, &old)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", err
	}
	_, err = t.exec(`insert into services (id, base_url, version, status, inline_input, registered_at, last_heartbeat, metadata)
		values ($1, $2, $3, 'active', $4, $5, $5, $6)
		on conflict (id) do update set base_url = $2, version = $3, status = 'active', inline_input = $4, last_heartbeat = $5, metadata = $6`,
		s.ID, s.BaseURL, s.Version, s.InlineInput, ts(t.now), string(flow.Object(s.Metadata)))
	return old, err
}

func (t *tx) tasksOf(service pipeline.ServiceID) ([]store.Task, error) {
	var out []store.Task
	err := t.rows(`select `+taskCols+` from tasks k where k.service_id = $1 order by k.id`, []any{service}, func(row scanner) error {
		var task store.Task
		err := scanTask(row, &task)
		out = append(out, task)
		return err
	})
	return out, err
}

func (t *tx) putTask(a flow.Announced, serviceVersion string) error {
	var schema, ttl any
	if a.InputSchema != nil {
		schema = string(a.InputSchema)
	}
	if a.IdempotencyTTL > 0 {
		ttl = flow.Seconds(a.IdempotencyTTL)
	}
	_, err := t.exec(`insert into tasks (id, service_id, allowed_next, code_hash, code_version, concurrency, description,
			heartbeat_interval_ms, idempotency_ttl_seconds, input_schema, max_retry_delay_ms, priority, retries, retry_backoff,
			retry_delay_ms, timeout_seconds, registered_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
		on conflict (id) do update set service_id = $2, allowed_next = $3, code_hash = $4, code_version = $5, concurrency = $6,
			description = $7, heartbeat_interval_ms = $8, idempotency_ttl_seconds = $9, input_schema = $10,
			max_retry_delay_ms = $11, priority = $12, retries = $13, retry_backoff = $14, retry_delay_ms = $15,
			timeout_seconds = $16, updated_at = $17, metadata = coalesce(tasks.metadata, '{}') - 'removedInVersion'`,
		a.ID, a.Service, list(a.AllowedNext), a.CodeHash, a.CodeVersion, a.Concurrency, text(a.Description),
		flow.Millis(a.HeartbeatInterval), ttl, schema, flow.Millis(a.Retry.MaxDelay), a.Priority, a.Retry.Retries,
		a.Retry.Backoff, flow.Millis(a.Retry.Delay), flow.Seconds(a.Timeout), ts(t.now))
	if err == nil && a.Version {
		_, err = t.exec(`insert into task_code_history (task_id, service_version, code_hash, code_version, recorded_at) values ($1, $2, $3, $4, $5)`,
			a.ID, serviceVersion, a.CodeHash, a.CodeVersion, ts(t.now))
	}
	if err == nil && a.Moved {
		err = t.moveLane(a.Task)
	}
	return err
}

// moveLane follows a changed limit or service: attempts under way count
// against the new limit, and what waits moves to the right lane.
func (t *tx) moveLane(task store.Task) error {
	t.after = append(t.after, t.s.heads.forget)
	lane := ""
	if task.Concurrency > 0 {
		lane = string(task.ID)
		if _, err := t.exec(`update lease set slot = true where task_id = $1`, task.ID); err != nil {
			return err
		}
		if _, err := t.exec(`insert into slots (task_id, queue, cap) values ($1, $2, 0) on conflict do nothing`, task.ID, task.Service); err != nil {
			return err
		}
	}
	// Under the lock no claim adds to what is counted; and one statement sees an
	// end either in lease or in freed.
	if _, err := t.exec(`select 1 from slots where task_id = $1 for update`, task.ID); err != nil {
		return err
	}
	if _, err := t.exec(`with counted as (delete from freed where task_id = $1)
		update slots set queue = $2, cap = $3, used = (select count(*) from lease where task_id = $1 and slot)
		where task_id = $1`, task.ID, task.Service, task.Concurrency); err != nil {
		return err
	}
	_, err := t.exec(`update ready set queue = $2, lane = $3 where task_id = $1`, task.ID, task.Service, lane)
	return err
}

// waiting is true of task runs of the tasks $1 that are pending.
const waiting = `id in (select task_run_id from ready where task_id = any($1) union all select task_run_id from timer)
	and task_id = any($1) and status = 'pending'`

// orphan marks removed tasks and cancels what of them is pending.
func (t *tx) orphan(tasks []pipeline.TaskID, version string) ([]pipeline.RunID, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	if _, err := t.exec(`update tasks set metadata = jsonb_set(coalesce(metadata, '{}'), '{removedInVersion}', to_jsonb($2::text))
		where id = any($1)`, list(tasks), version); err != nil {
		return nil, err
	}
	var ids []pipeline.RunID
	err := t.rows(`select distinct pipeline_run_id from task_runs
		where `+waiting+` and pipeline_run_id is not null`, []any{list(tasks)}, func(row scanner) error {
		var id pipeline.RunID
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	runs, err := t.runs(ids)
	if err != nil {
		return nil, err
	}
	pending, err := t.takePending(waiting, list(tasks))
	if err != nil {
		return nil, err
	}
	// A run that got such a task after the look above is not under lock.
	locked := map[pipeline.RunID]bool{"": true}
	for _, r := range runs {
		locked[r.ID] = true
	}
	for _, p := range pending {
		if !locked[p.Run] {
			return nil, errAgain
		}
	}
	b := flow.New(t, t.now, runs)
	if err := b.Orphan(t.ctx, pending, flow.ErrorRemoved(version)); err != nil {
		return nil, err
	}
	if _, err := t.settle(b); err != nil {
		return nil, err
	}
	var touched []pipeline.RunID
	for _, r := range runs {
		touched = append(touched, r.ID)
	}
	return touched, nil
}
