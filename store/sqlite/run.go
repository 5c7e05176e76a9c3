package sqlite

import (
	"context"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// StartRuns creates pipeline runs with their entry tasks.
func (s *Store) StartRuns(ctx context.Context, runs []store.StartRun) ([]store.StartedRun, error) {
	return accept(ctx, s, "start pipeline runs", len(runs), startRuns(runs), nil)
}

// StartAndClaim is both in one transaction.
func (s *Store) StartAndClaim(ctx context.Context, runs []store.StartRun, p store.ClaimTasks) ([]store.StartedRun, []store.Claimed, error) {
	var claimed []store.Claimed
	out, err := accept(ctx, s, "start pipeline runs", len(runs)+p.Limit, startRuns(runs), func(t *tx) (err error) {
		claimed, err = t.claimAfter(p)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out, claimed, nil
}

func startRuns(runs []store.StartRun) func(context.Context, *flow.Batch) ([]store.StartedRun, error) {
	return func(ctx context.Context, b *flow.Batch) ([]store.StartedRun, error) { return b.StartRuns(ctx, runs) }
}

// EnqueueTasks queues standalone task runs, all or none.
func (s *Store) EnqueueTasks(ctx context.Context, items []store.EnqueueTask) ([]store.EnqueuedTask, error) {
	return accept(ctx, s, "enqueue tasks", len(items), func(ctx context.Context, b *flow.Batch) ([]store.EnqueuedTask, error) {
		return b.EnqueueTasks(ctx, items)
	}, nil)
}

// accept takes new work in one transaction, as long as any is accepted. What
// then does, if given, belongs to it.
func accept[Out any](ctx context.Context, s *Store, what string, rows int, take func(context.Context, *flow.Batch) ([]Out, error), then func(*tx) error) ([]Out, error) {
	var out []Out
	err := s.writeMany(ctx, what, rows, func(t *tx) error {
		if err := t.accepting(); err != nil {
			return err
		}
		b := flow.New(t, t.now, nil)
		var err error
		if out, err = take(ctx, b); err != nil {
			return err
		}
		if _, err = t.settle(b); err != nil {
			return err
		}
		if err = t.claimUploads(b.Changes.Uploads); err == nil && then != nil {
			err = then(t)
		}
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

// CancelTaskRun ends a standalone task run by request.
func (s *Store) CancelTaskRun(ctx context.Context, id pipeline.TaskRunID, reason string) (store.TaskRun, error) {
	var out store.TaskRun
	err := s.write(ctx, "cancel task run", func(t *tx) error {
		rows, err := t.taskRuns(` where t.id = ?`, id)
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return store.ErrNotFound
		case rows[0].Run != "":
			return flow.ErrInRun
		}
		pending, err := t.pending(`select id, task_id, pipeline_run_id from task_runs where id = ? and status = 'pending'`, id)
		if err != nil {
			return err
		}
		asked, err := t.exec(`update task_runs set cancel = 1 where id = ? and owner is not null`, id)
		if err != nil {
			return err
		}
		b := flow.New(t, t.now, nil)
		if err := b.CancelTask(pending, asked > 0, reason); err != nil {
			return err
		}
		if _, err := t.settle(b); err != nil {
			return err
		}
		return t.one(func(row scanner) error { return scanTaskRun(row, &out) }, `select `+taskRunCols+` from task_runs t where t.id = ?`, id)
	})
	return out, err
}

// Input returns an input that rides in the database.
func (s *Store) Input(ctx context.Context, path string) ([]byte, error) {
	return one(ctx, s, "read input", func(row scanner, data *[]byte) error { return row.Scan(data) },
		`select data from inputs where path = ?`, path)
}

// MarkInputStored notes that storage has the input too.
func (s *Store) MarkInputStored(ctx context.Context, path string) error {
	return s.write(ctx, "mark input stored", func(t *tx) error {
		err := t.run(`update inputs set stored = 1 where path = ?`, path)
		return err
	})
}
