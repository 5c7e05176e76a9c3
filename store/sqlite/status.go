package sqlite

import (
	"context"
	"fmt"
	"slices"

	"pipedai/store"
)

// QueueStatus reads the kept counts.
func (s *Store) QueueStatus(ctx context.Context) (store.QueueStatus, error) {
	return one(ctx, s, "read queue status", func(row scanner, out *store.QueueStatus) error {
		return row.Scan(&out.Pending, &out.Running, &out.Completed, &out.Failed, &out.DeadLetters, timeCol{&out.OldestPending})
	}, queueQuery)
}

// The oldest of each lane and priority is the first there, and one step of the
// index leads from each to the next.
const queueQuery = `with recursive heads (seq) as (
		select * from (select seq from task_runs where since is not null order by queue, lane, priority, seq limit 1)
		union all
		select (select n.seq from task_runs n where n.since is not null and (n.queue, n.lane, n.priority) > (t.queue, t.lane, t.priority)
			order by n.queue, n.lane, n.priority, n.seq limit 1)
		from heads h join task_runs t on t.seq = h.seq),
	waiting (seq) as (
		select min(seq) from heads
		union all select * from (select seq from task_runs indexed by idx_task_runs_scheduled where due is not null order by seq limit 1))
	select c.pending, c.running, c.completed, c.failed, c.dead_letters,
		(select created_at from task_runs where seq = (select min(seq) from waiting))
	from counters c where c.shard = 0`

const modeQuery = `select o.mode, c.pending, c.running, o.mode_changed_at,
		case when json_valid(o.metadata) then coalesce(o.metadata ->> '$.mode.by', '') else '' end,
		case when json_valid(o.metadata) then coalesce(o.metadata ->> '$.mode.reason', '') else '' end
	from orchestrator_state o, counters c where o.id = 'singleton' and c.shard = 0`

func modeDest(m *store.ModeStatus) []any {
	return []any{&m.Mode, &m.Pending, &m.Running, timeCol{&m.ChangedAt}, &m.Reason.By, &m.Reason.Text}
}

// Mode reads the maintenance mode.
func (s *Store) Mode(ctx context.Context) (store.ModeStatus, error) {
	return one(ctx, s, "read mode", func(row scanner, out *store.ModeStatus) error {
		return row.Scan(modeDest(out)...)
	}, modeQuery)
}

// RefreshMode reads the maintenance mode and stores the counts beside it.
func (s *Store) RefreshMode(ctx context.Context) (store.ModeStatus, error) {
	var out store.ModeStatus
	var pending, running int
	err := s.db.Reader.QueryRowContext(ctx, `select m.*, o.pending_tasks_count, o.running_tasks_count
		from (`+modeQuery+`) m, orchestrator_state o where o.id = 'singleton'`).
		Scan(append(modeDest(&out), &pending, &running)...)
	if err != nil || pending == out.Pending && running == out.Running {
		return out, wrap("refresh mode", err)
	}
	return out, s.write(ctx, "refresh mode", func(t *tx) error {
		_, err := t.exec(`update orchestrator_state set (pending_tasks_count, running_tasks_count, updated_at) =
			(select c.pending, c.running, ?1 from counters c where c.shard = 0) where id = 'singleton'`, us(t.now))
		return err
	})
}

// SetMode moves the maintenance mode. Maintenance itself is entered only when
// nothing is left to do; until then it is ErrConflict.
func (s *Store) SetMode(ctx context.Context, from []store.Mode, to store.Mode, reason store.ModeReason) (store.ModeStatus, error) {
	var out store.ModeStatus
	err := s.write(ctx, "set mode", func(t *tx) error {
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
		if err := t.run(`update orchestrator_state set mode = ?1, mode_changed_at = ?2, updated_at = ?2,
			pending_tasks_count = ?3, running_tasks_count = ?4,
			metadata = case when not json_valid(metadata) then metadata
				when ?1 = 'running' then json_remove(metadata, '$.mode')
				when ?5 || ?6 <> '' then json_set(metadata, '$.mode', json_object('by', ?5, 'reason', ?6))
				else metadata end
			where id = 'singleton'`, to, us(t.now), out.Pending, out.Running, reason.By, reason.Text); err != nil {
			return err
		}
		return read()
	})
	return out, err
}
