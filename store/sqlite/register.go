package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// Register stores a service with its tasks and renews the derived pipelines.
func (s *Store) Register(ctx context.Context, p store.Register) (store.Registered, error) {
	var out store.Registered
	err := s.write(ctx, "register service", func(t *tx) error {
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
	err = t.row(`select version from services where id = ?`, []any{s.ID}, &old)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	err = t.run(`insert into services (id, base_url, version, status, inline_input, registered_at, last_heartbeat, metadata)
		values (?1, ?2, ?3, 'active', ?4, ?5, ?5, ?6)
		on conflict (id) do update set base_url = ?2, version = ?3, status = 'active', inline_input = ?4, last_heartbeat = ?5, metadata = ?6`,
		s.ID, s.BaseURL, s.Version, s.InlineInput, us(t.now), string(flow.Object(s.Metadata)))
	return old, err
}

func (t *tx) tasksOf(service pipeline.ServiceID) ([]store.Task, error) {
	var out []store.Task
	err := t.rows(`select `+taskCols+` from tasks k where k.service_id = ? order by k.id`, []any{service}, func(row scanner) error {
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
	err := t.run(`insert into tasks (id, service_id, allowed_next, code_hash, code_version, concurrency, description,
			heartbeat_interval_ms, idempotency_ttl_seconds, input_schema, max_retry_delay_ms, priority, retries, retry_backoff,
			retry_delay_ms, timeout_seconds, registered_at, updated_at)
		values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)
		on conflict (id) do update set service_id = ?2, allowed_next = ?3, code_hash = ?4, code_version = ?5, concurrency = ?6,
			description = ?7, heartbeat_interval_ms = ?8, idempotency_ttl_seconds = ?9, input_schema = ?10,
			max_retry_delay_ms = ?11, priority = ?12, retries = ?13, retry_backoff = ?14, retry_delay_ms = ?15,
			timeout_seconds = ?16, updated_at = ?17, metadata = json_remove(coalesce(metadata, '{}'), '$.removedInVersion')`,
		a.ID, a.Service, list(a.AllowedNext), a.CodeHash, a.CodeVersion, a.Concurrency, text(a.Description),
		flow.Millis(a.HeartbeatInterval), ttl, schema, flow.Millis(a.Retry.MaxDelay), a.Priority, a.Retry.Retries,
		a.Retry.Backoff, flow.Millis(a.Retry.Delay), flow.Seconds(a.Timeout), us(t.now))
	if err == nil && a.Version {
		err = t.run(`insert into task_code_history (task_id, service_version, code_hash, code_version, recorded_at) values (?, ?, ?, ?, ?)`,
			a.ID, serviceVersion, a.CodeHash, a.CodeVersion, us(t.now))
	}
	if err == nil && a.Moved {
		err = t.moveLane(a.Task)
	}
	return err
}

// moveLane follows a changed limit or service: attempts under way count
// against the new limit, and what waits moves to the right lane.
func (t *tx) moveLane(task store.Task) error {
	lane := ""
	if task.Concurrency > 0 {
		lane = string(task.ID)
		if err := t.run(`update task_runs set slot = 1 where task_id = ? and owner is not null`, task.ID); err != nil {
			return err
		}
		if err := t.run(`insert into slots (task_id, queue, cap) values (?, ?, 0) on conflict do nothing`, task.ID, task.Service); err != nil {
			return err
		}
	}
	if err := t.run(`update slots set queue = ?2, cap = ?3, used = (select count(*) from task_runs where task_id = ?1 and owner is not null and slot)
		where task_id = ?1`, task.ID, task.Service, task.Concurrency); err != nil {
		return err
	}
	// By the index of what is claimable, not by the history of the task.
	err := t.run(`update task_runs indexed by idx_task_runs_ready set queue = ?2, lane = ?3 where task_id = ?1 and since is not null`,
		task.ID, task.Service, lane)
	return err
}

// orphan marks removed tasks and cancels what of them is pending.
func (t *tx) orphan(tasks []pipeline.TaskID, version string) ([]pipeline.RunID, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	if err := t.run(`update tasks set updated_at = ?3, metadata = json_set(coalesce(metadata, '{}'), '$.removedInVersion', ?2)
		where id in (select value from json_each(?1))`, list(tasks), version, us(t.now)); err != nil {
		return nil, err
	}
	pending, err := t.pending(`select id, task_id, pipeline_run_id from (
			select seq, id, task_id, pipeline_run_id from task_runs indexed by idx_task_runs_ready where since is not null
			union all select seq, id, task_id, pipeline_run_id from task_runs indexed by idx_task_runs_due where due is not null)
		where task_id in (select value from json_each(?)) order by seq`, list(tasks))
	if err != nil {
		return nil, err
	}
	var ids []pipeline.RunID
	for _, p := range pending {
		if p.Run != "" {
			ids = append(ids, p.Run)
		}
	}
	runs, err := t.runs(ids)
	if err != nil {
		return nil, err
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
