package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"pipedai/store"
	"pipedai/store/internal/flow"
)

// handOver is a claim for slots that are freed in the same transaction. A slot
// that changes hands stays counted in slots.used, so the row of the limit is
// read and not locked: claims are not met, and the limit holds.
type handOver struct {
	p   store.ClaimTasks
	got []claimed
}

func (s *Store) endAndHandOver(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	hand := &handOver{p: p}
	out, err := s.endAttempts(ctx, ends, atOnce, hand)
	if err != nil {
		return out, nil, err
	}
	claimed, err := s.describe(ctx, hand.got)
	if err != nil {
		// The ends are committed, and whoever reported must hear of it. The leases are
		// released when nobody accepts them.
		s.log.Warn("slots were handed over in vain", "task runs", len(hand.got), "error", err)
	}
	return out, claimed, nil
}

// handOverQuery gives slots to the heads of their lanes and what is left of
// them back, and counts. A limit that was lowered gets its slots back first. And
// where room is short, here or in the installation, what runs next is for a
// claim to find, which looks at all lanes.
//
// $1 and $8 are tasks and how many slots each freed, $2 to $7 as in claimQuery
// (services are those pushed to), $9 to $13 what the transaction counts besides.
const handOverQuery = `
with slot as materialized (
	select * from unnest($1::text[], $8::int[]) slot(task_id, n)
), picked as materialized (
	select h.* from slot join slots s on s.task_id = slot.task_id join services v on v.id = s.queue cross join lateral (
		select r.ctid as tid, r.priority, r.seq from ready r where r.queue = s.queue and r.lane = s.task_id
		order by r.priority, r.seq limit slot.n for update skip locked) h
	where s.cap > 0 and s.used <= s.cap and v.base_url <> '' and ($6::int = 0 or ` + runningNow + ` < $6::int)
		and (select sum(n) from slot) <= $2
), gone as (
	delete from ready where ctid = any(array(select tid from picked)) returning task_run_id, task_id, lane
), ` + leaseGone + `, spare as (
	insert into freed (task_id, n) select task_id, n from (
		select slot.task_id, slot.n - (select count(*) from upd where upd.lane = slot.task_id)::int as n from slot) left_over
	where n > 0
), counted as (
	update counters set pending = pending + $9 - u.n, running = running + $10 + u.n, completed = completed + $11,
		failed = failed + $12, dead_letters = dead_letters + $13
	from (select count(*) as n from upd) u where shard = ` + rowsOf + ` + $7
)
select ` + claimedCols + ` from upd t ` + withInput

// handOver ends a transaction whose ends are to be taken over from. It reports
// whether they freed slots; those and the counts are seen to then.
func (t *tx) handOver(c *flow.Changes) bool {
	h := t.hand
	h.got = nil // of a try before
	if len(c.Freed) == 0 {
		return false
	}
	tasks, n := freedColumns(c)
	t.end.Queue(handOverQuery, tasks, h.p.Limit, h.p.Owner, h.p.Accepted, h.p.AcceptWithin.Milliseconds(), max(0, h.p.MaxRunning), shardOf(t.c), n,
		c.Counts.Pending, c.Counts.Running, c.Counts.Completed, c.Counts.Failed, c.Counts.DeadLetters).
		Query(func(rows pgx.Rows) error {
			return each(rows, nil, func(row scanner) error {
				got, err := scanClaimed(row)
				h.got = append(h.got, got)
				return err
			})
		})
	return true
}
