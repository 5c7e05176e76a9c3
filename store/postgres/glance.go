package postgres

import (
	"context"
	"time"

	"pipedai/store"
)

// glanceQuery asks each service for one row of its queue, so a long queue costs
// what a short one does; leases are as many as there are runs under way. What is
// dead in the way, while it cannot be cleaned away, is passed over where claims
// pass over it ($1 to $4, heads), or looked at less often ($5).
const glanceQuery = `
with h as materialized (
	select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) h(queue, lane, priority, seq)
), ready as materialized (
	select s.id, s.base_url <> '' as push from services s where case
		when exists (select 1 from h, lateral (select 1 from ready r where r.queue = h.queue and r.lane = h.lane
			and (r.priority, r.seq) >= (h.priority, h.seq) limit 1) r where h.queue = s.id) then true
		else exists (select 1 from ready r where r.queue = s.id) end
), next as materialized (select min(due) as due from timer)
select array(select id from ready order by id), exists (select 1 from ready where push),
	case when $5 then exists (select 1 from lease where least(until, deadline) <= now()) else false end, pg_relation_size('lease'),
	coalesce((select due <= now() from next), false), (select due from next),
	coalesce((select mode from orchestrator_state where id = 'singleton'), 'running')`

// Leases that lie in so many bytes are mostly dead, and not to be looked through
// at every glance.
const (
	leaseLarge = 8 << 20
	leasePause = 4 * time.Second
)

// Glance looks whether there is anything to do.
func (s *Store) Glance(ctx context.Context) (store.Glance, error) {
	var g store.Glance
	now := time.Now()
	last := s.looked.Load()
	look := last == nil || now.Sub(*last) >= leasePause
	cols := s.heads.columns(now)
	var size int64
	err := s.row(ctx, glanceQuery, []any{cols.queues, cols.lanes, cols.priorities, cols.seqs, look},
		&g.Ready, &g.Push, &g.Expired, &size, &g.Due, timeCol{&g.NextDue}, asText(&g.Mode))
	switch {
	case err != nil:
	case size < leaseLarge:
		s.looked.Store(nil)
	case look:
		s.looked.Store(&now)
	}
	return g, wrap("glance at the queue", err)
}
