package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

const letterCols = `d.id, d.task_run_id, d.task_id, d.pipeline_run_id, r.pipeline_id, d.code_version, d.code_hash, d.error,
	d.attempts, d.previous_attempts, d.input_path, d.upstream_refs, t.upstream_order, d.failed_at, d.retried_at,
	d.retry_run_id, d.metadata`

const letterFrom = ` from dlq d left join pipeline_runs r on r.id = d.pipeline_run_id left join task_runs t on t.id = d.task_run_id`

func scanLetter(row scanner, d *store.DeadLetter) error {
	var order []pipeline.TaskID
	err := row.Scan(&d.ID, &d.TaskRun, &d.Task, asText(&d.Run), asText(&d.Pipeline), &d.CodeVersion, &d.CodeHash, &d.Error,
		&d.Attempts, jsonCol{&d.PreviousAttempts}, asText(&d.InputPath), jsonCol{&d.UpstreamRefs}, &order,
		timeCol{&d.FailedAt}, timeCol{&d.RetriedAt}, asText(&d.RetryRun), jsonCol{&d.Metadata})
	flow.FillLetter(d, order)
	return err
}

// lettersWhere is the condition of a filter, but for those that were retried.
func lettersWhere(f store.DeadLetterFilter) where {
	var w where
	if f.Pipeline != "" {
		w.add("r.pipeline_id = $%d", f.Pipeline)
	}
	if f.Task != "" {
		w.add("d.task_id = $%d", f.Task)
	}
	if !f.From.IsZero() {
		w.add("d.failed_at >= $%d", ts(f.From))
	}
	if !f.To.IsZero() {
		w.add("d.failed_at <= $%d", ts(f.To))
	}
	if f.IDs != nil {
		w.add("d.id = any($%d)", f.IDs)
	}
	return w
}

// DeadLetters lists dead letters, newest failure first.
func (s *Store) DeadLetters(ctx context.Context, f store.DeadLetterFilter) ([]store.DeadLetter, int, error) {
	w := lettersWhere(f)
	count := `select count(*) from dlq d left join pipeline_runs r on r.id = d.pipeline_run_id`
	if !f.IncludeRetried {
		if len(w.conds) == 0 {
			count = `select sum(dead_letters)::bigint from counters`
		} else {
			count += w.String() + ` and d.retried_at is null`
		}
		w.conds = append(w.conds, "d.retried_at is null")
	} else {
		count += w.String()
	}
	var total int
	if err := s.row(ctx, count, w.args, &total); err != nil {
		return nil, 0, wrap("count dead letters", err)
	}
	list, err := all(ctx, s, "list dead letters", scanLetter,
		`select `+letterCols+letterFrom+w.String()+` order by d.failed_at desc, d.id desc `+page(f.Limit, f.Offset), w.args...)
	return list, total, err
}

// DeadLetterHeads lists the heads of dead letters.
func (s *Store) DeadLetterHeads(ctx context.Context, f store.DeadLetterFilter, after store.DeadLetterHead, limit int) ([]store.DeadLetterHead, error) {
	w := lettersWhere(f)
	if !f.IncludeRetried {
		w.conds = append(w.conds, "d.retried_at is null")
	}
	if !after.FailedAt.IsZero() {
		w.args = append(w.args, ts(after.FailedAt), after.ID)
		w.conds = append(w.conds, fmt.Sprintf("(d.failed_at, d.id) < ($%d, $%d)", len(w.args)-1, len(w.args)))
	}
	runs := "" // a filter by pipeline needs them, and nothing else does
	if f.Pipeline != "" {
		runs = ` left join pipeline_runs r on r.id = d.pipeline_run_id`
	}
	return all(ctx, s, "list heads of dead letters", func(row scanner, h *store.DeadLetterHead) error {
		return row.Scan(&h.ID, &h.Task, timeCol{&h.FailedAt}, &h.Error)
	}, `select d.id, d.task_id, d.failed_at, left(d.error, 500) from dlq d`+runs+w.String()+`
		order by d.failed_at desc, d.id desc `+page(limit, 0), w.args...)
}

// DeadLetter reads one by its own id or that of its task run. An older engine
// could note one task run twice: the newest counts.
func (s *Store) DeadLetter(ctx context.Context, ref string) (store.DeadLetter, error) {
	return one(ctx, s, "read dead letter", scanLetter,
		`select `+letterCols+letterFrom+` where $1 in (d.id, d.task_run_id) order by d.failed_at desc, d.id desc limit 1`, flow.Text(ref))
}

// letters reads dead letters by either id, in the order of refs; those that do
// not exist stay empty.
func (t *tx) letters(refs []string) ([]store.DeadLetter, error) {
	clean := flow.Texts(refs)
	out := make([]store.DeadLetter, len(refs))
	err := t.rows(`select `+letterCols+letterFrom+` where d.id = any($1) or d.task_run_id = any($1) order by d.failed_at, d.id`,
		[]any{clean}, func(row scanner) error {
			var d store.DeadLetter
			err := scanLetter(row, &d)
			for i, ref := range clean {
				if ref == string(d.ID) || ref == string(d.TaskRun) {
					out[i] = d
				}
			}
			return err
		})
	return out, err
}

// RetryDeadLetters runs dead letters again.
func (s *Store) RetryDeadLetters(ctx context.Context, refs []string) ([]store.RetriedLetter, error) {
	var out []store.RetriedLetter
	err := s.write(ctx, "retry dead letters", func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		letters, err := t.letters(refs)
		if err != nil {
			return err
		}
		var ids []pipeline.RunID
		var mine, single []string
		for _, l := range letters {
			switch {
			case l.ID == "":
				continue
			case l.Run == "":
				single = append(single, string(l.TaskRun))
			case !slices.Contains(ids, l.Run):
				ids = append(ids, l.Run)
			}
			mine = append(mine, string(l.ID))
		}
		runs, err := t.runs(ids)
		if err != nil {
			return err
		}
		// Under the locks of their runs, and their own: who comes second sees what
		// the first one did.
		if _, err := t.exec(`select 1 from dlq where id = any($1) order by id for update`, mine); err != nil {
			return err
		}
		if letters, err = t.letters(refs); err != nil {
			return err
		}
		rows, err := t.counting(runs)
		if err != nil {
			return err
		}
		alone := map[pipeline.TaskRunID]store.TaskRun{}
		found, err := t.taskRuns(` where t.id = any($1)`, single)
		if err != nil {
			return err
		}
		for _, row := range found {
			alone[row.ID] = row
		}
		b := flow.New(t, t.now, runs)
		if out, err = b.RetryLetters(t.ctx, letters, rows, alone); err != nil {
			return err
		}
		if _, err := t.settle(b); err != nil {
			return err
		}
		for i := range out {
			if out[i].Err == nil {
				out[i].Run = b.Fresh(out[i].Run.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// counting reads the task runs of pipeline runs that no other took the place of.
func (t *tx) counting(runs []*flow.Run) (map[pipeline.RunID][]store.TaskRun, error) {
	out := map[pipeline.RunID][]store.TaskRun{}
	var ids []string
	for _, r := range runs {
		ids = append(ids, string(r.ID))
	}
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := t.taskRuns(` where t.pipeline_run_id = any($1) and t.superseded_by is null order by t.seq`, ids)
	for _, row := range rows {
		out[row.Run] = append(out[row.Run], row)
	}
	return out, err
}

func (t *tx) taskRuns(where string, args ...any) ([]store.TaskRun, error) {
	var out []store.TaskRun
	err := t.rows(`select `+taskRunCols+`, l.cancel`+taskRunFrom+where, args, func(row scanner) error {
		var tr store.TaskRun
		err := scanTaskRun(row, &tr)
		out = append(out, tr)
		return err
	})
	return out, err
}

// PurgeDeadLetters deletes old ones. Those that somebody retries at the moment
// are left for the next time.
func (s *Store) PurgeDeadLetters(ctx context.Context, before time.Time, limit int) (int, error) {
	var purged int64
	err := s.write(ctx, "purge dead letters", func(t *tx) error {
		var err error
		purged, err = t.exec(`delete from dlq where id = any(array(
			select id from dlq where failed_at < $1 order by failed_at limit $2 for update skip locked))`, before, limit)
		return err
	})
	return int(purged), err
}

// DeleteDeadLetters deletes some. It waits for those that somebody retries.
func (s *Store) DeleteDeadLetters(ctx context.Context, ids []pipeline.DeadLetterID) (int, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = flow.Text(string(id))
	}
	var gone int64
	err := s.write(ctx, "delete dead letters", func(t *tx) error {
		var err error
		gone, err = t.exec(`delete from dlq where id = any(array(select id from dlq where id = any($1) order by id for update))`, texts)
		return err
	})
	return int(gone), err
}

// ReplayRun runs everything again that broke in a run.
func (s *Store) ReplayRun(ctx context.Context, id pipeline.RunID) (store.Replayed, error) {
	var out store.Replayed
	err := s.write(ctx, "replay pipeline run", func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		runs, err := t.runs([]pipeline.RunID{id})
		if err != nil {
			return err
		}
		rows, err := t.counting(runs)
		if err != nil {
			return err
		}
		err = scanRun(t.c.QueryRow(t.ctx, `select `+runCols+runFrom+` where r.id = $1`, strings.ToValidUTF8(string(id), "")), &out.Run)
		if err != nil {
			return err
		}
		if out, err = flow.Replayed(out.Run, rows[id]); err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if _, err := b.Reopen(t.ctx, id, rows[id], nil); err != nil {
			return err
		}
		_, err = t.settle(b)
		return err
	})
	if err != nil {
		return out, err
	}
	out.Run, err = s.PipelineRun(ctx, id)
	return out, err
}

// ReplayPlan says what ReplayRun would do.
func (s *Store) ReplayPlan(ctx context.Context, id pipeline.RunID) (store.Replayed, error) {
	run, err := s.PipelineRun(ctx, id)
	if err != nil {
		return store.Replayed{}, err
	}
	rows, err := all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+`, l.cancel`+taskRunFrom+` where t.pipeline_run_id = $1 and t.superseded_by is null order by t.seq`, id)
	if err != nil {
		return store.Replayed{}, err
	}
	out, err := flow.Replayed(run, rows)
	return out, wrap("plan a replay", err)
}

// supersedes voids task runs and closes their dead letters.
func (t *tx) supersedes(c *flow.Changes) {
	if len(c.Supersedes) == 0 {
		return
	}
	var ids, by []string
	for _, s := range c.Supersedes {
		ids, by = append(ids, string(s.ID)), append(by, string(s.By))
	}
	t.end.Queue(`update task_runs t set superseded_by = u.by from unnest($1::text[], $2::text[]) u(id, by) where t.id = u.id`, ids, by)
	t.end.Queue(`update dlq d set retried_at = $3, retry_run_id = u.by from unnest($1::text[], $2::text[]) u(id, by)
		where d.task_run_id = u.id and d.retried_at is null`, ids, by, t.now)
	// What a run's tasks came to is remembered under the version of its row.
	t.end.Queue(`update pipeline_runs r set status = r.status from task_runs t where t.id = any($1) and r.id = t.pipeline_run_id`, ids)
}

// reopens opens pipeline runs that had ended, and notes new first failures.
func (t *tx) reopens(runs []*flow.Run) {
	var opened, blamed, errs []string
	for _, r := range runs {
		if r.Reopened {
			opened = append(opened, string(r.ID))
		}
		if r.Blamed && !r.Ended {
			blamed, errs = append(blamed, string(r.ID)), append(errs, r.Error)
		}
	}
	if len(opened) > 0 {
		t.end.Queue(`update pipeline_runs r set status = 'running', completed_at = null, output_path = null
			where r.id = any($1) and (r.status in ('failed', 'partial', 'cancelled')) is true`, opened)
	}
	if len(blamed) > 0 {
		t.end.Queue(`update pipeline_runs r set error = nullif(u.error, '')
			from unnest($1::text[], $2::text[]) u(id, error) where r.id = u.id`, blamed, errs)
	}
}
