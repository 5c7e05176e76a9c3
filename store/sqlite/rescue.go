package sqlite

import (
	"context"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// Rescue takes back leases whose time is up.
func (s *Store) Rescue(ctx context.Context, p store.Rescue) (store.Rescued, error) {
	var out store.Rescued
	err := s.write(ctx, "rescue leases", func(t *tx) error {
		asOf := t.now
		if !p.Now.IsZero() {
			asOf = p.Now
		}
		var refs []store.AttemptRef
		err := t.rows(`select task_run_id, attempt from lease where min(until, deadline) <= ? order by task_run_id limit ?`,
			[]any{us(asOf), p.Limit}, func(row scanner) error {
				var ref store.AttemptRef
				err := row.Scan(&ref.ID, &ref.Attempt)
				refs = append(refs, ref)
				return err
			})
		if err != nil || len(refs) == 0 {
			return err
		}
		out.More = len(refs) == p.Limit
		held, runs, err := t.take(refs)
		if err != nil {
			return err
		}
		release := map[pipeline.TaskRunID]flow.Held{}
		var ends []store.EndAttempt
		for _, ref := range refs {
			if h := held[ref.ID]; !h.Accepted {
				release[ref.ID] = h
				delete(held, ref.ID)
			} else {
				ends = append(ends, flow.Expired(h, asOf))
			}
		}
		out.Released = len(release)
		b := flow.New(t, t.now, runs)
		if err := b.Release(t.ctx, release); err != nil {
			return err
		}
		if err := b.End(t.ctx, held, ends); err != nil {
			return err
		}
		out.Ended, err = t.settle(b)
		return err
	})
	return out, err
}

// PromoteDue makes claimable what the timer held.
func (s *Store) PromoteDue(ctx context.Context, limit int) (promoted int, next time.Time, err error) {
	err = s.write(ctx, "promote due task runs", func(t *tx) error {
		var ids []pipeline.TaskRunID
		err := t.rows(`delete from timer where task_run_id in (select task_run_id from timer where due <= ? order by due limit ?)
			returning task_run_id`, []any{us(t.now), limit}, func(row scanner) error {
			var id pipeline.TaskRunID
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := t.makeReady(id); err != nil {
				return err
			}
			// A run that was scheduled starts with its first task.
			if _, err := t.exec(`update pipeline_runs set status = 'running', started_at = ?2
				where status = 'pending' and id = (select pipeline_run_id from task_runs where id = ?1)`, id, us(t.now)); err != nil {
				return err
			}
		}
		promoted = len(ids)
		return t.row(`select min(due) from timer`, nil, timeCol{&next})
	})
	return promoted, next, err
}
