package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// renew writes the derived pipelines that changed.
func (t *tx) renew() error {
	services, tasks, err := t.registered()
	if err != nil {
		return err
	}
	var stored []store.Pipeline
	err = t.rows(`select `+pipelineCols+` from pipelines p`, nil, func(row scanner) error {
		var p store.Pipeline
		err := scanPipeline(row, &p)
		stored = append(stored, p)
		return err
	})
	if err != nil {
		return err
	}
	put, gone := flow.Renew(stored, services, tasks)
	for _, p := range put {
		if err := t.putPipeline(p); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		// No run of them has been started and not yet committed.
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockMode); err != nil {
			return err
		}
	}
	for _, id := range gone {
		// History refers to its definition; one that has some stays.
		if _, err := t.exec(`delete from pipelines where id = $1 and not exists (select 1 from pipeline_runs where pipeline_id = $1)`, id); err != nil {
			return err
		}
	}
	return nil
}

// registered reads all services and tasks.
func (t *tx) registered() (services []store.Service, tasks []store.Task, err error) {
	err = t.rows(`select `+serviceCols+` from services s order by s.id`, nil, func(row scanner) error {
		var s store.Service
		err := scanService(row, &s)
		services = append(services, s)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = t.rows(`select `+taskCols+` from tasks k order by k.id`, nil, func(row scanner) error {
		var task store.Task
		err := scanTask(row, &task)
		tasks = append(tasks, task)
		return err
	})
	return services, tasks, err
}

func (t *tx) putPipeline(p store.Pipeline) error {
	_, err := t.exec(`insert into pipelines (id, name, entry_tasks, structure, failure_mode, version, description, created_at, updated_at, metadata)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
		on conflict (id) do update set name = $2, entry_tasks = $3, structure = $4, failure_mode = $5, version = $6,
			description = $7, updated_at = $8, metadata = $9`,
		p.ID, p.Name, list(p.EntryTasks), jsonText(p.Structure), p.FailureMode, p.Version, text(p.Description), ts(t.now), string(p.Metadata))
	return err
}

// PutPipeline stores an explicit definition. One that is as it was is not
// written: nothing but a change makes it newer.
func (s *Store) PutPipeline(ctx context.Context, p store.Pipeline) (store.Pipeline, error) {
	var out store.Pipeline
	err := s.write(ctx, "put pipeline", func(t *tx) error {
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockRegister); err != nil {
			return err
		}
		p := flow.Explicit(p)
		var old store.Pipeline
		err := t.pipeline(p.ID, &old)
		if err == nil && flow.Unchanged(old, p) {
			out = old
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := t.putPipeline(p); err != nil {
			return err
		}
		return t.pipeline(p.ID, &out)
	})
	return out, err
}

func (t *tx) pipeline(id pipeline.ID, to *store.Pipeline) error {
	return scanPipeline(t.c.QueryRow(t.ctx, `select `+pipelineCols+` from pipelines p where p.id = $1`, id), to)
}

// DeletePipeline removes an explicit definition. Its runs stay readable: where
// no derived one takes its place, a mark holds it until they are gone.
func (s *Store) DeletePipeline(ctx context.Context, id pipeline.ID) error {
	return s.write(ctx, "delete pipeline", func(t *tx) error {
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockRegister); err != nil {
			return err
		}
		// Alone, as a change of the mode: no run of it has been started and not
		// yet committed.
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockMode); err != nil {
			return err
		}
		var p store.Pipeline
		if err := t.pipeline(id, &p); err != nil {
			return err
		}
		switch {
		case p.Source == flow.SourceRemoved:
			return store.ErrNotFound
		case !flow.Deletable(p):
			return store.ErrConflict
		}
		// A run that has ended may still have attempts under way; their leases must
		// not outlive the rows they are about.
		var active bool
		if err := t.row(`select exists (select 1 from pipeline_runs r join run_state rs on rs.pipeline_run_id = r.id
			where r.pipeline_id = $1 and (r.status in ('pending', 'running') or rs.open > 0))`, []any{id}, &active); err != nil {
			return err
		}
		if active {
			return store.ErrConflict
		}
		if _, err := t.exec(`update pipelines set metadata = jsonb_set(coalesce(metadata, '{}'), '{source}', to_jsonb($2::text)) where id = $1`, id, flow.SourceRemoved); err != nil {
			return err
		}
		return t.renew() // puts a derived one in its place, or lets go what has no runs
	})
}
