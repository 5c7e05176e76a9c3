package postgres

import (
	"context"

	"pipedai/store"
)

// NoteServices notes signs of life and marks silent services.
func (s *Store) NoteServices(ctx context.Context, p store.NoteServices) ([]store.Service, error) {
	var out []store.Service
	err := s.write(ctx, "note services", func(t *tx) error {
		out = nil
		// Rows are locked by id, as every step that touches several does.
		return t.rows(`with n as (
				select id, status as was, heard, case
					when heard then 'active'
					when id = any($3) then 'disconnected'
					when base_url = '' and silent >= $6::float8 then 'disconnected'
					when status = 'active' and silent >= case when base_url = '' then $5::float8 else $4::float8 end then 'inactive'
					else status end as status
				from (select id, status, base_url, extract(epoch from $7::timestamptz - coalesce(last_heartbeat, registered_at))::float8 as silent,
						id = any($1) or id in (select service_id from tasks where id = any($2)) as heard
					from services order by id for update) s
			), done as (
				update services s set status = n.status, last_heartbeat = case when n.heard then $7 else s.last_heartbeat end
				from n where n.id = s.id and (n.heard or n.status <> n.was)
			)
			select id, status from n where status <> was order by id`,
			[]any{
				list(p.Heard), list(p.HeardTasks), list(p.Lost),
				p.PushInactive.Seconds(), p.PullInactive.Seconds(), p.PullDisconnected.Seconds(), ts(t.now),
			},
			func(row scanner) error {
				var service store.Service
				err := row.Scan(asText(&service.ID), &service.Status)
				out = append(out, service)
				return err
			})
	})
	return out, err
}
