package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"pipedai/store"
)

// glanceQuery asks each service for one row of its queue, so a long queue costs
// what a short one does; leases are as many as there are runs under way.
const glanceQuery = `
with ready as materialized (
	select s.id, s.base_url <> '' as push from services s
		where exists (select 1 from task_runs r where r.since is not null and r.queue = s.id)
), next as materialized (select min(due) as due from task_runs where due is not null)
select (select json_group_array(id order by id) from ready), exists (select 1 from ready where push),
	exists (select 1 from task_runs where owner is not null and min(until, deadline) <= ?1),
	coalesce((select due <= ?1 from next), 0), (select due from next),
	(select mode from orchestrator_state where id = 'singleton')`

// Glance looks whether there is anything to do.
func (s *Store) Glance(ctx context.Context) (store.Glance, error) {
	var g store.Glance
	var ready []byte
	err := s.db.Reader.QueryRowContext(ctx, glanceQuery, us(s.now())).
		Scan(&ready, &g.Push, &g.Expired, &g.Due, timeCol{&g.NextDue}, asText(&g.Mode))
	if err == nil {
		if err = json.Unmarshal(ready, &g.Ready); err != nil {
			err = fmt.Errorf("read the services that are waited for: %w", err)
		}
	}
	return g, wrap("glance at the queue", err)
}
