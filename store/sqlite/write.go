package sqlite

import (
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// settle lets a batch decide what follows and writes all it decided.
func (t *tx) settle(b *flow.Batch) ([]store.EndedAttempt, error) {
	out, err := b.Settle(t.ctx)
	if err != nil {
		return nil, err
	}
	c := &b.Changes
	for _, step := range []func(*flow.Changes) error{
		t.starts, t.finishes, t.requeues, t.cancels, t.deadLetters, t.supersedes, t.inserts, t.keys, t.joinsAndRuns, t.kept,
	} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	return out, t.count(c.Counts)
}

func (t *tx) starts(c *flow.Changes) error {
	for _, r := range c.Starts {
		err := t.run(`insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version, input_path,
				created_at, started_at, metadata) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, r.Pipeline, r.Status, jsonText(r.Structure), r.Version, text(r.InputPath),
			us(r.CreatedAt), us(r.StartedAt), string(r.Metadata))
		if err != nil {
			return err
		}
		err = t.run(`insert into run_state (pipeline_run_id, failure_mode, entry_tasks, priority, open, triggered_by) values (?, ?, ?, ?, ?, ?)`,
			r.ID, r.FailureMode, list(r.EntryTasks), r.Priority, r.Open, r.TriggeredBy)
		if err != nil {
			return err
		}
	}
	for _, in := range c.Inputs {
		if err := t.run(`insert into inputs (path, data, created_at) values (?, ?, ?) on conflict do nothing`,
			in.Path, in.Data, us(t.now)); err != nil {
			return err
		}
	}
	return nil
}

// past is an attempt to append, or NULL to append nothing.
func past(p *store.PastAttempt) any {
	if p == nil {
		return nil
	}
	return jsonText(p)
}

func (t *tx) finishes(c *flow.Changes) error {
	for _, f := range c.Finishes {
		var next, details any
		if f.SelectedNext != nil {
			next = list(f.SelectedNext)
		}
		if f.Details != nil {
			details = string(f.Details)
		}
		assets := "{}"
		if f.Assets != nil {
			assets = jsonText(f.Assets)
		}
		if err := t.run(`update task_runs set status = ?2, owner = null, completed_at = ?3, output_path = ?4,
				output_size = min(?5, 2147483647), output_bytes = ?5, output_sha256 = ?13, logs_path = ?6, assets = ?7, selected_next = ?8, error = ?9, error_code = ?10,
				metadata = iif(?11 is null, metadata, json_set(coalesce(metadata, '{}'), '$.errorDetails', json(?11))),
				previous_attempts = iif(?12 is null, previous_attempts, json_insert(previous_attempts, '$[#]', json(?12)))
			where seq = ?1`,
			t.seqs[f.ID], string(f.Status), us(t.now), text(f.OutputPath), f.OutputSize, text(f.LogsPath), assets, next,
			text(f.Error), text(f.ErrorCode), details, past(f.Past), text(f.OutputSHA256)); err != nil {
			return err
		}
	}
	return nil
}

// lane is where claims look for a pending task run, as its task is defined now.
const lane = `queue = (select k.service_id from tasks k where k.id = task_id),
	lane = (select iif(k.concurrency > 0, k.id, '') from tasks k where k.id = task_id)`

func (t *tx) requeues(c *flow.Changes) error {
	for _, q := range c.Requeues {
		var since, due time.Time
		if q.Due.After(t.now) {
			due = q.Due
		} else {
			since = t.now
		}
		if err := t.run(`update task_runs set status = 'pending', owner = null, lifted = 0, since = ?5, due = ?6, `+lane+`,
				attempt = ?2, max_retries = ?7, scheduled_for = coalesce(?3, scheduled_for),
				error = null, error_code = null, started_at = null, completed_at = null, heartbeat_at = null,
				metadata = json_remove(coalesce(metadata, '{}'), '$.progress', '$.progressMessage'),
				previous_attempts = iif(?4 is null, previous_attempts, json_insert(previous_attempts, '$[#]', json(?4)))
			where seq = ?1`, t.seqs[q.ID], q.Attempt, us(q.Due), past(q.Past), us(since), us(due), q.Retries); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) cancels(c *flow.Changes) error {
	for _, x := range c.Cancels {
		if err := t.run(`update task_runs set status = 'cancelled', since = null, due = null, completed_at = ?, error = ?
			where id = ? and status = 'pending'`, us(t.now), x.Error, x.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) deadLetters(c *flow.Changes) error {
	for _, d := range c.DeadLetters {
		meta := "{}"
		if d.Details != nil {
			meta = jsonText(map[string]any{"details": d.Details})
		}
		err := t.run(`insert into dlq (id, task_id, task_run_id, pipeline_run_id, attempts, error, code_hash, code_version,
				previous_attempts, upstream_refs, input_path, failed_at, metadata)
			select ?, task_id, id, pipeline_run_id, attempt, ?, code_hash, code_version, previous_attempts, upstream_refs,
				input_path, ?, ? from task_runs where id = ?`, d.ID, d.Error, us(t.now), meta, d.TaskRun)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) inserts(c *flow.Changes) error {
	for _, in := range c.Inserts {
		var since, due time.Time
		switch {
		case in.Status != pipeline.TaskPending:
		case in.ScheduledFor.After(t.now):
			due = in.ScheduledFor
		default:
			since = t.now
		}
		lane := ""
		if in.Limited {
			lane = string(in.Task)
		}
		refs, order := "{}", "[]"
		if len(in.UpstreamRefs) > 0 {
			names := make([]pipeline.TaskID, 0, len(in.UpstreamRefs))
			for _, up := range in.UpstreamRefs {
				names = append(names, up.Task)
			}
			text, err := in.UpstreamRefs.MarshalJSON() // json.Marshal would read it all again
			if err != nil {
				return err
			}
			refs, order = string(text), list(names)
		}
		if err := t.run(`insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, priority, code_hash,
				code_version, code_changed, first_run, input_path, upstream_refs, upstream_order, selected_next, error,
				idempotency_key, scheduled_for, created_at, completed_at, metadata, since, due, queue, lane)
			values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			string(in.ID), string(in.Task), text(in.Run), string(in.Status), in.MaxRetries, in.Priority, in.CodeHash, in.CodeVersion,
			in.CodeChanged, in.FirstRun, text(in.InputPath), refs, order, text(in.Error),
			text(in.IdempotencyKey), us(in.ScheduledFor), us(in.CreatedAt), us(in.CompletedAt), string(in.Metadata),
			us(since), us(due), string(in.Service), lane); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) joinsAndRuns(c *flow.Changes) error {
	for _, j := range c.Joins {
		err := t.run(`insert into joins (pipeline_run_id, task_id, fired, dead, broken) values (?1, ?2, ?3, ?4, ?5)
			on conflict do update set fired = ?3, dead = ?4, broken = ?5`, j.Run, j.Task, j.Fired, j.Dead, j.Broken)
		if err != nil {
			return err
		}
	}
	for _, r := range c.Runs {
		err := t.run(`update run_state set open = ?, completed = ?, broken = ?, ends_completed = ?, end_output = ? where pipeline_run_id = ?`,
			r.Open, r.Tally.Completed, r.Tally.Broken, r.Tally.EndsCompleted, text(r.EndOutput), r.ID)
		if err != nil {
			return err
		}
		if err := t.reopen(r); err != nil {
			return err
		}
		if !r.Ended {
			continue
		}
		err = t.run(`update pipeline_runs set status = ?, completed_at = ?, error = ?, output_path = ?
			where id = ? and status in ('pending', 'running')`, r.Status, us(t.now), text(r.Error), text(r.OutputPath), r.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) kept(c *flow.Changes) error {
	for task, version := range c.Seen {
		if err := t.run(`insert into task_seen (task_id, code_version) values (?1, ?2)
			on conflict do update set code_version = ?2`, task, version); err != nil {
			return err
		}
	}
	for task, n := range c.Freed {
		if err := t.run(`update slots set used = max(0, used - ?) where task_id = ?`, n, task); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) count(c flow.Counts) error {
	if c == (flow.Counts{}) {
		return nil
	}
	err := t.run(`update counters set pending = pending + ?, running = running + ?, completed = completed + ?,
		failed = failed + ?, dead_letters = dead_letters + ? where shard = 0`,
		c.Pending, c.Running, c.Completed, c.Failed, c.DeadLetters)
	return err
}
