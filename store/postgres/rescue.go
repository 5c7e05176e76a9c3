package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// Rescue takes back leases whose time is up.
func (s *Store) Rescue(ctx context.Context, p store.Rescue) (store.Rescued, error) {
	var out store.Rescued
	err := s.write(ctx, "rescue leases", func(t *tx) error {
		out = store.Rescued{}
		asOf := t.now
		if !p.Now.IsZero() {
			asOf = p.Now
		}
		var refs []store.AttemptRef
		err := t.rows(`select task_run_id, attempt from lease where least(until, deadline) <= $1 order by task_run_id limit $2`,
			[]any{ts(asOf), p.Limit}, func(row scanner) error {
				var ref store.AttemptRef
				err := row.Scan(&ref.ID, &ref.Attempt)
				refs = append(refs, ref)
				return err
			})
		if err != nil || len(refs) == 0 {
			return err
		}
		out.More = len(refs) == p.Limit
		held, runs, err := t.take(refs, asOf)
		if err != nil {
			return err
		}
		back := map[pipeline.TaskRunID]flow.Held{}
		var ends []store.EndAttempt
		for _, ref := range refs {
			h, ok := held[ref.ID]
			if !ok {
				continue // another replica was faster, or a heartbeat came in
			}
			if !h.Accepted {
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
		promoted, next = 0, time.Time{}
		var due []string
		err := t.rows(`delete from timer where task_run_id in (
				select task_run_id from timer where due <= $1 order by due limit $2 for update skip locked)
			returning task_run_id`, []any{t.now, limit}, func(row scanner) error {
			due = append(due, "")
			return row.Scan(&due[len(due)-1])
		})
		if err != nil {
			return err
		}
		promoted = len(due)
		var b pgx.Batch
		if promoted > 0 {
			t.after = append(t.after, t.s.heads.forget)
			b.Queue(makeReady, due)
			// A run that was scheduled starts with its first task.
			b.Queue(`update pipeline_runs set status = 'running', started_at = $2 where (status = 'pending') is true
				and id = any(array(select pipeline_run_id from task_runs where id = any($1)))`, due, t.now)
		}
		b.Queue(`select min(due) from timer`).QueryRow(func(row pgx.Row) error { return row.Scan(timeCol{&next}) })
		return t.c.SendBatch(t.ctx, &b).Close()
	})
	return promoted, next, err
}
