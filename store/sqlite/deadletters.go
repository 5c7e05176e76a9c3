package sqlite

import (
	"context"
	"database/sql"
	"errors"
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
		&d.Attempts, jsonCol{&d.PreviousAttempts}, asText(&d.InputPath), jsonCol{&d.UpstreamRefs}, jsonCol{&order},
		timeCol{&d.FailedAt}, timeCol{&d.RetriedAt}, asText(&d.RetryRun), jsonCol{&d.Metadata})
	flow.FillLetter(d, order)
	return err
}

// lettersWhere is the condition of a filter, but for those that were retried.
func lettersWhere(f store.DeadLetterFilter) where {
	var w where
	if f.Pipeline != "" {
		w.add("r.pipeline_id = ?", f.Pipeline)
	}
	if f.Task != "" {
		w.add("d.task_id = ?", f.Task)
	}
	if !f.From.IsZero() {
		w.add("d.failed_at >= ?", us(f.From))
	}
	if !f.To.IsZero() {
		w.add("d.failed_at <= ?", us(f.To))
	}
	if f.IDs != nil {
		w.add("d.id in (select value from json_each(?))", list(f.IDs))
	}
	return w
}

// DeadLetters lists dead letters, newest failure first.
func (s *Store) DeadLetters(ctx context.Context, f store.DeadLetterFilter) ([]store.DeadLetter, int, error) {
	w := lettersWhere(f)
	count := `select count(*) from dlq d left join pipeline_runs r on r.id = d.pipeline_run_id`
	if !f.IncludeRetried {
		if len(w.conds) == 0 {
			count = `select dead_letters from counters where shard = 0`
		} else {
			count += w.String() + ` and d.retried_at is null`
		}
		w.conds = append(w.conds, "d.retried_at is null")
	} else {
		count += w.String()
	}
	var total int
	if err := s.db.Reader.QueryRowContext(ctx, count, w.args...).Scan(&total); err != nil {
		return nil, 0, wrap("count dead letters", err)
	}
	page, err := all(ctx, s, "list dead letters", scanLetter,
		`select `+letterCols+letterFrom+w.String()+` order by d.failed_at desc, d.id desc limit ? offset ?`,
		append(w.args, limitOf(f.Limit), f.Offset)...)
	return page, total, err
}

// DeadLetterHeads lists the heads of dead letters.
func (s *Store) DeadLetterHeads(ctx context.Context, f store.DeadLetterFilter, after store.DeadLetterHead, limit int) ([]store.DeadLetterHead, error) {
	w := lettersWhere(f)
	if !f.IncludeRetried {
		w.conds = append(w.conds, "d.retried_at is null")
	}
	if !after.FailedAt.IsZero() {
		w.conds = append(w.conds, "(d.failed_at, d.id) < (?, ?)")
		w.args = append(w.args, us(after.FailedAt), after.ID)
	}
	runs := "" // a filter by pipeline needs them, and nothing else does
	if f.Pipeline != "" {
		runs = ` left join pipeline_runs r on r.id = d.pipeline_run_id`
	}
	return all(ctx, s, "list heads of dead letters", func(row scanner, h *store.DeadLetterHead) error {
		return row.Scan(&h.ID, &h.Task, timeCol{&h.FailedAt}, &h.Error)
	}, `select d.id, d.task_id, d.failed_at, substr(d.error, 1, 500) from dlq d`+runs+w.String()+`
		order by d.failed_at desc, d.id desc limit ?`, append(w.args, limit)...)
}

// which finds a dead letter by its own id or that of its task run. An older
// engine could note one task run twice: the newest counts.
const which = ` where d.id = ?1 or d.task_run_id = ?1 order by d.failed_at desc, d.id desc limit 1`

// DeadLetter reads one.
func (s *Store) DeadLetter(ctx context.Context, ref string) (store.DeadLetter, error) {
	return one(ctx, s, "read dead letter", scanLetter, `select `+letterCols+letterFrom+which, ref)
}

// RetryDeadLetters runs dead letters again.
func (s *Store) RetryDeadLetters(ctx context.Context, refs []string) ([]store.RetriedLetter, error) {
	var out []store.RetriedLetter
	err := s.write(ctx, "retry dead letters", func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		letters := make([]store.DeadLetter, len(refs))
		alone := map[pipeline.TaskRunID]store.TaskRun{}
		var ids []pipeline.RunID
		for i, ref := range refs {
			err := t.one(func(row scanner) error { return scanLetter(row, &letters[i]) }, `select `+letterCols+letterFrom+which, ref)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			l := letters[i]
			if l.Run != "" {
				ids = append(ids, l.Run)
				continue
			}
			rows, err := t.taskRuns(` where t.id = ?`, l.TaskRun)
			if err != nil {
				return err
			}
			for _, row := range rows {
				alone[row.ID] = row
			}
		}
		runs, err := t.runs(ids)
		if err != nil {
			return err
		}
		rows, err := t.counting(runs)
		if err != nil {
			return err
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
	for _, r := range runs {
		rows, err := t.taskRuns(` where t.pipeline_run_id = ? and t.superseded_by is null order by t.seq`, r.ID)
		if err != nil {
			return nil, err
		}
		out[r.ID] = rows
	}
	return out, nil
}

func (t *tx) taskRuns(where string, args ...any) ([]store.TaskRun, error) {
	var out []store.TaskRun
	err := t.rows(`select `+taskRunCols+` from task_runs t`+where, args, func(row scanner) error {
		var tr store.TaskRun
		err := scanTaskRun(row, &tr)
		out = append(out, tr)
		return err
	})
	return out, err
}

// PurgeDeadLetters deletes old ones.
func (s *Store) PurgeDeadLetters(ctx context.Context, before time.Time, limit int) (int, error) {
	var purged int
	err := s.write(ctx, "purge dead letters", func(t *tx) error {
		var err error
		purged, err = t.exec(`delete from dlq where id in (select id from dlq where failed_at < ? order by failed_at limit ?)`, us(before), limit)
		return err
	})
	return purged, err
}

// DeleteDeadLetters deletes some.
func (s *Store) DeleteDeadLetters(ctx context.Context, ids []pipeline.DeadLetterID) (int, error) {
	var gone int
	err := s.write(ctx, "delete dead letters", func(t *tx) error {
		var err error
		gone, err = t.exec(`delete from dlq where id in (select value from json_each(?))`, list(ids))
		return err
	})
	return gone, err
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
		if err := t.one(func(row scanner) error { return scanRun(row, &out.Run) }, `select `+runCols+runFrom+` where r.id = ?`, id); err != nil {
			return err
		}
		if out, err = flow.Replayed(out.Run, rows[id]); err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if _, err := b.Reopen(t.ctx, id, rows[id], nil); err != nil {
			return err
		}
		if _, err := t.settle(b); err != nil {
			return err
		}
		return t.one(func(row scanner) error { return scanRun(row, &out.Run) }, `select `+runCols+runFrom+` where r.id = ?`, id)
	})
	return out, err
}

// ReplayPlan says what ReplayRun would do.
func (s *Store) ReplayPlan(ctx context.Context, id pipeline.RunID) (store.Replayed, error) {
	run, err := s.PipelineRun(ctx, id)
	if err != nil {
		return store.Replayed{}, err
	}
	rows, err := all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+` from task_runs t where t.pipeline_run_id = ? and t.superseded_by is null order by t.seq`, id)
	if err != nil {
		return store.Replayed{}, err
	}
	out, err := flow.Replayed(run, rows)
	return out, wrap("plan a replay", err)
}

// supersedes voids task runs and closes their dead letters.
func (t *tx) supersedes(c *flow.Changes) error {
	for _, s := range c.Supersedes {
		if err := t.run(`update task_runs set superseded_by = ? where id = ?`, s.By, s.ID); err != nil {
			return err
		}
		if err := t.run(`update dlq set retried_at = ?, retry_run_id = ? where task_run_id = ? and retried_at is null`,
			us(t.now), s.By, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// reopen opens a pipeline run that had ended, and notes a new first failure.
func (t *tx) reopen(r *flow.Run) error {
	if r.Reopened {
		if err := t.run(`update pipeline_runs set status = 'running', completed_at = null, output_path = null
			where id = ? and status in ('failed', 'partial', 'cancelled')`, r.ID); err != nil {
			return err
		}
	}
	if !r.Blamed || r.Ended {
		return nil
	}
	return t.run(`update pipeline_runs set error = ? where id = ?`, text(r.Error), r.ID)
}
