package postgres

import (
	"context"

	"pipedai/store"
)

// glanceQuery asks each service for one row of its queue, so a long queue costs
// what a short one does; leases are as many as there are runs under way.
const glanceQuery = `
with ready as materialized (
	select s.id, s.base_url <> '' as push from services s where exists (select 1 from ready r where r.queue = s.id)
), next as materialized (select min(due) as due from timer)
select array(select id from ready order by id), exists (select 1 from ready where push),
	exists (select 1 from lease where least(until, deadline) <= now()),
	coalesce((select due <= now() from next), false), (select due from next),
	coalesce((select mode from orchestrator_state where id = 'singleton'), 'running')`

// Glance looks whether there is anything to do.
func (s *Store) Glance(ctx context.Context) (store.Glance, error) {
	var g store.Glance
	err := s.row(ctx, glanceQuery, nil, &g.Ready, &g.Push, &g.Expired, &g.Due, timeCol{&g.NextDue}, asText(&g.Mode))
	return g, wrap("glance at the queue", err)
}
