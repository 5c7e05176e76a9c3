package sqlite

import (
	"context"

	"pipedai/store"
)

// NoteServices notes signs of life and marks silent services.
func (s *Store) NoteServices(ctx context.Context, p store.NoteServices) ([]store.Service, error) {
	var out []store.Service
	err := s.write(ctx, "note services", func(t *tx) error {
		out = nil
		err := t.rows(`select id, now from (
				select id, status, case
					when id in (select value from json_each(?1)) or id in (select k.service_id from tasks k, json_each(?2) j where k.id = j.value) then 'active'
					when id in (select value from json_each(?3)) then 'disconnected'
					when base_url = '' and silent >= ?6 then 'disconnected'
					when status = 'active' and silent >= iif(base_url = '', ?5, ?4) then 'inactive'
					else status end as now
				from (select id, status, base_url, ?7 - coalesce(last_heartbeat, registered_at) as silent from services)
			) where now <> status order by id`,
			[]any{
				list(p.Heard), list(p.HeardTasks), list(p.Lost),
				p.PushInactive.Microseconds(), p.PullInactive.Microseconds(), p.PullDisconnected.Microseconds(), us(t.now),
			},
			func(row scanner) error {
				var service store.Service
				err := row.Scan(asText(&service.ID), &service.Status)
				out = append(out, service)
				return err
			})
		if err != nil {
			return err
		}
		for _, service := range out {
			if err := t.run(`update services set status = ?2 where id = ?1`, service.ID, service.Status); err != nil {
				return err
			}
		}
		return t.run(`update services set last_heartbeat = ?3 where id in (select value from json_each(?1))
			or id in (select k.service_id from tasks k, json_each(?2) j where k.id = j.value)`,
			list(p.Heard), list(p.HeardTasks), us(t.now))
	})
	return out, err
}
