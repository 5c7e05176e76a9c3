package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// claimQuery takes the best task runs of every lane that has room, in one
// statement, and leases them.
//
//   - queues are the services asked for, or all that are pushed to.
//   - held locks the limits that may have room and something waiting. A limit
//     that somebody else holds is left to them; what the lock read is the newest
//     count, so the limit is exact however many claim. What was freed since comes
//     off it: each row of that is deleted, and so counted, once.
//   - picked locks the heads of the lanes and sorts them; gone takes them out
//     by ctid, which needs no statistics to be fast and is stable because rows
//     of ready are never updated under way.
//   - Only what is still pending is leased, and counted.
//   - The first column is for flushClaim, the second says whether a claim that
//     fell short left something behind, where that is not for want of room: to
//     look for it walks over all that was claimed and not cleaned away. There is one row at least; without a
//     claim the rest of it is null.
//
// $1 services (none: those pushed to), $2 limit, $3 owner, $4 accepted, $5 accept within (ms),
// $6 most running (0: any number), $7 shard of the counters, $8 to $11 where to begin in lanes (heads).
const claimQuery = `
with room as materialized (
	select case when $6::int = 0 then $2::int else least($2::int, $6::int - ` + runningNow + `::int) end as n
), queues as materialized (
	select id as queue from services where case when cardinality($1::text[]) = 0 then base_url <> '' else id = any($1::text[]) end
), held as materialized (
	select s.task_id, s.queue, s.cap, s.used from slots s where s.queue = any(array(select queue from queues))
		and (s.cap = 0 or s.used < s.cap or exists (select 1 from freed f where f.task_id = s.task_id))
		and exists (select 1 from ready r where r.queue = s.queue and r.lane = s.task_id)
	for update of s skip locked
), back as (
	delete from freed where task_id = any(array(select task_id from held)) returning task_id, n
), lim as materialized (
	select h.task_id, h.queue, b.n, case when h.cap = 0 then $2::int else h.cap - h.used + b.n end as free
	from held h, lateral (select coalesce(sum(n), 0)::int as n from back where back.task_id = h.task_id) b
), lanes as (
	select l.*, coalesce(h.priority, -2147483648) as priority, coalesce(h.seq, -1) as seq
	from (select queue, '' as lane, $2::int as free from queues union all select queue, task_id, free from lim) l
		left join unnest($8::text[], $9::text[], $10::int[], $11::bigint[]) h(queue, lane, priority, seq) on h.queue = l.queue and h.lane = l.lane
), picked as materialized (
	select h.* from lanes l cross join lateral (
		select r.ctid as tid, r.priority, r.seq from ready r where r.queue = l.queue and r.lane = l.lane
			and (r.priority, r.seq) >= (l.priority, l.seq)
		order by r.priority, r.seq limit greatest(0, least(l.free, (select n from room))) for update skip locked) h
	order by h.priority, h.seq limit greatest(0, (select n from room))
), gone as (
	delete from ready where ctid = any(array(select tid from picked)) returning task_run_id, task_id, lane
), ` + leaseGone + `, used as (
	update slots s set used = greatest(0, s.used - lim.n) + (select count(*) from upd where upd.lane = lim.task_id)::int
	from lim where s.task_id = lim.task_id
), counted as (
	update counters set pending = pending - u.n, running = running + u.n
	from (select count(*) as n from upd) u where u.n > 0 and shard = ` + rowsOf + ` + $7
)
select set_config('pipeweave.claimed', (select count(*) from upd)::text, false),
	case when $6::int = 0 and (select count(*) from upd) < $2 then exists (select 1 from ready r where r.lane = '' and r.queue = any(array(select queue from queues))
		and not r.ctid = any(array(select tid from picked))) else false end,
	extract(epoch from clock_timestamp() - statement_timestamp())::float8,
	` + claimedCols + `
from (select) one left join upd t on true ` + withInput

const (
	// leaseGone leases what a claim took out of ready. It is of statements with
	// the parameters $3 to $5 of claimQuery.
	leaseGone = `upd as (
	update task_runs t set status = 'running', started_at = now(), heartbeat_at = case when $4 then now() end,
		heartbeat_timeout_ms = least(2 * k.heartbeat_interval_ms::bigint, 2147483647),
		code_hash = case when t.attempt > 1 then k.code_hash else t.code_hash end,
		code_version = case when t.attempt > 1 then k.code_version else t.code_version end
	from gone g join tasks k on k.id = g.task_id join services s on s.id = k.service_id
	where t.id = g.task_run_id and (t.status = 'pending') is true
	returning t.*, g.lane, k.timeout_seconds as limit_s, k.xmin as task_xmin, s.id as service_id, s.xmin as service_xmin,
		least(2 * k.heartbeat_interval_ms::bigint + least(k.heartbeat_interval_ms / 5, 5000), 2147483647) as window_ms
), leased as (
	insert into lease (task_run_id, attempt, task_id, pipeline_run_id, owner, slot, claimed_at, accepted_at, until, deadline,
		window_ms, timeout_seconds)
	select id, attempt, task_id, pipeline_run_id, $3, lane <> '', now(), case when $4 then now() end,
		now() + (case when $4 then window_ms else $5::bigint end) * interval '1 ms',
		now() + (limit_s * 1000.0 + least(limit_s * 100.0, 5000)) * interval '1 ms', window_ms, limit_s
	from upd
)`
	claimedCols = taskRunCols + `, t.lane, i.data, coalesce(i.stored, true), t.seq, t.task_xmin::text, t.service_id, t.service_xmin::text`
	withInput   = `left join lateral (select data, stored from inputs where path = t.input_path offset 0) i on true`
)

// A claim holds locks that other claims wait for or pass over: the one that
// counts what runs, those of limits. So it commits without waiting for the
// disk, and then, with its locks gone, waits for a commit that follows it in the
// log. Nobody hears of a claim that a crash of the server could undo.
const (
	commitLater = `set local synchronous_commit = off`
	flushClaim  = `select case when current_setting('pipeweave.claimed') <> '0' then pg_logical_emit_message(true, 'pipeweave', '') end`
)

// claimed is a claim with what the answer needs besides.
type claimed struct {
	store.Claimed
	seq                 int64
	taskRow, serviceRow string // id and version of the definitions' rows
	service             pipeline.ServiceID
	lane                string
}

// ClaimTasks leases the best task runs of every lane that has room.
func (s *Store) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	var got []claimed
	// A claim passes over rows that another one has locked and need not take (it
	// locks the heads of several lanes and takes the best of all). So one that
	// came back with less than asked looks again while something waits.
	for round := 0; round < claimRounds && len(got) < p.Limit; round++ {
		more, waiting, err := s.claim(ctx, p, p.Limit-len(got))
		if err != nil && len(got) == 0 {
			return nil, err
		}
		got = append(got, more...)
		if err != nil || !waiting || p.MaxRunning > 0 {
			break // what was claimed is ours, whatever came after
		}
	}
	return s.describe(ctx, got)
}

// scanClaimed reads claimedCols behind other columns.
func scanClaimed(row scanner, before ...any) (claimed, error) {
	var c claimed
	var order []pipeline.TaskID
	var taskRow, serviceRow string
	if err := row.Scan(append(append(before, taskRunDest(&c.TaskRun, &order)...), &c.lane, &c.InputInline, &c.InputStored, &c.seq,
		&taskRow, &c.service, &serviceRow)...); err != nil {
		return c, err
	}
	flow.Fill(&c.TaskRun, order)
	c.taskRow, c.serviceRow = string(c.TaskRun.Task)+" "+taskRow, string(c.service)+" "+serviceRow
	return c, nil
}

const claimRounds = 3

// claim is one round, in one round trip.
func (s *Store) claim(ctx context.Context, p store.ClaimTasks, limit int) (got []claimed, waiting bool, err error) {
	services := unique(p.Services)
	err = s.together(ctx, "claim task runs", func(b *pgx.Batch, shard int) {
		got = nil
		cols := s.heads.columns(time.Now())
		b.Queue("begin")
		b.Queue(commitLater)
		if p.MaxRunning > 0 {
			// Whoever counts what runs must be the only one that adds to it.
			b.Queue(`select pg_advisory_xact_lock($1)`, lockClaim)
		}
		b.Queue(claimQuery, services, limit, p.Owner, p.Accepted, p.AcceptWithin.Milliseconds(), max(0, p.MaxRunning), shard,
			cols.queues, cols.lanes, cols.priorities, cols.seqs).
			Query(func(rows pgx.Rows) error {
				var took float64 // in the server, without the wait for its locks
				err := each(rows, nil, func(row scanner) error {
					if rows.RawValues()[3] == nil {
						return row.Scan(append([]any{nil, &waiting, nil}, make([]any, len(rows.RawValues())-3)...)...)
					}
					c, err := scanClaimed(row, nil, &waiting, &took)
					got = append(got, c)
					return err
				})
				s.heads.learn(cols, got, time.Duration(took*float64(time.Second)), time.Now())
				return err
			})
		b.Queue("commit")
		b.Queue(flushClaim)
	})
	if err == nil && len(got) > 0 {
		s.counts.steps.Add(1)
		s.moveCounts(ctx)
	}
	return got, waiting, err
}

// describe adds the definitions of what was claimed, and puts it in order. They are remembered by
// the version of their row that the claim saw, so that one that changed is
// never taken for what it was.
func (s *Store) describe(ctx context.Context, got []claimed) ([]store.Claimed, error) {
	var tasks, services []string
	for _, c := range got {
		if _, known := s.defs.get(c.taskRow); !known {
			tasks = append(tasks, string(c.TaskRun.Task))
		}
		if _, known := s.homes.get(c.serviceRow); !known {
			services = append(services, string(c.service))
		}
	}
	freshTasks, freshServices := map[pipeline.TaskID]store.Task{}, map[pipeline.ServiceID]store.Service{}
	if len(tasks) > 0 || len(services) > 0 {
		if err := s.together(ctx, "read what was claimed", func(b *pgx.Batch, _ int) {
			b.Queue(`select k.xmin::text, `+taskCols+` from tasks k where k.id = any($1)`, unique(tasks)).Query(func(rows pgx.Rows) error {
				return each(rows, nil, func(row scanner) error {
					var task store.Task
					var version, removedIn string
					err := row.Scan(append([]any{&version}, taskDest(&task, &removedIn)...)...)
					task.Removed = removedIn != ""
					freshTasks[task.ID] = task
					s.defs.add(string(task.ID)+" "+version, task)
					return err
				})
			})
			b.Queue(`select s.xmin::text, `+serviceCols+` from services s where s.id = any($1)`, unique(services)).Query(func(rows pgx.Rows) error {
				return each(rows, nil, func(row scanner) error {
					var service store.Service
					var version string
					err := scanService(prefixed{row, &version}, &service)
					freshServices[service.ID] = service
					s.homes.add(string(service.ID)+" "+version, service)
					return err
				})
			})
		}); err != nil {
			return nil, err
		}
	}
	for i := range got {
		c := &got[i]
		var known bool
		if c.Task, known = s.defs.get(c.taskRow); !known {
			c.Task = freshTasks[c.TaskRun.Task] // changed since: the newer one
		}
		if c.Service, known = s.homes.get(c.serviceRow); !known {
			c.Service = freshServices[c.service]
		}
	}
	slices.SortFunc(got, func(a, b claimed) int {
		return cmp.Or(cmp.Compare(a.TaskRun.Priority, b.TaskRun.Priority), cmp.Compare(a.seq, b.seq))
	})
	var out []store.Claimed
	for _, c := range got {
		out = append(out, c.Claimed)
	}
	return out, nil
}

// prefixed is a row whose first column goes elsewhere.
type prefixed struct {
	scanner
	first any
}

func (p prefixed) Scan(dest ...any) error { return p.scanner.Scan(append([]any{p.first}, dest...)...) }

// AcceptAttempts starts the heartbeat window of attempts that workers took.
func (s *Store) AcceptAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	beats := make([]store.Heartbeat, len(attempts))
	for i, a := range attempts {
		beats[i].AttemptRef = a
	}
	_, err := s.extend(ctx, "accept attempts", beats)
	return err
}

// Held reads the leases of some owners. The table is as long as what is under
// way.
func (s *Store) Held(ctx context.Context, owners []string) ([]store.Held, error) {
	return all(ctx, s, "list held attempts", scanHeld,
		`select l.task_run_id, l.attempt, l.owner, t.task_id, t.pipeline_run_id from lease l join task_runs t on t.id = l.task_run_id
			where l.owner = any($1) order by l.owner, l.task_run_id`, owners)
}

func scanHeld(row scanner, h *store.Held) error {
	return row.Scan(&h.ID, &h.Attempt, &h.Owner, &h.Task, asText(&h.Run))
}

// ExtendLeases stores heartbeats.
func (s *Store) ExtendLeases(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	return s.extend(ctx, "extend leases", beats)
}

// extendLeases notes beats, at most one of a task run. Where it names several
// leases it locks those of standalone task runs first, as steps that end
// attempts do.
const extendLeases = `with l as (
		select l.task_run_id, u.meta from lease l join unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) u(id, attempt, owner, meta)
			on l.task_run_id = u.id and l.attempt = u.attempt and u.owner in ('', l.owner)
		order by l.pipeline_run_id is not null, l.task_run_id for update of l
	), beat as (
		update lease set accepted_at = coalesce(accepted_at, now()), until = now() + window_ms * interval '1 ms'
		from l where lease.task_run_id = l.task_run_id
		returning lease.task_run_id, lease.cancel, lease.pipeline_run_id, lease.task_id, l.meta
	), noted as (
		update task_runs t set heartbeat_at = now(),
			metadata = case when beat.meta = '{}' then t.metadata else coalesce(t.metadata, '{}') || beat.meta::jsonb end
		from beat where t.id = beat.task_run_id
	)
	select task_run_id, cancel, pipeline_run_id, task_id from beat`

func (s *Store) extend(ctx context.Context, what string, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	out := make([]store.HeartbeatAnswer, len(beats))
	if len(beats) == 0 {
		return out, nil
	}
	err := s.together(ctx, what, func(b *pgx.Batch, _ int) {
		for i := range out {
			out[i] = store.HeartbeatAnswer{Cancel: true} // of those that are not known
		}
		for _, part := range onceEach(beats) {
			refs, metas := make([]store.AttemptRef, len(part)), make([]string, len(part))
			places := map[pipeline.TaskRunID]int{}
			for i, place := range part {
				refs[i], metas[i] = beats[place].AttemptRef, "{}"
				if progress := flow.Progress(beats[place]); len(progress) > 0 {
					metas[i] = jsonText(progress)
				}
				places[beats[place].ID] = place
			}
			ids, attempts, owners := refColumns(refs)
			b.Queue(extendLeases, ids, attempts, owners, metas).Query(func(rows pgx.Rows) error {
				return each(rows, nil, func(row scanner) error {
					var id pipeline.TaskRunID
					answer := store.HeartbeatAnswer{Known: true}
					err := row.Scan(&id, &answer.Cancel, asText(&answer.Run), asText(&answer.Task))
					out[places[id]] = answer
					return err
				})
			})
		}
	})
	return out, err
}

// onceEach splits the places of beats into parts that name a task run once; a
// later part counts over an earlier one.
func onceEach(beats []store.Heartbeat) (parts [][]int) {
	seen := map[pipeline.TaskRunID]int{}
	for i, beat := range beats {
		part := seen[beat.ID]
		seen[beat.ID]++
		if part == len(parts) {
			parts = append(parts, nil)
		}
		parts[part] = append(parts[part], i)
	}
	return parts
}
