package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// StartRuns creates pipeline runs with their entry tasks.
func (s *Store) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	out := make([]store.StartedRun, len(runs))
	err := s.write(ctx, "start pipeline runs", func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		defs := map[pipeline.ID]store.Pipeline{}
		var ids []pipeline.TaskID
		for _, r := range runs {
			if _, known := defs[r.Pipeline]; known {
				continue
			}
			var def store.Pipeline
			if err := t.pipeline(r.Pipeline, &def); errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			defs[r.Pipeline] = def
			ids = append(ids, def.EntryTasks...)
		}
		tasks, err := t.Tasks(t.ctx, ids)
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, nil)
		for i, r := range runs {
			def, known := defs[r.Pipeline]
			if !known {
				out[i].Err = fmt.Errorf("pipeline %q: %w", r.Pipeline, store.ErrNotFound)
				continue
			}
			out[i] = b.StartRun(r, def, tasks)
		}
		_, err = t.settle(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EnqueueTasks queues standalone task runs, all or none.
func (s *Store) EnqueueTasks(ctx context.Context, items []store.EnqueueTask) ([]store.EnqueuedTask, error) {
	var out []store.EnqueuedTask
	err := s.write(ctx, "enqueue tasks", func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		var ids []pipeline.TaskID
		for _, item := range items {
			ids = append(ids, item.Task)
		}
		tasks, err := t.Tasks(t.ctx, ids)
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, nil)
		for _, item := range items {
			queued, err := b.Enqueue(item, tasks)
			if err != nil {
				return err
			}
			out = append(out, queued)
		}
		_, err = t.settle(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// accepting is nil while new work is accepted.
func (t *tx) accepting() error {
	var mode store.Mode
	err := t.row(`select mode from orchestrator_state where id = 'singleton'`, nil, &mode)
	if err == nil && mode != store.ModeRunning {
		err = store.ErrMaintenance
	}
	return err
}

// CancelRun ends a pipeline run by request.
func (s *Store) CancelRun(ctx context.Context, id pipeline.RunID, reason string) (store.PipelineRun, error) {
	var out store.PipelineRun
	err := s.write(ctx, "cancel pipeline run", func(t *tx) error {
		runs, err := t.runs([]pipeline.RunID{id})
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, runs)
		if err := b.CancelRun(t.ctx, id, reason); err != nil {
			return err
		}
		if _, err := t.settle(b); err != nil {
			return err
		}
		return t.one(func(row scanner) error { return scanRun(row, &out) }, `select `+runCols+runFrom+` where r.id = ?`, id)
	})
	return out, err
}

// Input returns an input that rides in the database.
func (s *Store) Input(ctx context.Context, path string) ([]byte, error) {
	var data []byte
	err := s.db.Reader.QueryRowContext(ctx, `select data from inputs where path = ?`, path).Scan(&data)
	return data, wrap("read input", err)
}

// MarkInputStored notes that storage has the input too.
func (s *Store) MarkInputStored(ctx context.Context, path string) error {
	return s.write(ctx, "mark input stored", func(t *tx) error {
		_, err := t.exec(`update inputs set stored = 1 where path = ?`, path)
		return err
	})
}
