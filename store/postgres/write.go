package postgres

import (
	"maps"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// settle lets a batch decide what follows and queues all it decided for the
// round trip of the commit: one statement per kind of change.
func (t *tx) settle(b *flow.Batch) ([]store.EndedAttempt, error) {
	out, err := b.Settle(t.ctx)
	if err != nil {
		return nil, err
	}
	c := &b.Changes
	t.after = append(t.after, t.s.heads.passed(c))
	if err := t.copies(c); err != nil {
		return nil, err
	}
	t.starts(c)
	t.inputs(c)
	t.finishes(c)
	t.requeues(c)
	t.cancels(c)
	t.deadLetters(c)
	t.supersedes(c)
	t.inserts(c)
	t.keys(c)
	t.joinsAndRuns(c)
	t.kept(c)
	if t.hand == nil || !t.handOver(c) {
		t.freed(c)
		t.count(c.Counts)
	}
	return out, nil
}

// PostgreSQL keeps a plan that it made while the tables were small, and it must
// be one that finds rows by their ids for ever. So a status is compared with
// "is true", which no index answers.

// Rows travel as one array per column, so that a statement is the same for one
// row and for a thousand. In most columns "" stands for NULL.

func (t *tx) finishes(c *flow.Changes) {
	var done, broken finishCols
	for _, f := range c.Finishes {
		if f.Status == pipeline.TaskCompleted && f.Past == nil && f.Details == nil && f.Error == "" {
			done.add(f)
		} else {
			broken.add(f)
		}
	}
	if len(done.ids) > 0 {
		t.end.Queue(`update task_runs t set status = 'completed', completed_at = $1, output_path = nullif(u.output_path, ''),
				output_size = least(u.size, 2147483647), output_bytes = u.size, logs_path = nullif(u.logs_path, ''),
				assets = u.assets::jsonb, output_sha256 = nullif(u.sha256, ''), selected_next = u.next::text[], error = null, error_code = null
			from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
				u(id, output_path, size, sha256, logs_path, assets, next)
			where t.id = u.id and (t.status = 'running') is true`,
			t.now, done.ids, done.outputs, done.sizes, done.hashes, done.logs, done.assets, done.next)
	}
	if len(broken.ids) > 0 {
		t.end.Queue(`with t as (update task_runs t set status = u.status, completed_at = $1, output_path = nullif(u.output_path, ''),
				output_size = least(u.size, 2147483647), output_bytes = u.size, logs_path = nullif(u.logs_path, ''),
				assets = u.assets::jsonb, output_sha256 = nullif(u.sha256, ''), selected_next = u.next::text[], error = nullif(u.error, ''), error_code = nullif(u.code, ''),
				metadata = case when u.details = '' then t.metadata
					else coalesce(t.metadata, '{}') || jsonb_build_object('errorDetails', u.details::jsonb) end,
				previous_attempts = case when u.past = '' then t.previous_attempts else t.previous_attempts || u.past::jsonb end
			from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
				$11::text[], $12::text[], $13::text[]) u(id, output_path, size, sha256, logs_path, assets, next, status, error, code, details, past)
			where t.id = u.id and (t.status = 'running') is true returning t.status, t.priority, t.seq, t.id) `+noteBroken,
			t.now, broken.ids, broken.outputs, broken.sizes, broken.hashes, broken.logs, broken.assets, broken.next,
			broken.statuses, broken.errors, broken.codes, broken.details, broken.past)
	}
}

// noteBroken follows a statement that ended task runs t.
const noteBroken = `insert into broken (status, priority, seq, task_run_id)
	select status, priority, seq, id from t where status in ('failed', 'timeout', 'cancelled') on conflict do nothing`

// finishCols are ends of task runs by column.
type finishCols struct {
	ids, outputs, hashes, logs, assets     []string
	statuses, errors, codes, details, past []string
	sizes                                  []int64
	next                                   []*string
}

func (u *finishCols) add(f flow.Finish) {
	u.ids, u.statuses = append(u.ids, string(f.ID)), append(u.statuses, string(f.Status))
	u.outputs, u.sizes, u.hashes = append(u.outputs, f.OutputPath), append(u.sizes, f.OutputSize), append(u.hashes, f.OutputSHA256)
	u.logs = append(u.logs, f.LogsPath)
	assets := "{}"
	if len(f.Assets) > 0 {
		assets = jsonText(f.Assets)
	}
	u.assets = append(u.assets, assets)
	var next *string // all
	if f.SelectedNext != nil {
		text := arrayText(f.SelectedNext)
		next = &text
	}
	u.next = append(u.next, next)
	u.errors, u.codes, u.details = append(u.errors, f.Error), append(u.codes, f.ErrorCode), append(u.details, string(f.Details))
	u.past = append(u.past, pastText(f.Past))
}

func pastText(past *store.PastAttempt) string {
	if past == nil {
		return ""
	}
	return jsonText(past)
}

// makeReady puts pending task runs where claims look.
const makeReady = `insert into ready (queue, lane, priority, seq, task_run_id, task_id)
	select k.service_id, case when k.concurrency > 0 then k.id else '' end, t.priority, t.seq, t.id, t.task_id
	from task_runs t join tasks k on k.id = t.task_id where t.id = any($1) and (t.status = 'pending') is true`

func (t *tx) requeues(c *flow.Changes) {
	if len(c.Requeues) == 0 {
		return
	}
	var ids, past, ready, later []string
	var attempts, retries []int
	var dues []*time.Time
	var due []time.Time
	for _, q := range c.Requeues {
		ids, attempts, retries = append(ids, string(q.ID)), append(attempts, q.Attempt), append(retries, q.Retries)
		dues, past = append(dues, ts(q.Due)), append(past, pastText(q.Past))
		if q.Due.After(t.now) {
			later, due = append(later, string(q.ID)), append(due, q.Due)
		} else {
			ready = append(ready, string(q.ID))
		}
	}
	t.end.Queue(`update task_runs t set status = 'pending', attempt = u.attempt, max_retries = u.retries, scheduled_for = coalesce(u.due, t.scheduled_for),
			error = null, error_code = null, started_at = null, completed_at = null, heartbeat_at = null,
			metadata = coalesce(t.metadata, '{}') - 'progress' - 'progressMessage',
			previous_attempts = case when u.past = '' then t.previous_attempts else t.previous_attempts || u.past::jsonb end
		from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::int[]) u(id, attempt, due, past, retries)
		where t.id = u.id and (t.status = 'running') is true`, ids, attempts, dues, past, retries)
	if len(later) > 0 {
		t.end.Queue(`insert into timer (task_run_id, due) select * from unnest($1::text[], $2::timestamptz[])`, later, due)
	}
	if len(ready) > 0 {
		t.end.Queue(makeReady, ready)
	}
}

func (t *tx) cancels(c *flow.Changes) {
	if len(c.Cancels) == 0 {
		return
	}
	var ids, errs []string
	for _, x := range c.Cancels {
		ids, errs = append(ids, string(x.ID)), append(errs, x.Error)
	}
	t.end.Queue(`with t as (
			update task_runs t set status = 'cancelled', completed_at = $3, error = u.error
			from unnest($1::text[], $2::text[]) u(id, error)
			where t.id = u.id and (t.status = 'pending') is true returning t.status, t.priority, t.seq, t.id
		) `+noteBroken, ids, errs, t.now)
}

func (t *tx) deadLetters(c *flow.Changes) {
	if len(c.DeadLetters) == 0 {
		return
	}
	var ids, runs, errs, details []string
	for _, d := range c.DeadLetters {
		ids, runs = append(ids, string(d.ID)), append(runs, string(d.TaskRun))
		errs, details = append(errs, d.Error), append(details, string(d.Details))
	}
	t.end.Queue(`insert into dlq (id, task_id, task_run_id, pipeline_run_id, attempts, error, code_hash, code_version,
			previous_attempts, upstream_refs, input_path, failed_at, metadata)
		select u.id, t.task_id, t.id, t.pipeline_run_id, t.attempt, u.error, t.code_hash, t.code_version, t.previous_attempts,
			t.upstream_refs, t.input_path, $1, case when u.details = '' then '{}' else jsonb_build_object('details', u.details::jsonb) end
		from unnest($2::text[], $3::text[], $4::text[], $5::text[]) u(id, task_run, error, details) join task_runs t on t.id = u.task_run`,
		t.now, ids, runs, errs, details)
}

func (t *tx) joinsAndRuns(c *flow.Changes) {
	if len(c.Joins) > 0 {
		var runs, tasks []string
		var fired, dead, broken []int
		for _, j := range c.Joins {
			runs, tasks = append(runs, string(j.Run)), append(tasks, string(j.Task))
			fired, dead, broken = append(fired, j.Fired), append(dead, j.Dead), append(broken, j.Broken)
		}
		t.end.Queue(`insert into joins (pipeline_run_id, task_id, fired, dead, broken)
			select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[])
			on conflict (pipeline_run_id, task_id) do update set fired = excluded.fired, dead = excluded.dead, broken = excluded.broken`,
			runs, tasks, fired, dead, broken)
	}
	if len(c.Runs) == 0 {
		return
	}
	var ids, outputs, ended, statuses []string
	var open, completed, broken, ends []int
	var errs, results []*string
	for _, r := range c.Runs {
		ids, outputs = append(ids, string(r.ID)), append(outputs, r.EndOutput)
		open, completed = append(open, r.Open), append(completed, r.Tally.Completed)
		broken, ends = append(broken, r.Tally.Broken), append(ends, r.Tally.EndsCompleted)
		if r.Ended {
			ended, statuses = append(ended, string(r.ID)), append(statuses, string(r.Status))
			errs, results = append(errs, text(r.Error)), append(results, text(r.OutputPath))
		}
	}
	t.end.Queue(`update run_state s set open = u.open, completed = u.completed, broken = u.broken, ends_completed = u.ends,
			end_output = nullif(u.output, '')
		from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[]) u(id, open, completed, broken, ends, output)
		where s.pipeline_run_id = u.id`, ids, open, completed, broken, ends, outputs)
	t.reopens(c.Runs)
	if len(ended) > 0 {
		t.end.Queue(`update pipeline_runs r set status = u.status, completed_at = $5, error = u.error, output_path = u.output
			from unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(id, status, error, output)
			where r.id = u.id and (r.status in ('pending', 'running')) is true`, ended, statuses, errs, results, t.now)
	}
}

func (t *tx) kept(c *flow.Changes) {
	if len(c.Seen) > 0 {
		var tasks []string
		var versions []int
		for _, task := range slices.Sorted(maps.Keys(c.Seen)) { // one order for all: no deadlock
			tasks, versions = append(tasks, string(task)), append(versions, c.Seen[task])
		}
		t.end.Queue(`insert into task_seen (task_id, code_version) select * from unnest($1::text[], $2::int[])
			on conflict (task_id) do update set code_version = excluded.code_version`, tasks, versions)
	}
}

func (t *tx) freed(c *flow.Changes) {
	if len(c.Freed) > 0 {
		tasks, n := freedColumns(c)
		t.end.Queue(`insert into freed (task_id, n) select * from unnest($1::text[], $2::int[])`, tasks, n)
	}
}

func freedColumns(c *flow.Changes) (tasks []string, n []int) {
	for task, freed := range c.Freed {
		tasks, n = append(tasks, string(task)), append(n, freed)
	}
	return tasks, n
}
