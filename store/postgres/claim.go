package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// claimQuery takes the best task runs of every lane that has room, in one
// statement, and leases them.
//
//   - lim locks the limits that have room and something waiting. A limit that
//     somebody else holds is left to them; what the lock read is the newest
//     count, so the limit is exact however many claim.
//   - picked locks the heads of the lanes and sorts them; gone takes them out
//     by ctid, which needs no statistics to be fast and is stable because rows
//     of ready are never updated under way.
//   - Only what is still pending is leased, and counted.
//
// $1 queues, $2 limit, $3 owner, $4 accepted, $5 accept within (ms),
// $6 most running (0: any number).
const claimQuery = `
with room as materialized (
	select case when $6::int = 0 then $2::int else least($2::int, $6::int - (select count(*) from lease)::int) end as n
), lim as materialized (
	select s.task_id, s.queue, case when s.cap = 0 then $2::int else s.cap - s.used end as free
	from slots s where s.queue = any($1::text[]) and (s.cap = 0 or s.used < s.cap)
		and exists (select 1 from ready r where r.queue = s.queue and r.lane = s.task_id)
	for update of s skip locked
), lanes as (
	select q as queue, '' as lane, $2::int as free from unnest($1::text[]) q
	union all select queue, task_id, free from lim
), picked as materialized (
	select h.* from lanes l cross join lateral (
		select r.ctid as tid, r.priority, r.seq from ready r where r.queue = l.queue and r.lane = l.lane
		order by r.priority, r.seq limit greatest(0, least(l.free, (select n from room))) for update skip locked) h
	order by h.priority, h.seq limit greatest(0, (select n from room))
), gone as (
	delete from ready where ctid = any(array(select tid from picked)) returning task_run_id, task_id, lane
), upd as (
	update task_runs t set status = 'running', started_at = now(), heartbeat_at = case when $4 then now() end,
		heartbeat_timeout_ms = least(2 * k.heartbeat_interval_ms::bigint, 2147483647),
		code_hash = case when t.attempt > 1 then k.code_hash else t.code_hash end,
		code_version = case when t.attempt > 1 then k.code_version else t.code_version end
	from gone g join tasks k on k.id = g.task_id
	where t.id = g.task_run_id and (t.status = 'pending') is true
	returning t.*, g.lane, k.timeout_seconds as limit_s,
		least(2 * k.heartbeat_interval_ms::bigint + least(k.heartbeat_interval_ms / 5, 5000), 2147483647) as window_ms
), leased as (
	insert into lease (task_run_id, attempt, task_id, pipeline_run_id, owner, slot, claimed_at, accepted_at, until, deadline,
		window_ms, timeout_seconds)
	select id, attempt, task_id, pipeline_run_id, $3, lane <> '', now(), case when $4 then now() end,
		now() + (case when $4 then window_ms else $5::bigint end) * interval '1 ms',
		now() + (limit_s * 1000.0 + least(limit_s * 100.0, 5000)) * interval '1 ms', window_ms, limit_s
	from upd
), used as (
	update slots s set used = s.used + u.n from (select lane, count(*)::int as n from upd where lane <> '' group by lane) u
	where s.task_id = u.lane
)
select ` + taskRunCols + `, i.data, coalesce(i.stored, true), t.seq from upd t
	left join lateral (select data, stored from inputs where path = t.input_path offset 0) i on true`

// ClaimTasks leases the best task runs of every lane that has room.
func (s *Store) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	var out []store.Claimed
	age := map[pipeline.TaskRunID]int64{}
	if p.Limit <= 0 {
		return out, nil
	}
	err := s.write(ctx, "claim task runs", func(t *tx) error {
		out = nil
		queues := list(p.Services)
		if len(queues) == 0 {
			if err := t.rows(`select id from services where base_url <> ''`, nil, func(row scanner) error {
				queues = append(queues, "")
				return row.Scan(&queues[len(queues)-1])
			}); err != nil {
				return err
			}
		}
		slices.Sort(queues)
		queues = slices.Compact(queues)
		if err := t.claim(p, queues, &out, age); err != nil || len(out) == 0 {
			return err
		}
		return t.describe(out)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.Claimed) int {
		return cmp.Or(cmp.Compare(a.TaskRun.Priority, b.TaskRun.Priority), cmp.Compare(age[a.TaskRun.ID], age[b.TaskRun.ID]))
	})
	return out, nil
}

// A claim passes over rows that another one has locked and need not take (it
// locks the heads of several lanes and takes the best of all). So one that
// came back with less than asked looks again while something waits.
const claimRounds = 3

func (t *tx) claim(p store.ClaimTasks, queues []string, out *[]store.Claimed, age map[pipeline.TaskRunID]int64) error {
	for range claimRounds {
		left := p.Limit - len(*out)
		before := len(*out)
		var b pgx.Batch
		if p.MaxRunning > 0 {
			// Whoever counts what runs must be the only one that adds to it.
			b.Queue(`select pg_advisory_xact_lock($1)`, lockClaim)
		}
		waiting := false
		b.Queue(claimQuery, queues, left, p.Owner, p.Accepted, p.AcceptWithin.Milliseconds(), max(0, p.MaxRunning)).Query(func(rows pgx.Rows) error {
			return each(rows, nil, func(row scanner) error {
				var c store.Claimed
				var order []pipeline.TaskID
				var seq int64
				if err := row.Scan(append(taskRunDest(&c.TaskRun, &order), &c.InputInline, &c.InputStored, &seq)...); err != nil {
					return err
				}
				flow.Fill(&c.TaskRun, order)
				*out = append(*out, c)
				age[c.TaskRun.ID] = seq
				return nil
			})
		})
		b.Queue(`select exists (select 1 from ready where queue = any($1) and lane = '')`, queues).QueryRow(func(row pgx.Row) error {
			return row.Scan(&waiting)
		})
		if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
			return err
		}
		got := len(*out) - before
		t.count(flow.Counts{Pending: -got, Running: got})
		if got == left || !waiting || p.MaxRunning > 0 {
			return nil
		}
	}
	return nil
}

// describe adds the tasks and services of what was claimed.
func (t *tx) describe(claimed []store.Claimed) error {
	tasks := map[pipeline.TaskID]store.Task{}
	services := map[pipeline.ServiceID]store.Service{}
	for _, c := range claimed {
		tasks[c.TaskRun.Task] = store.Task{}
	}
	ids := make([]string, 0, len(tasks))
	for id := range tasks {
		ids = append(ids, string(id))
	}
	var b pgx.Batch
	b.Queue(`select `+taskCols+` from tasks k where k.id = any($1)`, ids).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var task store.Task
			err := scanTask(row, &task)
			tasks[task.ID] = task
			return err
		})
	})
	b.Queue(`select `+serviceCols+` from services s where s.id in (select service_id from tasks where id = any($1))`, ids).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var s store.Service
			err := scanService(row, &s)
			services[s.ID] = s
			return err
		})
	})
	if err := t.c.SendBatch(t.ctx, &b).Close(); err != nil {
		return err
	}
	for i := range claimed {
		claimed[i].Task = tasks[claimed[i].TaskRun.Task]
		claimed[i].Service = services[claimed[i].Task.Service]
	}
	return nil
}

// AcceptAttempts starts the heartbeat window of attempts that workers took.
func (s *Store) AcceptAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	beats := make([]store.Heartbeat, len(attempts))
	for i, a := range attempts {
		beats[i].AttemptRef = a
	}
	_, err := s.extend(ctx, "accept attempts", beats)
	return err
}

// ExtendLeases stores heartbeats.
func (s *Store) ExtendLeases(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	return s.extend(ctx, "extend leases", beats)
}

func (s *Store) extend(ctx context.Context, what string, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	out := make([]store.HeartbeatAnswer, len(beats))
	if len(beats) == 0 {
		return out, nil
	}
	refs := make([]store.AttemptRef, len(beats))
	for i, b := range beats {
		refs[i] = b.AttemptRef
	}
	ids, attempts, owners := refColumns(refs)
	err := s.write(ctx, what, func(t *tx) error {
		type lease struct {
			ref    store.AttemptRef
			answer store.HeartbeatAnswer
		}
		known := map[pipeline.TaskRunID]lease{}
		err := t.rows(`with l as (
				select l.task_run_id from lease l join unnest($1::text[], $2::bigint[], $3::text[]) u(id, attempt, owner)
					on l.task_run_id = u.id and l.attempt = u.attempt and u.owner in ('', l.owner)
				order by l.task_run_id for update of l
			) update lease set accepted_at = coalesce(accepted_at, $4), until = $4 + window_ms * interval '1 ms'
			from l where lease.task_run_id = l.task_run_id
			returning lease.task_run_id, lease.attempt, lease.owner, lease.cancel, lease.pipeline_run_id`,
			[]any{ids, attempts, owners, t.now}, func(row scanner) error {
				l := lease{answer: store.HeartbeatAnswer{Known: true}}
				err := row.Scan(&l.ref.ID, &l.ref.Attempt, &l.ref.Owner, &l.answer.Cancel, asText(&l.answer.Run))
				known[l.ref.ID] = l
				return err
			})
		if err != nil {
			return err
		}
		var live, merge []string
		place := map[pipeline.TaskRunID]int{}
		for i, b := range beats {
			l, leased := known[b.ID]
			if !leased || !l.ref.Admits(b.AttemptRef) {
				out[i] = store.HeartbeatAnswer{Cancel: true}
				continue
			}
			out[i] = l.answer
			progress := jsonText(flow.Progress(b))
			if at, again := place[b.ID]; again {
				merge[at] = progress // two beats in one batch: the later one counts
				continue
			}
			place[b.ID] = len(live)
			live, merge = append(live, string(b.ID)), append(merge, progress)
		}
		if len(live) > 0 {
			t.end.Queue(`update task_runs t set heartbeat_at = $3,
					metadata = case when u.meta = '{}' then t.metadata else coalesce(t.metadata, '{}') || u.meta::jsonb end
				from unnest($1::text[], $2::text[]) u(id, meta) where t.id = u.id`, live, merge, t.now)
		}
		return nil
	})
	return out, err
}
