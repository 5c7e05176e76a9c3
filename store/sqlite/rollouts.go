package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"pipedai/rollout"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

const rolloutCols = `r.id, r.workspace_id, r.program, r.version, r.channel, r.kind, r.rollback_of, r.status, r.reason, r.canary, r.max_unavailable,
	r.max_failures, r.host_deadline_ms, r.force_after_ms, r.note, r.created_by, r.created_at, r.updated_at, r.ended_at`

func scanRollout(row scanner, r *store.Rollout) error {
	return row.Scan(&r.ID, &r.Workspace, &r.Program, &r.Version, &r.Channel, &r.Kind, asText(&r.RollbackOf), &r.Status, &r.Reason, &r.Canary,
		&r.MaxUnavailable, &r.MaxFailures, millis{&r.HostDeadline}, millis{&r.ForceAfter}, &r.Note, &r.CreatedBy,
		timeCol{&r.CreatedAt}, timeCol{&r.UpdatedAt}, timeCol{&r.EndedAt})
}

// How the host of a target is now; ?1 is since when it was heard of, if it is
// there.
const (
	targetOnline = `coalesce(h.last_seen_at > ?1, 0)`
	targetGone   = `h.revoked_at is not null`
	// openOrder is true of an order that its host has not settled.
	openOrder  = `order_id is not null and not settled and state <> 'skipped'`
	targetBusy = `exists (select 1 from rollout_targets o where o.host_id = t.host_id and o.rollout_id <> t.rollout_id
		and o.order_id is not null and not o.settled and o.state <> 'skipped')`
)

const targetCols = `h.name, t.state, t.canary, t.forgiven, t.settled, t.deadline, t.error, ` + targetOnline + `, ` + targetBusy + `, ` + targetGone + `,
	t.host_id, t.version, t.from_versions, t.order_id, t.attempts, t.ordered_at, t.ended_at, h.last_seen_at,
	t.step, t.message, t.progress, t.workers, t.reported_at`

func scanTarget(row scanner, t *store.RolloutTarget) error {
	return row.Scan(&t.Host, &t.State, &t.Canary, &t.Forgiven, &t.Settled, timeCol{&t.Deadline}, &t.Error, &t.Online, &t.Busy, &t.Gone,
		&t.ID, &t.Version, jsonCol{&t.From}, asText(&t.Order), &t.Attempts, timeCol{&t.OrderedAt}, timeCol{&t.EndedAt}, timeCol{&t.LastSeenAt},
		&t.Step, &t.Message, &t.Progress, jsonCol{&t.Workers}, timeCol{&t.ReportedAt})
}

const targetsQuery = `select ` + targetCols + ` from rollout_targets t join hosts h on h.id = t.host_id where t.rollout_id = ?2 order by t.position`

// rolloutsKept is how many of a workspace are kept.
const rolloutsKept = 500

// rollout loads one; the transaction is the only one that writes.
func (t *tx) rollout(id store.RolloutID) (*flow.Rollout, error) {
	var r store.Rollout
	if err := t.one(func(row scanner) error { return scanRollout(row, &r) }, `select `+rolloutCols+` from rollouts r where r.id = ?`, id); err != nil {
		return nil, err
	}
	var targets []store.RolloutTarget
	err := t.rows(targetsQuery, []any{us(t.now.Add(-store.HostAway)), id}, func(row scanner) error {
		var x store.RolloutTarget
		err := scanTarget(row, &x)
		targets = append(targets, x)
		return err
	})
	return flow.NewRollout(r, targets, t.now), err
}

// keepRollout writes what changed and reports whether anything did.
func (t *tx) keepRollout(r *flow.Rollout) (bool, error) {
	targets, positions, changed := r.Changed()
	if !changed {
		return false, nil
	}
	for i, x := range targets {
		if err := t.run(`update rollout_targets set state = ?3, canary = ?4, forgiven = ?5, settled = ?6, deadline = ?7, error = ?8, order_id = ?9, attempts = ?10,
			ordered_at = ?11, ended_at = ?12, step = ?13, message = ?14, progress = ?15, workers = ?16, reported_at = ?17
			where rollout_id = ?1 and position = ?2`,
			r.ID, positions[i], x.State, x.Canary, x.Forgiven, x.Settled, us(x.Deadline), x.Error, text(x.Order), x.Attempts,
			us(x.OrderedAt), us(x.EndedAt), x.Step, x.Message, x.Progress, flow.Workers(x.Workers), us(x.ReportedAt)); err != nil {
			return false, err
		}
	}
	if err := t.run(`update rollouts set status = ?2, reason = ?3, updated_at = ?4, ended_at = ?5 where id = ?1`,
		r.ID, r.Status, r.Reason, us(r.UpdatedAt), us(r.EndedAt)); err != nil {
		return false, err
	}
	if len(r.Told) > 0 {
		return true, t.tellHosts(r.Told)
	}
	return true, nil
}

// StartRollout stores one and gives its first orders.
func (s *Store) StartRollout(ctx context.Context, p store.StartRollout) (store.Rollout, error) {
	var out store.Rollout
	var taken error
	err := s.write(ctx, "start rollout", func(t *tx) error {
		taken = nil
		err := t.one(func(row scanner) error { return scanRollout(row, &out) }, `select `+rolloutCols+` from rollouts r
			where r.workspace_id = ?1 and r.program = ?2 and r.status in ('running', 'paused')`, p.Workspace, p.Program)
		if err == nil {
			taken = wrap("start rollout", store.ErrConflict)
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		r := flow.BeginRollout(p, t.now)
		if err := t.run(`insert into rollouts (id, workspace_id, program, version, channel, kind, rollback_of, status, reason, canary, max_unavailable,
			max_failures, host_deadline_ms, force_after_ms, note, created_by, created_at, updated_at)
			values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16)`,
			r.ID, r.Workspace, r.Program, r.Version, r.Channel, r.Kind, text(r.RollbackOf), r.Status, r.Canary, r.MaxUnavailable,
			r.MaxFailures, r.HostDeadline.Milliseconds(), r.ForceAfter.Milliseconds(), r.Note, r.CreatedBy, us(r.CreatedAt)); err != nil {
			return err
		}
		for i, x := range p.Targets {
			if err := t.run(`insert into rollout_targets (rollout_id, position, host_id, version, from_versions, state) values (?, ?, ?, ?, ?, 'waiting')`,
				r.ID, i, x.Host, x.Version, flow.Workers(x.From)); err != nil {
				return err
			}
		}
		if err := t.run(`delete from rollouts where id in (select id from rollouts where workspace_id = ? and ended_at is not null
			order by created_at desc, id desc limit -1 offset ?)`, p.Workspace, rolloutsKept); err != nil {
			return err
		}
		out, _, err = t.advance(r.ID, func(*flow.Rollout) error { return nil })
		return err
	})
	return out, errors.Join(err, taken)
}

// advance does something to a rollout, lets the limits decide what follows, and
// keeps all of it.
func (t *tx) advance(id store.RolloutID, do func(*flow.Rollout) error) (store.Rollout, bool, error) {
	r, err := t.rollout(id)
	if err != nil {
		return store.Rollout{}, false, err
	}
	if err := do(r); err != nil {
		return r.Rollout, false, err
	}
	r.Advance()
	changed, err := t.keepRollout(r)
	return r.Rollout, changed, err
}

// Rollouts lists the newest.
func (s *Store) Rollouts(ctx context.Context, workspace store.WorkspaceID, limit int) ([]store.Rollout, error) {
	out, err := all(ctx, s, "list rollouts", scanRollout,
		`select `+rolloutCols+` from rollouts r where r.workspace_id = ?1 order by r.created_at desc, r.id desc limit ?2`, workspace, limitOf(limit))
	if err != nil {
		return nil, err
	}
	return out, s.countTargets(ctx, out)
}

// Rollout reads one.
func (s *Store) Rollout(ctx context.Context, id store.RolloutID) (store.Rollout, error) {
	out, err := one(ctx, s, "read rollout", scanRollout, `select `+rolloutCols+` from rollouts r where r.id = ?1`, id)
	if err != nil {
		return out, err
	}
	found := []store.Rollout{out}
	err = s.countTargets(ctx, found)
	return found[0], err
}

// countTargets sums the targets of rollouts up.
func (s *Store) countTargets(ctx context.Context, rollouts []store.Rollout) error {
	var ids []store.RolloutID
	for _, r := range rollouts {
		ids = append(ids, r.ID)
	}
	type some struct {
		id store.RolloutID
		x  rollout.Target
		n  int
	}
	found, err := all(ctx, s, "count targets", func(row scanner, c *some) error {
		return row.Scan(&c.id, &c.x.State, &c.x.Forgiven, &c.x.Settled, &c.x.Online, &c.x.Gone, &c.n)
	}, `select t.rollout_id, t.state, t.forgiven, t.settled, `+targetOnline+`, `+targetGone+`, count(*)
		from rollout_targets t join hosts h on h.id = t.host_id where t.rollout_id in (select value from json_each(?2)) group by 1, 2, 3, 4, 5, 6`,
		us(s.now().Add(-store.HostAway)), list(ids))
	for _, c := range found {
		if i := slices.Index(ids, c.id); i >= 0 {
			rollouts[i].Counts = rollouts[i].Counts.Plus(rollout.Count([]rollout.Target{c.x}), c.n)
		}
	}
	return err
}

// RolloutTargets lists the targets of one.
func (s *Store) RolloutTargets(ctx context.Context, id store.RolloutID) ([]store.RolloutTarget, error) {
	return all(ctx, s, "list targets", scanTarget, targetsQuery, us(s.now().Add(-store.HostAway)), id)
}

// SteerRollout lets a person decide.
func (s *Store) SteerRollout(ctx context.Context, p store.SteerRollout) (store.Rollout, error) {
	var out store.Rollout
	var late error
	err := s.write(ctx, "steer rollout", func(t *tx) error {
		late = nil
		var err error
		out, _, err = t.advance(p.ID, func(r *flow.Rollout) error {
			other := false // a failed one goes on only while there is no other
			err := t.row(`select exists (select 1 from rollouts where workspace_id = ?1 and program = ?2 and id <> ?3 and status in ('running', 'paused'))`,
				[]any{r.Workspace, r.Program, r.ID}, &other)
			if err == nil && other {
				err = store.ErrConflict
			}
			if err != nil {
				return err
			}
			return r.Steer(p)
		})
		if errors.Is(err, store.ErrConflict) {
			late, err = wrap("steer rollout", err), nil
		}
		return err
	})
	return out, errors.Join(err, late)
}

// AdvanceRollouts gives every rollout its turn that has something to do.
func (s *Store) AdvanceRollouts(ctx context.Context) ([]store.Rollout, error) {
	now := s.now()
	found, err := all(ctx, s, "look for rollouts", func(row scanner, id *store.RolloutID) error { return row.Scan(id) },
		`select r.id from rollouts r where r.status in ('running', 'paused', 'aborting') and exists (
			select 1 from rollout_targets t join hosts h on h.id = t.host_id where t.rollout_id = r.id and (
				t.deadline <= ?2 and t.state in ('ordered', 'running', 'withdrawing')
				or r.status = 'running' and t.state = 'waiting' and `+targetOnline+`
				or `+targetGone+` and t.state in ('waiting', 'ordered', 'running', 'withdrawing', 'overdue')))
		order by r.created_at, r.id`, us(now.Add(-store.HostAway)), us(now))
	var out []store.Rollout
	for _, id := range found {
		var moved store.Rollout
		changed := false
		err = errors.Join(err, s.write(ctx, "advance rollout", func(t *tx) (err error) {
			moved, changed, err = t.advance(id, func(*flow.Rollout) error { return nil })
			return err
		}))
		if changed {
			out = append(out, moved)
		}
	}
	return out, err
}

// HostOrders lists the open orders of a host.
func (s *Store) HostOrders(ctx context.Context, host store.HostID) ([]store.HostOrder, error) {
	return all(ctx, s, "list orders", func(row scanner, o *store.HostOrder) error {
		return row.Scan(&o.ID, &o.Rollout, &o.Kind, &o.Program, &o.Version, &o.Channel, millis{&o.ForceAfter}, millis{&o.Deadline}, &o.Again, &o.Withdrawn, timeCol{&o.OrderedAt})
	}, `select t.order_id, r.id, r.kind, r.program, t.version, r.channel, r.force_after_ms, r.host_deadline_ms, t.attempts > 1, t.state not in ('ordered', 'running'), t.ordered_at
		from rollout_targets t join rollouts r on r.id = t.rollout_id where t.host_id = ?1 and t.`+openOrder+` order by t.ordered_at, t.order_id`, host)
}

// TakeReports takes what a host says about its orders.
func (s *Store) TakeReports(ctx context.Context, host store.HostID, reports []store.OrderReport) ([]store.Rollout, error) {
	byID := map[store.OrderID]store.OrderReport{}
	var ids []store.OrderID
	for _, p := range reports { // of two about one order, the last word counts
		if was, twice := byID[p.ID]; !twice || !was.Word.Last() {
			byID[p.ID] = p
			ids = append(ids, p.ID)
		}
	}
	var out []store.Rollout
	err := s.write(ctx, "take reports", func(t *tx) error {
		out = nil
		if err := t.row(`select id from hosts where id = ?`, []any{host}, &host); err != nil {
			return err
		}
		var found []store.RolloutID
		if err := t.rows(`select distinct rollout_id from rollout_targets where host_id = ?1 and order_id in (select value from json_each(?2)) and not settled order by 1`,
			[]any{host, list(ids)}, func(row scanner) error {
				var id store.RolloutID
				err := row.Scan(&id)
				found = append(found, id)
				return err
			}); err != nil {
			return err
		}
		for _, id := range found {
			r, changed, err := t.advance(id, func(r *flow.Rollout) error {
				for _, p := range byID {
					r.Take(host, p)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if changed {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}
