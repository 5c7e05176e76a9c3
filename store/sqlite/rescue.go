package sqlite

import (
	"context"
	"maps"
	"slices"
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
		err := t.rows(`select id, attempt from task_runs indexed by idx_task_runs_leased
			where owner is not null and min(until, deadline) <= ? order by seq limit ?`,
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
		back := map[pipeline.TaskRunID]flow.Held{}
		var ends []store.EndAttempt
		for _, ref := range refs {
			if h := held[ref.ID]; !h.Accepted {
				back[ref.ID] = h
				delete(held, ref.ID)
			} else {
				ends = append(ends, flow.Expired(h, asOf))
			}
		}
		out.Released = len(back)
		b := flow.New(t, t.now, runs)
		if err := b.TakeBack(t.ctx, back); err != nil {
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
		runs := map[string]bool{}
		err := t.rows(`update task_runs set since = ?1, due = null, `+lane+`
			where seq in (select seq from task_runs where due <= ?1 order by due limit ?2) returning pipeline_run_id`,
			[]any{us(t.now), limit}, func(row scanner) error {
				var run string
				err := row.Scan(asText(&run))
				runs[run] = true
				promoted++
				return err
			})
		if err != nil {
			return err
		}
		// A run that was scheduled starts with its first task.
		delete(runs, "")
		if err := t.run(`update pipeline_runs set status = 'running', started_at = ?2
			where id in (select value from json_each(?1)) and status = 'pending'`, list(slices.Collect(maps.Keys(runs))), us(t.now)); err != nil {
			return err
		}
		return t.row(`select min(due) from task_runs where due is not null`, nil, timeCol{&next})
	})
	return promoted, next, err
}
