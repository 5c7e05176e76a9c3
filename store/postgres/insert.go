package postgres

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// starts creates pipeline runs. Those of one pipeline share their structure.
func (t *tx) starts(c *flow.Changes) {
	if len(c.Starts) == 0 {
		return
	}
	var ids, pipelines, statuses, structures, versions, inputs, metadata, modes, entries, by []string
	var started []*time.Time
	var priorities []*int
	var open []int
	texts := map[pipeline.ID]string{}
	for _, r := range c.Starts {
		structure, known := texts[r.Pipeline]
		if !known {
			structure = jsonText(r.Structure)
			texts[r.Pipeline] = structure
		}
		ids, pipelines, statuses = append(ids, string(r.ID)), append(pipelines, string(r.Pipeline)), append(statuses, string(r.Status))
		structures, versions, inputs = append(structures, structure), append(versions, r.Version), append(inputs, r.InputPath)
		started, metadata = append(started, ts(r.StartedAt)), append(metadata, string(r.Metadata))
		modes, entries = append(modes, string(r.FailureMode)), append(entries, arrayText(r.EntryTasks))
		priorities, open, by = append(priorities, r.Priority), append(open, r.Open), append(by, r.TriggeredBy)
	}
	t.end.Queue(`with r as (
			insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version, input_path, created_at, started_at, metadata)
			select id, pipeline, status, structure::jsonb, version, nullif(input_path, ''), $1::timestamptz, started, metadata::jsonb
			from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])
				u(id, pipeline, status, structure, version, input_path, started, metadata)
		)
		insert into run_state (pipeline_run_id, failure_mode, entry_tasks, priority, open, triggered_by)
		select id, mode, entries::text[], priority, open, triggered_by
		from unnest($2::text[], $10::text[], $11::text[], $12::int[], $13::int[], $14::text[]) u(id, mode, entries, priority, open, triggered_by)`,
		t.now, ids, pipelines, statuses, structures, versions, inputs, started, metadata, modes, entries, priorities, open, by)
}

// inputs keeps the inputs that ride in the database.
func (t *tx) inputs(c *flow.Changes) {
	if len(c.Inputs) == 0 {
		return
	}
	paths, data := make([]string, len(c.Inputs)), make([][]byte, len(c.Inputs))
	for i, in := range c.Inputs {
		paths[i], data[i] = in.Path, in.Data
	}
	t.end.Queue(`insert into inputs (path, data) select * from unnest($1::text[], $2::bytea[]) on conflict do nothing`, paths, data)
}

// upstreamText is what the columns about upstream results hold: the results,
// and the order that jsonb does not keep.
func upstreamText(refs store.UpstreamRefs) (object, order string) {
	if len(refs) == 0 {
		return "{}", "{}" // an empty object, an empty array
	}
	tasks := make([]pipeline.TaskID, len(refs))
	for i, up := range refs {
		tasks[i] = up.Task
	}
	text, err := refs.MarshalJSON() // json.Marshal would read it all again
	if err != nil {
		return "{}", "{}" // not reached: texts always encode
	}
	return string(text), arrayText(tasks)
}

// inserts creates task runs in the order of the batch, and puts those that are
// pending where claims or the timer find them.
func (t *tx) inserts(c *flow.Changes) {
	n := len(c.Inserts)
	if n == 0 {
		return
	}
	col := func() []string { return make([]string, n) }
	ids, tasks, runs, statuses, hashes := col(), col(), col(), col(), col()
	inputs, upstream, orders, errs, keys, metadata, services := col(), col(), col(), col(), col(), col(), col()
	retries, priorities, versions := make([]int, n), make([]int, n), make([]int, n)
	changed, first, limited := make([]bool, n), make([]bool, n), make([]bool, n)
	scheduled := make([]*time.Time, n)
	for i := range c.Inserts {
		in := &c.Inserts[i]
		ids[i], tasks[i], runs[i], statuses[i] = string(in.ID), string(in.Task), string(in.Run), string(in.Status)
		retries[i], priorities[i], hashes[i], versions[i] = in.MaxRetries, in.Priority, in.CodeHash, in.CodeVersion
		changed[i], first[i], inputs[i] = in.CodeChanged, in.FirstRun, in.InputPath
		upstream[i], orders[i] = upstreamText(in.UpstreamRefs)
		errs[i], keys[i], scheduled[i], metadata[i] = in.Error, in.IdempotencyKey, ts(in.ScheduledFor), string(in.Metadata)
		services[i], limited[i] = string(in.Service), in.Limited
	}
	t.end.Queue(`with u as materialized (
			select u.*, nextval('task_runs_seq') as seq
			from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[], $9::int[], $10::bool[], $11::bool[],
				$12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::timestamptz[], $18::text[], $19::text[], $20::bool[])
				u(id, task, run, status, retries, priority, code_hash, code_version, changed, first,
					input_path, upstream, upstream_order, error, key, scheduled, metadata, service, limited)
		), ins as (
			insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, priority, code_hash, code_version,
				code_changed, first_run, input_path, upstream_refs, upstream_order, selected_next, error, idempotency_key,
				scheduled_for, created_at, completed_at, metadata, seq)
			select id, task, nullif(run, ''), status, retries, priority, code_hash, code_version, changed, first, nullif(input_path, ''),
				upstream::jsonb, upstream_order::text[], null, nullif(error, ''), nullif(key, ''), scheduled, $1::timestamptz,
				case when status <> 'pending' then $1::timestamptz end, metadata::jsonb, seq from u
		), later as (
			insert into timer (task_run_id, due) select id, scheduled from u where status = 'pending' and scheduled > $1::timestamptz
		), ended as (
			insert into broken (status, priority, seq, task_run_id) select status, priority, seq, id from u where status <> 'pending'
		)
		insert into ready (queue, lane, priority, seq, task_run_id, task_id)
		select service, case when limited then task else '' end, priority, seq, id, task from u
		where status = 'pending' and (scheduled is null or scheduled <= $1::timestamptz)`,
		t.now, ids, tasks, runs, statuses, retries, priorities, hashes, versions, changed, first,
		inputs, upstream, orders, errs, keys, scheduled, metadata, services, limited)
}

// copyFrom is the number of rows from which COPY is worth its round trips.
const copyFrom = 500

// copies writes a large batch of new task runs and takes it out of the changes.
func (t *tx) copies(c *flow.Changes) error {
	born := func(in flow.Insert) bool { return in.Status != pipeline.TaskPending }
	if len(c.Inserts) < copyFrom || len(c.Supersedes) > 0 || slices.ContainsFunc(c.Inserts, born) {
		return nil // what is superseded makes room first; what is born ended is written in more places
	}
	var seqs []int64
	if err := t.row(`select array_agg(nextval('task_runs_seq')) from generate_series(1, $1::int)`, []any{len(c.Inserts)}, &seqs); err != nil {
		return err
	}
	var ready, later []int
	_, err := t.c.CopyFrom(t.ctx, pgx.Identifier{"task_runs"}, []string{"id", "task_id", "pipeline_run_id", "status", "max_retries", "priority",
		"code_hash", "code_version", "code_changed", "first_run", "input_path", "upstream_refs", "upstream_order", "selected_next", "error",
		"idempotency_key", "scheduled_for", "created_at", "metadata", "seq"},
		pgx.CopyFromSlice(len(c.Inserts), func(i int) ([]any, error) {
			in := &c.Inserts[i]
			if in.ScheduledFor.After(t.now) {
				later = append(later, i)
			} else {
				ready = append(ready, i)
			}
			order := make([]string, len(in.UpstreamRefs))
			for i, up := range in.UpstreamRefs {
				order[i] = string(up.Task)
			}
			object := "{}"
			if len(order) > 0 {
				object = jsonText(in.UpstreamRefs)
			}
			return []any{string(in.ID), string(in.Task), orNull(in.Run), string(in.Status), in.MaxRetries, in.Priority,
				in.CodeHash, in.CodeVersion, in.CodeChanged, in.FirstRun, orNull(in.InputPath), object, order, nil, orNull(in.Error),
				orNull(in.IdempotencyKey), orNever(in.ScheduledFor), t.now, string(in.Metadata), seqs[i]}, nil
		}))
	if err != nil {
		return err
	}
	if len(later) > 0 {
		if _, err := t.c.CopyFrom(t.ctx, pgx.Identifier{"timer"}, []string{"task_run_id", "due"},
			pgx.CopyFromSlice(len(later), func(i int) ([]any, error) {
				in := &c.Inserts[later[i]]
				return []any{string(in.ID), in.ScheduledFor}, nil
			})); err != nil {
			return err
		}
	}
	if len(ready) > 0 {
		if _, err := t.c.CopyFrom(t.ctx, pgx.Identifier{"ready"}, []string{"queue", "lane", "priority", "seq", "task_run_id", "task_id"},
			pgx.CopyFromSlice(len(ready), func(i int) ([]any, error) {
				in := &c.Inserts[ready[i]]
				lane := ""
				if in.Limited {
					lane = string(in.Task)
				}
				return []any{string(in.Service), lane, in.Priority, seqs[ready[i]], string(in.ID), string(in.Task)}, nil
			})); err != nil {
			return err
		}
	}
	c.Inserts = nil
	return nil
}

func orNull[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

func orNever(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at
}
