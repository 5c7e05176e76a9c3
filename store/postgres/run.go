package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// StartRuns creates pipeline runs with their entry tasks.
func (s *Store) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	var out []store.StartedRun
	err := s.write(ctx, "start pipeline runs", func(t *tx) error {
		out = make([]store.StartedRun, len(runs))
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
			if err := t.pipeline(r.Pipeline, &def); errors.Is(err, pgx.ErrNoRows) {
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
		out = nil
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

// accepting is nil while new work is accepted. It shares a lock with the other
// enqueuers that SetMode takes alone, so that no work slips in behind a mode;
// a lock of the mode's row would make them all write that row.
func (t *tx) accepting() error {
	var mode store.Mode
	var b pgx.Batch
	b.Queue(`select pg_advisory_xact_lock_shared($1)`, lockMode)
	b.Queue(`select mode from orchestrator_state where id = 'singleton'`).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&mode)
		if errors.Is(err, pgx.ErrNoRows) {
			mode, err = store.ModeRunning, nil
		}
		return err
	})
	err := t.c.SendBatch(t.ctx, &b).Close()
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
		return nil
	})
	if err != nil {
		return out, err
	}
	return s.PipelineRun(ctx, id)
}

// Input returns an input that rides in the database.
func (s *Store) Input(ctx context.Context, path string) ([]byte, error) {
	var data []byte
	err := s.pool.QueryRow(ctx, `select data from inputs where path = $1`, path).Scan(&data)
	return data, wrap("read input", err)
}

// MarkInputStored notes that storage has the input too.
func (s *Store) MarkInputStored(ctx context.Context, path string) error {
	return s.write(ctx, "mark input stored", func(t *tx) error {
		_, err := t.exec(`update inputs set stored = true where path = $1`, path)
		return err
	})
}
