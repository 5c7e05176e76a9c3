package sqlite

import (
	"context"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// AddRunEvents keeps what is not there yet, and takes away again what is beyond
// the room of its attempt.
func (s *Store) AddRunEvents(ctx context.Context, p store.AddRunEvents) (out store.AddedRunEvents, err error) {
	err = s.writeMany(ctx, "add run events", len(p.Events), func(t *tx) error {
		added := 0
		for _, e := range p.Events {
			n, err := t.exec(`insert into run_events (task_run_id, attempt, seq, type, at, payload, received_at)
				select id, ?2, ?3, ?4, ?5, ?6, ?7 from task_runs where id = ?1 on conflict do nothing`,
				e.TaskRun, e.Attempt, e.Seq, flow.Text(e.Type), us(e.At), flow.Text(string(e.Payload)), us(t.now))
			if err != nil {
				return err
			}
			added += n
		}
		out = store.AddedRunEvents{Added: added}
		if added == 0 {
			return nil
		}
		for _, ref := range p.Attempts() {
			beyond, err := t.exec(`delete from run_events where id in (select id from (
					select id, sum(octet_length(payload)) over (order by id) as upto from run_events where task_run_id = ?1 and attempt = ?2)
				where upto > ?3)`, ref.ID, ref.Attempt, p.Most)
			if err != nil {
				return err
			}
			out.Added, out.NoRoom = out.Added-beyond, out.NoRoom+beyond
		}
		return nil
	})
	return out, err
}

// RunEvents reads what came after an event.
func (s *Store) RunEvents(ctx context.Context, id pipeline.TaskRunID, after int64, limit int) ([]store.RunEvent, error) {
	return all(ctx, s, "read run events", func(row scanner, e *store.RunEvent) error {
		return row.Scan(&e.ID, &e.TaskRun, &e.Attempt, &e.Seq, &e.Type, timeCol{&e.At}, &e.Payload)
	}, `select id, task_run_id, attempt, seq, type, at, payload from run_events where task_run_id = ? and id > ? order by id limit ?`,
		id, after, limitOf(limit))
}

// DeleteRunEvents looks at the oldest only: they came in the order of their ids.
func (s *Store) DeleteRunEvents(ctx context.Context, before time.Time, limit int) (deleted int, err error) {
	err = s.write(ctx, "delete run events", func(t *tx) error {
		deleted, err = t.exec(`delete from run_events where id in (
			select id from (select id, received_at from run_events order by id limit ?2) where received_at < ?1)`, us(before), limit)
		return err
	})
	return deleted, err
}
