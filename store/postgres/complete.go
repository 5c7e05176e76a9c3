package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// EndAttempts ends attempts and lets what follows follow.
func (s *Store) EndAttempts(ctx context.Context, ends []store.EndAttempt) ([]store.EndedAttempt, error) {
	return s.endAttempts(ctx, ends, atOnce, nil)
}

// endAttempts has slots taken over, if hand is not nil.
func (s *Store) endAttempts(ctx context.Context, ends []store.EndAttempt, commit durability, hand *handOver) ([]store.EndedAttempt, error) {
	var out []store.EndedAttempt
	if len(ends) == 0 {
		return out, nil
	}
	refs := make([]store.AttemptRef, len(ends))
	for i, e := range ends {
		refs[i] = e.AttemptRef
	}
	var taken *taking
	err := s.writeAfter(ctx, "end attempts", func(t *tx, b *pgx.Batch) {
		t.hand = hand
		commit.queue(b)
		taken = t.queueTake(b, refs, time.Time{})
	}, func(t *tx) error {
		held, runs, err := taken.rest()
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if err := b.End(t.ctx, held, ends); err != nil {
			return err
		}
		if out, err = t.settle(b); err != nil {
			return err
		}
		return t.tellUnknown(ends, out)
	})
	if err != nil && !errors.Is(err, store.ErrUnsure) {
		out = nil
	}
	return out, err
}

// tellUnknown turns a lost lease into ErrNotFound where there is no such task
// run at all.
func (t *tx) tellUnknown(ends []store.EndAttempt, out []store.EndedAttempt) error {
	var lost []string
	for i := range out {
		if out[i].Err != nil {
			lost = append(lost, flow.Text(string(ends[i].ID)))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	known := map[pipeline.TaskRunID]bool{}
	err := t.rows(`select id from task_runs where id = any($1)`, []any{lost}, func(row scanner) error {
		var id pipeline.TaskRunID
		err := row.Scan(&id)
		known[id] = true
		return err
	})
	for i := range out {
		if out[i].Err != nil && !known[ends[i].ID] {
			out[i].Err = store.ErrNotFound
		}
	}
	return err
}

// ReleaseAttempts gives attempts back uncounted.
func (s *Store) ReleaseAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	if len(attempts) == 0 {
		return nil
	}
	return s.write(ctx, "release attempts", func(t *tx) error {
		held, runs, err := t.take(attempts, time.Time{})
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if err := b.Release(t.ctx, held); err != nil {
			return err
		}
		_, err = t.settle(b)
		return err
	})
}

const (
	lockRuns = `select 1 from run_state where pipeline_run_id = any($1) order by pipeline_run_id for update`
	// A statement of its own: what another transaction changed while the lock
	// was waited for shows only in a new snapshot. $2 are those whose graphs are
	// not known yet.
	readRuns = `select rs.pipeline_run_id, rs.failure_mode, r.status, rs.open, rs.completed, rs.broken, rs.ends_completed,
			rs.priority, r.input_path, r.error, rs.end_output, r.output_path,
			case when r.id = any($2) then r.structure_snapshot end, case when r.id = any($2) then rs.entry_tasks end, r.metadata, r.xmin::text
		from run_state rs join pipeline_runs r on r.id = rs.pipeline_run_id where rs.pipeline_run_id = any($1)`
	takeLeases = `with mine as (
			select l.task_run_id from lease l join unnest($1::text[], $2::bigint[], $3::text[]) u(id, attempt, owner)
				on l.task_run_id = u.id and l.attempt = u.attempt and u.owner in ('', l.owner)
			where (l.pipeline_run_id is null) = $5 and ($4::timestamptz is null or least(l.until, l.deadline) <= $4)
			order by l.task_run_id for update of l
		), gone as (
			delete from lease l using mine where l.task_run_id = mine.task_run_id returning l.*
		)
		select g.task_run_id, g.attempt, g.owner, g.task_id, g.pipeline_run_id, g.slot, g.accepted_at is not null, g.cancel, g.deadline,
			g.timeout_seconds::bigint, t.max_retries, k.retry_backoff, k.retry_delay_ms::bigint, k.max_retry_delay_ms::bigint,
			k.metadata->>'removedInVersion', t.idempotency_key
		from gone g join task_runs t on t.id = g.task_run_id join tasks k on k.id = g.task_id`
)

// taking removes the leases of attempts, in at most two round trips: first
// those of standalone task runs, with a look at whose runs the others belong
// to; then, under the locks of their runs, the others.
type taking struct {
	t       *tx
	ids     []string
	nums    []int
	owners  []string
	expired time.Time
	held    map[pipeline.TaskRunID]flow.Held
	ending  map[pipeline.RunID][]pipeline.TaskID
}

// queueTake begins to take leases away. Those that do not exist are left out,
// and, given expired, those that are good beyond it.
func (t *tx) queueTake(b *pgx.Batch, refs []store.AttemptRef, expired time.Time) *taking {
	k := &taking{t: t, expired: expired, held: map[pipeline.TaskRunID]flow.Held{}, ending: map[pipeline.RunID][]pipeline.TaskID{}}
	k.ids, k.nums, k.owners = refColumns(refs)
	k.queue(b, true)
	b.Queue(`select pipeline_run_id, task_id from lease where task_run_id = any($1) and pipeline_run_id is not null`, k.ids).
		Query(func(rows pgx.Rows) error {
			return each(rows, nil, func(row scanner) error {
				var run pipeline.RunID
				var task pipeline.TaskID
				err := row.Scan(&run, &task)
				k.ending[run] = append(k.ending[run], task)
				return err
			})
		})
	return k
}

func (k *taking) queue(b *pgx.Batch, alone bool) {
	b.Queue(takeLeases, k.ids, k.nums, k.owners, ts(k.expired), alone).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var h flow.Held
			err := row.Scan(&h.ID, &h.Attempt, &h.Owner, &h.Task, asText(&h.Run), &h.Slot, &h.Accepted, &h.Cancel, timeCol{&h.Deadline},
				seconds(&h.Timeout), &h.Retry.Retries, &h.Retry.Backoff, millis(&h.Retry.Delay), millis(&h.Retry.MaxDelay), asText(&h.RemovedIn), asText(&h.Key))
			k.held[h.ID] = h
			return err
		})
	})
}

// rest takes what the first round trip left.
func (k *taking) rest() (map[pipeline.TaskRunID]flow.Held, []*flow.Run, error) {
	if len(k.ending) == 0 {
		return k.held, nil, nil
	}
	var b pgx.Batch
	runs := k.t.queueRuns(&b, slices.Collect(maps.Keys(k.ending)))
	k.queue(&b, false)
	k.t.lookAhead(&b, k.ending)
	if err := k.t.c.SendBatch(k.t.ctx, &b).Close(); err != nil {
		return nil, nil, err
	}
	for _, h := range k.held {
		if h.Run != "" && k.ending[h.Run] == nil {
			return nil, nil, errAgain // leased again between the look and the lock
		}
	}
	return k.held, *runs, nil
}

// take is queueTake and rest in the middle of a step.
func (t *tx) take(refs []store.AttemptRef, expired time.Time) (map[pipeline.TaskRunID]flow.Held, []*flow.Run, error) {
	var b pgx.Batch
	k := t.queueTake(&b, refs, expired)
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
		return nil, nil, err
	}
	return k.rest()
}

// runs locks pipeline runs and reads their state.
func (t *tx) runs(ids []pipeline.RunID) ([]*flow.Run, error) {
	var b pgx.Batch
	runs := t.queueRuns(&b, ids)
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
		return nil, err
	}
	return *runs, nil
}

func (t *tx) queueRuns(b *pgx.Batch, ids []pipeline.RunID) *[]*flow.Run {
	out := &[]*flow.Run{}
	if len(ids) == 0 {
		return out
	}
	var unknown []string
	graphs := map[pipeline.RunID]*pipeline.Graph{}
	for _, id := range ids {
		if g, known := t.s.graphs.get(id); known {
			graphs[id] = g
		} else {
			unknown = append(unknown, string(id))
		}
	}
	if t.ahead.versions == nil {
		t.ahead.versions = map[pipeline.RunID]string{}
	}
	b.Queue(lockRuns, list(ids))
	b.Queue(readRuns, list(ids), unknown).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			r := &flow.Run{}
			var structure pipeline.Structure
			var entries []pipeline.TaskID
			var metadata json.RawMessage
			var version string
			err := row.Scan(&r.ID, &r.Mode, &r.Status, &r.Open, &r.Tally.Completed, &r.Tally.Broken, &r.Tally.EndsCompleted,
				&r.Priority, asText(&r.InputPath), asText(&r.Error), asText(&r.EndOutput), asText(&r.OutputPath),
				jsonCol{&structure}, &entries, jsonCol{&metadata}, &version)
			t.ahead.versions[r.ID] = version
			r.Placement = flow.Placement(metadata)
			if r.Graph = graphs[r.ID]; r.Graph == nil && err == nil {
				r.Graph = pipeline.NewGraph(structure, entries)
				t.s.graphs.add(r.ID, r.Graph)
			}
			*out = append(*out, r)
			return err
		})
	})
	return out
}

// The reads of flow.Tx.

// pairs flattens what is asked of several runs into two columns.
func pairs(of map[pipeline.RunID][]pipeline.TaskID) (runs, tasks []string) {
	for run, ids := range of {
		for _, task := range ids {
			runs, tasks = append(runs, string(run)), append(tasks, string(task))
		}
	}
	return runs, tasks
}

// Joins reads counts.
func (t *tx) Joins(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges, error) {
	if out, known := pickOf(t.ahead.joins, of); known {
		return out, nil
	}
	out := map[pipeline.RunID]map[pipeline.TaskID]pipeline.Edges{}
	for run := range of {
		out[run] = map[pipeline.TaskID]pipeline.Edges{}
	}
	var b pgx.Batch
	queueJoins(&b, of, func(run pipeline.RunID, task pipeline.TaskID, e pipeline.Edges) { out[run][task] = e })
	return out, t.c.SendBatch(t.ctx, &b).Close()
}

// Pipelines reads pipeline definitions.
func (t *tx) Pipelines(_ context.Context, ids []pipeline.ID) (map[pipeline.ID]store.Pipeline, error) {
	if out, known := pick(t.ahead.pipelines, ids); known {
		return out, nil
	}
	var b pgx.Batch
	t.ahead.queuePipelines(&b, unique(ids))
	err := t.c.SendBatch(t.ctx, &b).Close()
	return t.ahead.pipelines, err
}

// Tasks reads task definitions.
func (t *tx) Tasks(_ context.Context, ids []pipeline.TaskID) (map[pipeline.TaskID]flow.Task, error) {
	if out, known := pick(t.ahead.tasks, ids); known {
		return out, nil
	}
	var b pgx.Batch
	t.ahead.queueTasks(&b, `k.id = any($1)`, unique(ids))
	err := t.c.SendBatch(t.ctx, &b).Close()
	return t.ahead.tasks, err
}

// Outputs reads results of tasks that completed, as far as they are not known.
func (t *tx) Outputs(_ context.Context, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]store.Upstream, error) {
	out, unknown := map[pipeline.RunID]map[pipeline.TaskID]store.Upstream{}, map[pipeline.RunID][]pipeline.TaskID{}
	for run, tasks := range of {
		out[run] = map[pipeline.TaskID]store.Upstream{}
		for _, task := range tasks {
			key := runTask{run, task}
			up, read := t.ahead.outputs[key]
			if read && up != nil {
				out[run][task] = *up
			} else if known, ok := t.s.outputs.get(key); !read && ok && known.version == t.ahead.versions[run] {
				out[run][task] = known.Upstream
			} else if !read {
				unknown[run] = append(unknown[run], task)
			}
		}
	}
	if len(unknown) == 0 {
		return out, nil
	}
	var b pgx.Batch
	t.queueOutputs(&b, unknown, func(run pipeline.RunID, up store.Upstream) { out[run][up.Task] = up })
	return out, t.c.SendBatch(t.ctx, &b).Close()
}

// TakePending empties the queue of a run.
func (t *tx) TakePending(_ context.Context, id pipeline.RunID) ([]flow.Pending, error) {
	return t.takePending(`pipeline_run_id = $1 and (status = 'pending') is true`, string(id))
}

// takePending takes the task runs that a condition names out of the queue: first from the timer,
// then from ready, because that is the way they move. What a claim took in
// between is running by then, and left to its lease.
func (t *tx) takePending(which string, arg any) ([]flow.Pending, error) {
	var taken []string
	add := func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			taken = append(taken, "")
			return row.Scan(&taken[len(taken)-1])
		})
	}
	var b pgx.Batch
	for _, table := range []string{"timer", "ready"} {
		b.Queue(`delete from `+table+` where task_run_id = any(array(
			select id from task_runs where `+which+`)) returning task_run_id`, arg).Query(add)
	}
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil || len(taken) == 0 {
		return nil, err
	}
	var out []flow.Pending
	err := t.rows(`select id, task_id, pipeline_run_id from task_runs where id = any($1) order by seq`, []any{taken}, func(row scanner) error {
		var p flow.Pending
		err := row.Scan(&p.ID, &p.Task, asText(&p.Run))
		out = append(out, p)
		return err
	})
	return out, err
}

// AskToStop marks the leases of a run.
func (t *tx) AskToStop(_ context.Context, id pipeline.RunID) (int, error) {
	n, err := t.exec(`with l as (select task_run_id from lease where pipeline_run_id = $1 order by task_run_id for update)
		update lease set cancel = true from l where lease.task_run_id = l.task_run_id`, id)
	return int(n), err
}
