package postgres

import (
	"context"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// AddRunEvents keeps what is not there yet, and takes away again what is beyond
// the room of its attempt: that is exact whatever was in the batch and whoever
// else adds, and asks for no lock.
func (s *Store) AddRunEvents(ctx context.Context, p store.AddRunEvents) (out store.AddedRunEvents, err error) {
	n := len(p.Events)
	ids, kinds, payloads := make([]string, n), make([]string, n), make([]string, n)
	attempts, seqs, times := make([]int, n), make([]int64, n), make([]time.Time, n)
	for i, e := range p.Events {
		ids[i], attempts[i], seqs[i] = flow.Text(string(e.TaskRun)), e.Attempt, e.Seq
		kinds[i], times[i], payloads[i] = flow.Text(e.Type), e.At, flow.Text(string(e.Payload))
	}
	var of []string
	var numbers []int
	for _, ref := range p.Attempts() {
		of, numbers = append(of, flow.Text(string(ref.ID))), append(numbers, ref.Attempt)
	}
	err = s.write(ctx, "add run events", func(t *tx) error {
		added, err := t.exec(`insert into run_events (task_run_id, attempt, seq, type, at, payload, received_at)
			select e.id, e.attempt, e.seq, e.type, e.at, e.payload, $7
			from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[]) with ordinality
				e(id, attempt, seq, type, at, payload, n)
			where exists (select 1 from task_runs t where t.id = e.id)
			order by e.n on conflict do nothing`, ids, attempts, seqs, kinds, times, payloads, ts(t.now))
		if err != nil || added == 0 {
			return err
		}
		beyond, err := t.exec(`delete from run_events where id in (select id from (
				select r.id, sum(octet_length(r.payload)) over (partition by r.task_run_id, r.attempt order by r.id) as upto
				from unnest($1::text[], $2::int[]) a(id, attempt) join run_events r on r.task_run_id = a.id and r.attempt = a.attempt) x
			where upto > $3)`, of, numbers, p.Most)
		out = store.AddedRunEvents{Added: int(max(0, added-beyond)), NoRoom: int(min(added, beyond))}
		return err
	})
	return out, err
}

// RunEvents reads what came after an event.
func (s *Store) RunEvents(ctx context.Context, id pipeline.TaskRunID, after int64, limit int) ([]store.RunEvent, error) {
	return all(ctx, s, "read run events", func(row scanner, e *store.RunEvent) error {
		return row.Scan(&e.ID, &e.TaskRun, &e.Attempt, &e.Seq, &e.Type, timeCol{&e.At}, &e.Payload)
	}, `select id, task_run_id, attempt, seq, type, at, payload from run_events where task_run_id = $1 and id > $2 order by id limit $3`,
		id, after, limitOf(limit))
}

// DeleteRunEvents looks at the oldest only: they came in the order of their ids.
func (s *Store) DeleteRunEvents(ctx context.Context, before time.Time, limit int) (int, error) {
	var deleted int64
	err := s.write(ctx, "delete run events", func(t *tx) (err error) {
		deleted, err = t.exec(`delete from run_events where id = any(array(
			select id from (select id, received_at from run_events order by id limit $2) o where received_at < $1))`, before, limit)
		return err
	})
	return int(deleted), err
}
