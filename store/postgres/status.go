package postgres

import (
	"context"
	"fmt"
	"slices"

	"pipedai/store"
)

// The ids of the advisory locks.
const (
	lockMigrate  = 0x70697065_01
	lockMode     = 0x70697065_02
	lockClaim    = 0x70697065_03
	lockRegister = 0x70697065_04
	lockReleases = 0x70697065_05
	lockAudit    = 0x70697065_06
)

// QueueStatus sums the kept counts.
func (s *Store) QueueStatus(ctx context.Context) (store.QueueStatus, error) {
	var out store.QueueStatus
	// Ids grow with time, so the smallest one waiting is the oldest.
	err := s.row(ctx, `select sum(pending)::bigint, sum(running)::bigint, sum(completed)::bigint, sum(failed)::bigint,
			sum(dead_letters)::bigint,
			(select created_at from task_runs where id = least((select min(task_run_id) from ready), (select min(task_run_id) from timer)))
		from counters`, nil, &out.Pending, &out.Running, &out.Completed, &out.Failed, &out.DeadLetters, timeCol{&out.OldestPending})
	return out, wrap("read queue status", err)
}

const modeQuery = `select o.mode, c.pending, c.running, o.mode_changed_at,
		coalesce(o.metadata #>> '{mode,by}', '') as by, coalesce(o.metadata #>> '{mode,reason}', '') as reason
	from (select sum(pending)::bigint as pending, sum(running)::bigint as running from counters) c
	left join orchestrator_state o on o.id = 'singleton'`

func modeDest(m *store.ModeStatus) []any {
	return []any{asText(&m.Mode), &m.Pending, &m.Running, timeCol{&m.ChangedAt}, &m.Reason.By, &m.Reason.Text}
}

// Mode reads the maintenance mode.
func (s *Store) Mode(ctx context.Context) (store.ModeStatus, error) {
	var out store.ModeStatus
	err := s.row(ctx, modeQuery, nil, modeDest(&out)...)
	if out.Mode == "" {
		out.Mode = store.ModeRunning
	}
	return out, wrap("read mode", err)
}

// RefreshMode reads the maintenance mode and stores the counts beside it.
func (s *Store) RefreshMode(ctx context.Context) (store.ModeStatus, error) {
	var out store.ModeStatus
	var current bool
	// One statement, and one that writes nothing, while nothing changes.
	err := s.row(ctx, `select m.*, o.id is not null and (o.pending_tasks_count, o.running_tasks_count)
			is not distinct from (least(m.pending, 2147483647), least(m.running, 2147483647))
		from (`+modeQuery+`) m left join orchestrator_state o on o.id = 'singleton'`, nil,
		append(modeDest(&out), &current)...)
	if err == nil && !current {
		err = s.exec(ctx, `insert into orchestrator_state as o (id, pending_tasks_count, running_tasks_count)
			values ('singleton', least($1::bigint, 2147483647), least($2::bigint, 2147483647))
			on conflict (id) do update set pending_tasks_count = excluded.pending_tasks_count, running_tasks_count = excluded.running_tasks_count`,
			out.Pending, out.Running)
	}
	if out.Mode == "" {
		out.Mode = store.ModeRunning
	}
	return out, wrap("refresh mode", err)
}

// SetMode moves the maintenance mode. Maintenance itself is entered only when
// nothing is left to do; until then it is ErrConflict.
func (s *Store) SetMode(ctx context.Context, from []store.Mode, to store.Mode, reason store.ModeReason) (store.ModeStatus, error) {
	var out store.ModeStatus
	err := s.write(ctx, "set mode", func(t *tx) error {
		// Alone: no enqueuer has read the old mode and not yet committed. The row
		// may be missing when other tools were at work.
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockMode); err != nil {
			return err
		}
		if _, err := t.exec(`insert into orchestrator_state (id) values ('singleton') on conflict do nothing`); err != nil {
			return err
		}
		read := func() error {
			return t.row(modeQuery, nil, modeDest(&out)...)
		}
		if err := read(); err != nil {
			return err
		}
		if !slices.Contains(from, out.Mode) {
			return fmt.Errorf("mode is %s: %w", out.Mode, store.ErrConflict)
		}
		if n := out.Pending + out.Running; to == store.ModeMaintenance && n > 0 {
			return fmt.Errorf("%d tasks still active: %w", n, store.ErrConflict)
		}
		if to == out.Mode {
			return nil
		}
		if _, err := t.exec(`update orchestrator_state set mode = $1,
			pending_tasks_count = $2, running_tasks_count = $3,
			metadata = case when $1 = 'running' then coalesce(metadata, '{}') - 'mode'
				when $4 || $5 <> '' then coalesce(metadata, '{}') || jsonb_build_object('mode', jsonb_build_object('by', $4::text, 'reason', $5::text))
				else metadata end
			where id = 'singleton'`, to, out.Pending, out.Running, reason.By, reason.Text); err != nil {
			return err
		}
		return read()
	})
	return out, err
}
