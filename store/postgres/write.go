package postgres

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
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
	t.starts(c)
	t.finishes(c)
	t.requeues(c)
	t.cancels(c)
	t.deadLetters(c)
	t.supersedes(c)
	t.inserts(c)
	t.joinsAndRuns(c)
	t.kept(c)
	t.count(c.Counts)
	return out, nil
}

// PostgreSQL keeps a plan that it made while the tables were small, and it must
// be one that finds rows by their ids for ever. So a status is compared with
// "is true", which no index answers; and the rows of a document are taken up to
// their number, which says nothing to the statement but tells the planner to
// expect few of them.

// Rows travel as one JSON document, so that a statement is the same for one
// row and for a thousand, and columns keep their names.

type startRow struct {
	ID        pipeline.RunID       `json:"id"`
	Pipeline  pipeline.ID          `json:"pipeline"`
	Status    pipeline.RunStatus   `json:"status"`
	Structure pipeline.Structure   `json:"structure"`
	Version   string               `json:"version"`
	InputPath string               `json:"input_path,omitempty"`
	CreatedAt time.Time            `json:"created_at"`
	StartedAt *time.Time           `json:"started_at"`
	Metadata  json.RawMessage      `json:"metadata"`
	Mode      pipeline.FailureMode `json:"failure_mode"`
	Entries   []pipeline.TaskID    `json:"entry_tasks"`
	Priority  *int                 `json:"priority"`
	Open      int                  `json:"open"`
}

func (t *tx) starts(c *flow.Changes) {
	if len(c.Starts) > 0 {
		rows := make([]startRow, len(c.Starts))
		for i, r := range c.Starts {
			rows[i] = startRow{r.ID, r.Pipeline, r.Status, r.Structure, r.Version, r.InputPath, r.CreatedAt, ts(r.StartedAt),
				r.Metadata, r.FailureMode, r.EntryTasks, r.Priority, r.Open}
		}
		doc := jsonText(rows)
		t.end.Queue(`insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version, input_path, created_at, started_at, metadata)
			select id, pipeline, status, structure, version, input_path, created_at, started_at, metadata
			from json_to_recordset($1::json) as u(id text, pipeline text, status text, structure jsonb, version text,
				input_path text, created_at timestamptz, started_at timestamptz, metadata jsonb)`, doc)
		t.end.Queue(`insert into run_state (pipeline_run_id, failure_mode, entry_tasks, priority, open)
			select id, failure_mode, entry_tasks, priority, open
			from json_to_recordset($1::json) as u(id text, failure_mode text, entry_tasks text[], priority int, open int)`, doc)
	}
	if len(c.Inputs) > 0 {
		var paths []string
		var data [][]byte
		for _, in := range c.Inputs {
			paths, data = append(paths, in.Path), append(data, in.Data)
		}
		t.end.Queue(`insert into inputs (path, data) select * from unnest($1::text[], $2::bytea[]) on conflict do nothing`, paths, data)
	}
}

type finishRow struct {
	ID         pipeline.TaskRunID     `json:"id"`
	Status     pipeline.TaskStatus    `json:"status"`
	OutputPath string                 `json:"output_path,omitempty"`
	Size       int64                  `json:"size"`
	SHA256     string                 `json:"sha256,omitempty"`
	LogsPath   string                 `json:"logs_path,omitempty"`
	Assets     map[string]store.Asset `json:"assets"`
	Next       []pipeline.TaskID      `json:"next"` // null: all
	Error      string                 `json:"error,omitempty"`
	Code       string                 `json:"code,omitempty"`
	Details    json.RawMessage        `json:"details,omitempty"`
	Past       *store.PastAttempt     `json:"past"`
}

func (t *tx) finishes(c *flow.Changes) {
	if len(c.Finishes) == 0 {
		return
	}
	rows := make([]finishRow, len(c.Finishes))
	for i, f := range c.Finishes {
		rows[i] = finishRow{f.ID, f.Status, f.OutputPath, f.OutputSize, f.OutputSHA256, f.LogsPath, f.Assets, f.SelectedNext, f.Error,
			f.ErrorCode, f.Details, f.Past}
	}
	t.end.Queue(`with u as materialized (
			select * from json_to_recordset($1::json) as u(id text, status text, output_path text, size bigint, sha256 text, logs_path text,
				assets jsonb, next text[], error text, code text, details jsonb, past jsonb) limit $3
		)
		update task_runs t set status = u.status, completed_at = $2, output_path = u.output_path,
			output_size = least(u.size, 2147483647), output_bytes = u.size, output_sha256 = u.sha256, logs_path = u.logs_path,
			assets = coalesce(u.assets, '{}'), selected_next = u.next, error = u.error, error_code = u.code,
			metadata = case when u.details is null then t.metadata
				else coalesce(t.metadata, '{}') || jsonb_build_object('errorDetails', u.details) end,
			previous_attempts = case when u.past is null then t.previous_attempts else t.previous_attempts || u.past end
		from u where t.id = u.id and (t.status = 'running') is true`, jsonText(rows), t.now, len(rows))
}

type requeueRow struct {
	ID      pipeline.TaskRunID `json:"id"`
	Attempt int                `json:"attempt"`
	Due     *time.Time         `json:"due"`
	Past    *store.PastAttempt `json:"past"`
}

// makeReady puts pending task runs where claims look.
const makeReady = `insert into ready (queue, lane, priority, seq, task_run_id, task_id)
	select k.service_id, case when k.concurrency > 0 then k.id else '' end, t.priority, t.seq, t.id, t.task_id
	from task_runs t join tasks k on k.id = t.task_id where t.id = any($1) and (t.status = 'pending') is true`

func (t *tx) requeues(c *flow.Changes) {
	if len(c.Requeues) == 0 {
		return
	}
	var rows []requeueRow
	var ready, later []string
	var due []time.Time
	for _, q := range c.Requeues {
		rows = append(rows, requeueRow{q.ID, q.Attempt, ts(q.Due), q.Past})
		if q.Due.After(t.now) {
			later, due = append(later, string(q.ID)), append(due, q.Due)
		} else {
			ready = append(ready, string(q.ID))
		}
	}
	t.end.Queue(`with u as materialized (
			select * from json_to_recordset($1::json) as u(id text, attempt int, due timestamptz, past jsonb) limit $2
		)
		update task_runs t set status = 'pending', attempt = u.attempt, scheduled_for = coalesce(u.due, t.scheduled_for),
			error = null, error_code = null, started_at = null, completed_at = null, heartbeat_at = null,
			metadata = coalesce(t.metadata, '{}') - 'progress' - 'progressMessage',
			previous_attempts = case when u.past is null then t.previous_attempts else t.previous_attempts || u.past end
		from u where t.id = u.id and (t.status = 'running') is true`, jsonText(rows), len(rows))
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
	t.end.Queue(`update task_runs t set status = 'cancelled', completed_at = $3, error = u.error
		from unnest($1::text[], $2::text[]) u(id, error)
		where t.id = u.id and (t.status = 'pending') is true`, ids, errs, t.now)
}

type deadRow struct {
	ID      pipeline.DeadLetterID `json:"id"`
	TaskRun pipeline.TaskRunID    `json:"task_run"`
	Error   string                `json:"error"`
	Details json.RawMessage       `json:"details,omitempty"`
}

func (t *tx) deadLetters(c *flow.Changes) {
	if len(c.DeadLetters) == 0 {
		return
	}
	rows := make([]deadRow, len(c.DeadLetters))
	for i, d := range c.DeadLetters {
		rows[i] = deadRow(d)
	}
	t.end.Queue(`with u as materialized (
			select * from json_to_recordset($1::json) as u(id text, task_run text, error text, details jsonb) limit $3
		)
		insert into dlq (id, task_id, task_run_id, pipeline_run_id, attempts, error, code_hash, code_version,
			previous_attempts, upstream_refs, input_path, failed_at, metadata)
		select u.id, t.task_id, t.id, t.pipeline_run_id, t.attempt, u.error, t.code_hash, t.code_version, t.previous_attempts,
			t.upstream_refs, t.input_path, $2, case when u.details is null then '{}' else jsonb_build_object('details', u.details) end
		from u join task_runs t on t.id = u.task_run`, jsonText(rows), t.now, len(rows))
}

type insertRow struct {
	Ord         int                 `json:"ord"`
	ID          pipeline.TaskRunID  `json:"id"`
	Task        pipeline.TaskID     `json:"task"`
	Run         pipeline.RunID      `json:"run,omitempty"`
	Status      pipeline.TaskStatus `json:"status"`
	Retries     int                 `json:"retries"`
	Priority    int                 `json:"priority"`
	CodeHash    string              `json:"code_hash"`
	CodeVersion int                 `json:"code_version"`
	Changed     bool                `json:"changed"`
	First       bool                `json:"first"`
	InputPath   string              `json:"input_path,omitempty"`
	Upstream    store.UpstreamRefs  `json:"upstream"`
	Order       []pipeline.TaskID   `json:"upstream_order"`
	Error       string              `json:"error,omitempty"`
	Key         string              `json:"key,omitempty"`
	Scheduled   *time.Time          `json:"scheduled"`
	CreatedAt   time.Time           `json:"created_at"`
	CompletedAt *time.Time          `json:"completed_at"`
	Metadata    json.RawMessage     `json:"metadata"`
	Service     pipeline.ServiceID  `json:"service"`
	Lane        string              `json:"lane"`
}

func (t *tx) inserts(c *flow.Changes) {
	if len(c.Inserts) == 0 {
		return
	}
	rows := make([]insertRow, len(c.Inserts))
	for i, in := range c.Inserts {
		order := []pipeline.TaskID{}
		for _, up := range in.UpstreamRefs {
			order = append(order, up.Task)
		}
		lane := ""
		if in.Limited {
			lane = string(in.Task)
		}
		rows[i] = insertRow{i, in.ID, in.Task, in.Run, in.Status, in.MaxRetries, in.Priority, in.CodeHash, in.CodeVersion,
			in.CodeChanged, in.FirstRun, in.InputPath, in.UpstreamRefs, order, in.Error, in.IdempotencyKey,
			ts(in.ScheduledFor), in.CreatedAt, ts(in.CompletedAt), in.Metadata, in.Service, lane}
	}
	// Sorting below the insert numbers the rows in the order of the batch.
	t.end.Queue(`with u as materialized (
			select * from json_to_recordset($1::json) as u(ord int, id text, task text, run text, status text, retries int,
				priority int, code_hash text, code_version int, changed boolean, first boolean, input_path text, upstream jsonb,
				upstream_order text[], error text, key text, scheduled timestamptz, created_at timestamptz,
				completed_at timestamptz, metadata jsonb, service text, lane text)
		), ins as (
			insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, priority, code_hash, code_version,
				code_changed, first_run, input_path, upstream_refs, upstream_order, selected_next, error, idempotency_key,
				scheduled_for, created_at, completed_at, metadata)
			select id, task, run, status, retries, priority, code_hash, code_version, changed, first, input_path, upstream,
				upstream_order, null, error, key, scheduled, created_at, completed_at, metadata from u order by ord
			returning id, seq
		), later as (
			insert into timer (task_run_id, due) select id, scheduled from u where status = 'pending' and scheduled > $2
		)
		insert into ready (queue, lane, priority, seq, task_run_id, task_id)
		select u.service, u.lane, u.priority, ins.seq, u.id, u.task from u join ins on ins.id = u.id
		where u.status = 'pending' and (u.scheduled is null or u.scheduled <= $2)`, jsonText(rows), t.now)
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
	if len(c.Freed) > 0 {
		var tasks []string
		var n []int
		for task, freed := range c.Freed {
			tasks, n = append(tasks, string(task)), append(n, freed)
		}
		t.end.Queue(`select 1 from slots where task_id = any($1) order by task_id for update`, tasks)
		t.end.Queue(`update slots s set used = greatest(0, s.used - u.n) from unnest($1::text[], $2::int[]) u(id, n) where s.task_id = u.id`, tasks, n)
	}
}

// count changes the kept counts, in a shard that other steps of the moment
// probably do not use.
func (t *tx) count(c flow.Counts) {
	if c == (flow.Counts{}) {
		return
	}
	t.end.Queue(`update counters set pending = pending + $1, running = running + $2, completed = completed + $3,
		failed = failed + $4, dead_letters = dead_letters + $5 where shard = $6`,
		c.Pending, c.Running, c.Completed, c.Failed, c.DeadLetters, rand.IntN(t.s.shards))
}
