package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// StartRuns creates pipeline runs with their entry tasks.
func (s *Store) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	return s.startRuns(ctx, runs, atOnce)
}

func (s *Store) startRuns(ctx context.Context, runs []store.StartRun, commit durability) ([]store.StartedRun, error) {
	ids := make([]pipeline.ID, len(runs))
	for i, r := range runs {
		ids[i] = r.Pipeline
	}
	return accept(ctx, s, "start pipeline runs", func(a *ahead, b *pgx.Batch) {
		commit.queue(b)
		ids := unique(ids)
		a.queuePipelines(b, ids)
		a.queueTasks(b, `k.id in (select unnest(entry_tasks) from pipelines where id = any($1))`, ids)
	}, func(b *flow.Batch) ([]store.StartedRun, error) {
		return b.StartRuns(ctx, runs)
	})
}

// EnqueueTasks queues standalone task runs, all or none.
func (s *Store) EnqueueTasks(ctx context.Context, items []store.EnqueueTask) ([]store.EnqueuedTask, error) {
	ids := make([]pipeline.TaskID, len(items))
	for i, item := range items {
		ids[i] = item.Task
	}
	return accept(ctx, s, "enqueue tasks", func(a *ahead, b *pgx.Batch) {
		a.queueTasks(b, `k.id = any($1)`, unique(ids))
	}, func(b *flow.Batch) ([]store.EnqueuedTask, error) {
		return b.EnqueueTasks(ctx, items)
	})
}

// accept takes new work in one transaction, as long as any is accepted. What
// read queues travels with its beginning.
func accept[Out any](ctx context.Context, s *Store, what string, read func(*ahead, *pgx.Batch), take func(*flow.Batch) ([]Out, error)) ([]Out, error) {
	var out []Out
	err := s.writeAfter(ctx, what, func(t *tx, b *pgx.Batch) {
		t.ahead.queueMode(b)
		read(&t.ahead, b)
	}, func(t *tx) error {
		if t.ahead.mode != store.ModeRunning {
			return store.ErrMaintenance
		}
		b := flow.New(t, t.now, nil)
		var err error
		if out, err = take(b); err != nil {
			return err
		}
		t.after = append(t.after, func() { t.learn(b.Changes.Starts) })
		if _, err = t.settle(b); err != nil {
			return err
		}
		t.claimUploads(b.Changes.Uploads)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// learn remembers the graphs of runs that were started.
func (t *tx) learn(starts []flow.Start) {
	graphs := map[pipeline.ID]*pipeline.Graph{}
	for _, r := range starts {
		if graphs[r.Pipeline] == nil {
			graphs[r.Pipeline] = pipeline.NewGraph(r.Structure, r.EntryTasks)
		}
		t.s.graphs.add(r.ID, graphs[r.Pipeline])
	}
}

// accepting is nil while new work is accepted.
func (t *tx) accepting() error {
	var b pgx.Batch
	t.ahead.queueMode(&b)
	err := t.c.SendBatch(t.ctx, &b).Close()
	if err == nil && t.ahead.mode != store.ModeRunning {
		err = store.ErrMaintenance
	}
	return err
}

// queueMode reads whether new work is accepted. It shares a lock with the other
// enqueuers that SetMode takes alone, so that no work slips in behind a mode;
// a lock of the mode's row would make them all write that row.
func (a *ahead) queueMode(b *pgx.Batch) {
	b.Queue(`select pg_advisory_xact_lock_shared($1)`, lockMode)
	b.Queue(`select mode from orchestrator_state where id = 'singleton'`).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&a.mode)
		if errors.Is(err, pgx.ErrNoRows) {
			a.mode, err = store.ModeRunning, nil
		}
		return err
	})
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

// CancelTaskRun ends a standalone task run by request.
func (s *Store) CancelTaskRun(ctx context.Context, id pipeline.TaskRunID, reason string) (store.TaskRun, error) {
	err := s.write(ctx, "cancel task run", func(t *tx) error {
		name := flow.Text(string(id))
		pending, err := t.takePending(`id = $1 and pipeline_run_id is null and (status = 'pending') is true`, name)
		if err != nil {
			return err
		}
		// It moved from the queue to a lease, or back, or nowhere.
		asked, err := t.exec(`update lease set cancel = true where task_run_id = $1 and pipeline_run_id is null`, name)
		if err != nil {
			return err
		}
		var status pipeline.TaskStatus
		var alone bool
		if err := t.row(`select status, pipeline_run_id is null from task_runs where id = $1`, []any{name}, &status, &alone); errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		} else if err != nil {
			return err
		}
		switch {
		case !alone:
			return flow.ErrInRun
		case len(pending) == 0 && asked == 0 && !status.Terminal():
			return errAgain
		}
		b := flow.New(t, t.now, nil)
		if err := b.CancelTask(pending, asked > 0, reason); err != nil {
			return err
		}
		_, err = t.settle(b)
		return err
	})
	if err != nil {
		return store.TaskRun{}, err
	}
	return s.TaskRun(ctx, id)
}

// Input returns an input that rides in the database.
func (s *Store) Input(ctx context.Context, path string) ([]byte, error) {
	var data []byte
	err := s.row(ctx, `select data from inputs where path = $1`, []any{path}, &data)
	return data, wrap("read input", err)
}

// MarkInputStored notes that storage has the input too.
func (s *Store) MarkInputStored(ctx context.Context, path string) error {
	return s.write(ctx, "mark input stored", func(t *tx) error {
		_, err := t.exec(`update inputs set stored = true where path = $1`, path)
		return err
	})
}
