package postgres

import (
	"context"

	"pipedai/pipeline"
	"pipedai/store"
)

const hostCols = `id, workspace_id, name, label, os, arch, os_version, version, capabilities, last_seen_at, skew_ms, note, news,
	registered_at, revoked_at, revoked_by`

func scanHost(row scanner, h *store.Host) error { return row.Scan(hostDest(h)...) }

// hostDest is where hostCols go.
func hostDest(h *store.Host) []any {
	return []any{&h.ID, &h.Workspace, &h.Name, &h.Label, &h.OS, &h.Arch, &h.OSVersion, &h.Version, &h.Capabilities, timeCol{&h.LastSeenAt},
		millis(&h.Skew), &h.Note, &h.News, timeCol{&h.RegisteredAt}, timeCol{&h.RevokedAt}, &h.RevokedBy}
}

func (t *tx) host(query string, args ...any) (store.Host, error) {
	var h store.Host
	return h, scanHost(t.c.QueryRow(t.ctx, query, args...), &h)
}

// joinHost makes the row of the host that keeps a worker, or trusts it again:
// somebody has just let it in.
func (t *tx) joinHost(w store.Worker) error {
	_, err := t.exec(`insert into hosts (id, workspace_id, name, label, os, registered_at) values ($1, $2, $3, $4, $5, $6)
		on conflict (workspace_id, name) do update set revoked_at = null, revoked_by = '', os = excluded.os,
			label = case when excluded.label = '' then hosts.label else excluded.label end`,
		"host_"+pipeline.Random(16), w.Workspace, w.KeptBy(), w.Label, w.OS, ts(t.now))
	return err
}

// Hosts lists the hosts of a workspace.
func (s *Store) Hosts(ctx context.Context, workspace store.WorkspaceID) ([]store.Host, error) {
	return all(ctx, s, "list hosts", scanHost, `select `+hostCols+` from hosts where workspace_id = $1 order by name, id`, workspace)
}

// Host reads one.
func (s *Store) Host(ctx context.Context, id store.HostID) (store.Host, error) {
	return one(ctx, s, "read host", scanHost, `select `+hostCols+` from hosts where id = $1`, id)
}

// CheckInHost notes what a host says of itself.
func (s *Store) CheckInHost(ctx context.Context, p store.CheckInHost) (store.CheckedInHost, error) {
	// One statement: every host does so twice a minute.
	return one(ctx, s, "check in host", scanCheckedIn, `insert into hosts (id, workspace_id, name, label, os, arch, os_version, version, capabilities, skew_ms, last_seen_at, registered_at)
		select $1::text, w.workspace_id, coalesce(nullif(w.host, ''), w.hostname), case when $3 = '' then w.label else $3 end, $4, $5, $6, $7, $8::text[], $9::bigint, now(), now()
		from workers w where w.id = $2 and w.deleted_at is null
		on conflict (workspace_id, name) do update set
			label = case when $3 = '' then hosts.label else $3 end,
			os = case when excluded.os = '' then hosts.os else excluded.os end,
			arch = case when excluded.arch = '' then hosts.arch else excluded.arch end,
			os_version = case when excluded.os_version = '' then hosts.os_version else excluded.os_version end,
			version = case when excluded.version = '' then hosts.version else excluded.version end,
			capabilities = excluded.capabilities, skew_ms = excluded.skew_ms, last_seen_at = excluded.last_seen_at
			where hosts.revoked_at is null
		returning `+hostCols+`, exists (select 1 from rollout_targets where host_id = hosts.id and `+openOrder+`)`,
		"host_"+pipeline.Random(16), p.Worker, p.Label, p.OS, p.Arch, p.OSVersion, p.Version, list(p.Capabilities), p.Skew.Milliseconds())
}

func scanCheckedIn(row scanner, h *store.CheckedInHost) error {
	return row.Scan(append(hostDest(&h.Host), &h.Ordered)...)
}

// NoteHost keeps a text.
func (s *Store) NoteHost(ctx context.Context, id store.HostID, note string) (store.Host, error) {
	var out store.Host
	err := s.write(ctx, "note host", func(t *tx) (err error) {
		out, err = t.host(`update hosts set note = $1 where id = $2 returning `+hostCols, note, id)
		return err
	})
	return out, err
}

// ofHost are the workers of the host whose id is the first parameter.
const ofHost = `workers.deleted_at is null and exists (select 1 from hosts x where x.id = $1
	and x.workspace_id = workers.workspace_id and x.name = coalesce(nullif(workers.host, ''), workers.hostname))`

// SwitchWorker adds a hold to a worker, or lifts it.
func (s *Store) SwitchWorker(ctx context.Context, p store.SwitchWorker) (store.Worker, error) {
	var out store.Worker
	err := s.write(ctx, "switch worker", func(t *tx) (err error) {
		// Locked first, so that of two at once one sees what the other did.
		if out, err = t.worker(`select `+workerCols+` from workers where id = $1 and deleted_at is null for update`, p.Worker); err != nil {
			return err
		}
		if err := t.hold(p); err != nil {
			return err
		}
		out, err = t.worker(`select `+workerCols+` from workers where id = $1`, p.Worker)
		return err
	})
	return out, err
}

func (t *tx) hold(p store.SwitchWorker) error {
	if !p.Disabled {
		_, err := t.exec(`delete from worker_holds where worker_id = $1 and ($2 = '' or by_what = $2)`, p.Worker, p.By)
		return err
	}
	// Those whose time is over take no room.
	if _, err := t.exec(`delete from worker_holds where worker_id = $1 and until <= $2`, p.Worker, ts(t.now)); err != nil {
		return err
	}
	if _, err := t.exec(`insert into worker_holds (worker_id, by_what, who, note, since, until) values ($1, $2, $3, $4, $5, $6)
		on conflict (worker_id, by_what) do update set who = excluded.who, note = excluded.note, until = excluded.until`,
		p.Worker, p.By, p.Who, p.Note, ts(t.now), ts(p.Until)); err != nil {
		return err
	}
	n := 0
	err := t.row(`select count(*) from worker_holds where worker_id = $1`, []any{p.Worker}, &n)
	if err == nil && n > store.MostHolds {
		err = store.ErrConflict
	}
	return err
}

// SwitchHost does so for all workers of a host.
func (s *Store) SwitchHost(ctx context.Context, id store.HostID, p store.SwitchWorker) ([]store.Worker, error) {
	var out []store.Worker
	err := s.write(ctx, "switch host", func(t *tx) error {
		out = nil
		if _, err := t.host(`select `+hostCols+` from hosts where id = $1`, id); err != nil {
			return err
		}
		workers, err := t.workersOf(id)
		if err != nil {
			return err
		}
		for _, w := range workers {
			p.Worker = w.ID
			if err := t.hold(p); err != nil {
				return err
			}
		}
		out, err = t.workersOf(id)
		return err
	})
	return out, err
}

// joinPause pauses a worker whose host is paused.
func (t *tx) joinPause(w store.Worker) error {
	_, err := t.exec(`insert into worker_holds (worker_id, by_what, who, note, since, until)
		select $1::text, h.by_what, h.who, h.note, h.since, h.until from worker_holds h join workers o on o.id = h.worker_id
		where h.by_what = '`+store.HoldHost+`' and o.workspace_id = $2 and o.deleted_at is null and o.id <> $1
			and coalesce(nullif(o.host, ''), o.hostname) = $3 limit 1
		on conflict (worker_id, by_what) do nothing`, w.ID, w.Workspace, w.KeptBy())
	return err
}

func (t *tx) workersOf(id store.HostID) ([]store.Worker, error) {
	var out []store.Worker
	err := t.rows(`select `+workerCols+` from workers where `+ofHost+` order by hostname, id for update`, []any{id}, func(row scanner) error {
		var w store.Worker
		err := scanWorker(row, &w)
		out = append(out, w)
		return err
	})
	return out, err
}

// RevokeHost voids the credentials of a host.
func (s *Store) RevokeHost(ctx context.Context, id store.HostID, by string) (store.Host, error) {
	var out store.Host
	err := s.write(ctx, "revoke host", func(t *tx) (err error) {
		out, err = t.host(`update hosts set revoked_at = coalesce(revoked_at, $2),
			revoked_by = case when revoked_at is null then $3 else revoked_by end, news = news + 1 where id = $1 returning `+hostCols, id, ts(t.now), by)
		if err != nil {
			return err
		}
		for _, stmt := range []string{
			`update tokens set revoked_at = $2 where revoked_at is null and worker_id in (select id from workers where ` + ofHost + `)`,
			`update registrations set revoked_at = $2 where used_at is null and revoked_at is null
				and exists (select 1 from hosts x where x.id = $1 and x.workspace_id = registrations.workspace_id and x.name = registrations.host)`,
		} {
			if _, err := t.exec(stmt, id, ts(t.now)); err != nil {
				return err
			}
		}
		_, err = t.exec(`update enrollments set status = 'revoked', decided_at = $2, decided_by = $3
			where status in ('pending', 'approved') and kind = 'device'
				and exists (select 1 from hosts x where x.id = $1 and x.workspace_id = enrollments.workspace_id and x.name = enrollments.hostname)`,
			id, ts(t.now), by)
		return err
	})
	return out, err
}

// holdHost keeps a host from being revoked until the step ends, or waits until it
// is. RevokeHost voids the credentials that it sees, and would not see one that is
// made meanwhile. It comes before any other lock that RevokeHost takes.
func (t *tx) holdHost(workspace store.WorkspaceID, name string) error {
	_, err := t.exec(`select 1 from hosts where workspace_id = $1 and name = $2 for share`, workspace, name)
	return err
}

// HeldWorkers looks for holds.
func (s *Store) HeldWorkers(ctx context.Context, ids []store.WorkerID) ([]store.WorkerID, error) {
	return all(ctx, s, "look for held workers", func(row scanner, out *store.WorkerID) error { return row.Scan(out) },
		`select distinct worker_id from worker_holds where worker_id = any($1) and (until is null or until > now())`, list(ids))
}

// HostNews reads the counters of hosts.
func (s *Store) HostNews(ctx context.Context, ids []store.HostID) (map[store.HostID]int64, error) {
	out := make(map[store.HostID]int64, len(ids))
	err := s.rows(ctx, `select id, news from hosts where id = any($1)`, []any{list(ids)}, func(row scanner) error {
		var id store.HostID
		var n int64
		err := row.Scan(&id, &n)
		out[id] = n
		return err
	})
	return out, wrap("read host news", err)
}

// tellHosts counts the news of hosts on.
func (t *tx) tellHosts(ids []store.HostID) error {
	_, err := t.exec(`update hosts set news = news + 1 where id in (select id from hosts where id = any($1) order by id for update)`, list(ids))
	return err
}

// holdsCol reads workerHolds into a worker.
type holdsCol struct{ w *store.Worker }

func (c holdsCol) Scan(v any) error {
	err := jsonCol{&c.w.Holds}.Scan(v)
	for i := range c.w.Holds {
		h := &c.w.Holds[i]
		h.Since, h.Until = h.Since.UTC(), h.Until.UTC()
	}
	c.w.Disabled = len(c.w.Holds) > 0
	return err
}
