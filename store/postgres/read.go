package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// all reads every row of a query on the read-only pool.
func all[T any](ctx context.Context, s *Store, what string, scan func(scanner, *T) error, query string, args ...any) ([]T, error) {
	out := []T{}
	err := s.rows(ctx, query, args, func(row scanner) error {
		var v T
		err := scan(row, &v)
		out = append(out, v)
		return err
	})
	return out, wrap(what, err)
}

// one reads one row; store.ErrNotFound when there is none.
func one[T any](ctx context.Context, s *Store, what string, scan func(scanner, *T) error, query string, args ...any) (T, error) {
	var v T
	found := false
	err := s.rows(ctx, query, args, func(row scanner) error {
		found = true
		return scan(row, &v)
	})
	if err == nil && !found {
		err = pgx.ErrNoRows
	}
	return v, wrap(what, err)
}

// Services lists services, newest registration first.
func (s *Store) Services(ctx context.Context) ([]store.Service, error) {
	return all(ctx, s, "list services", scanService, `select `+serviceCols+` from services s order by s.registered_at desc, s.id`)
}

// Service reads one.
func (s *Store) Service(ctx context.Context, id pipeline.ServiceID) (store.Service, error) {
	return one(ctx, s, "read service", scanService, `select `+serviceCols+` from services s where s.id = $1`, id)
}

// Tasks lists definitions by id.
func (s *Store) Tasks(ctx context.Context, service pipeline.ServiceID) ([]store.Task, error) {
	return all(ctx, s, "list tasks", scanTask,
		`select `+taskCols+` from tasks k where $1::text = '' or k.service_id = $1::text order by k.id`, service)
}

// Task reads one.
func (s *Store) Task(ctx context.Context, id pipeline.TaskID) (store.Task, error) {
	return one(ctx, s, "read task", scanTask, `select `+taskCols+` from tasks k where k.id = $1`, id)
}

// TaskHistory lists code versions, newest first.
func (s *Store) TaskHistory(ctx context.Context, id pipeline.TaskID) ([]store.CodeVersion, error) {
	return all(ctx, s, "read task history", func(row scanner, v *store.CodeVersion) error {
		return row.Scan(&v.Task, &v.Version, &v.Hash, &v.ServiceVersion, timeCol{&v.RecordedAt})
	}, `select task_id, code_version, code_hash, service_version, recorded_at from task_code_history
		where task_id = $1 order by code_version desc, id desc`, id)
}

// Pipelines lists definitions by name.
func (s *Store) Pipelines(ctx context.Context) ([]store.Pipeline, error) {
	return all(ctx, s, "list pipelines", scanPipeline, `select `+pipelineCols+` from pipelines p where `+defined+` order by p.name, p.id`)
}

// Pipeline reads one.
func (s *Store) Pipeline(ctx context.Context, id pipeline.ID) (store.Pipeline, error) {
	return one(ctx, s, "read pipeline", scanPipeline, `select `+pipelineCols+` from pipelines p where p.id = $1 and `+defined, id)
}

// where collects conditions.
type where struct {
	conds []string
	args  []any
}

// add takes a condition with %d for the number of its argument.
func (w *where) add(cond string, arg any) {
	w.args = append(w.args, arg)
	w.conds = append(w.conds, fmt.Sprintf(cond, len(w.args)))
}

func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " where " + strings.Join(w.conds, " and ")
}

func limitOf(n int) int {
	if n <= 0 {
		return 100
	}
	return n
}

func page(limit, offset int) string {
	return fmt.Sprintf("limit %d offset %d", limitOf(limit), max(0, offset))
}

// PipelineRuns lists runs, newest first.
func (s *Store) PipelineRuns(ctx context.Context, f store.RunFilter) ([]store.PipelineRun, int, error) {
	var w where
	if f.Pipeline != "" {
		w.add("r.pipeline_id = $%d", f.Pipeline)
	}
	if f.Status != "" {
		w.add("r.status = $%d", f.Status)
	}
	if f.Version != "" {
		w.add("r.pipeline_version = $%d", flow.Text(f.Version))
	}
	if f.Text != "" {
		w.add("strpos(lower(r.id || ' ' || r.pipeline_id || ' ' || coalesce(r.error, '')), lower($%d)) > 0", flow.Text(f.Text))
	}
	if !f.From.IsZero() {
		w.add("r.created_at >= $%d", ts(f.From))
	}
	if !f.To.IsZero() {
		w.add("r.created_at <= $%d", ts(f.To))
	}
	var total int
	if err := s.row(ctx, `select count(*) from pipeline_runs r`+w.String(), w.args, &total); err != nil {
		return nil, 0, wrap("count pipeline runs", err)
	}
	// The page is found by narrow rows. Whole ones, with their graphs, would be
	// read and sorted for every run that the filter admits.
	const newest = ` order by r.created_at desc, r.id desc `
	list, err := all(ctx, s, "list pipeline runs", scanRun,
		`select `+runCols+runFrom+` where r.id = any(array(select r.id from pipeline_runs r`+w.String()+newest+page(f.Limit, f.Offset)+`))`+newest, w.args...)
	return list, total, err
}

// RecentRuns lists the newest runs of each pipeline.
func (s *Store) RecentRuns(ctx context.Context, perPipeline int) ([]store.RunGlance, error) {
	return all(ctx, s, "list recent runs", func(row scanner, r *store.RunGlance) error {
		return row.Scan(asText(&r.ID), asText(&r.Pipeline), asText(&r.Status), timeCol{&r.CreatedAt}, timeCol{&r.StartedAt}, timeCol{&r.CompletedAt})
	}, `select r.id, r.pipeline_id, r.status, r.created_at, r.started_at, r.completed_at from pipelines p
			cross join lateral (select * from pipeline_runs where pipeline_id = p.id order by created_at desc, id desc limit $1) r
			order by r.pipeline_id, r.created_at desc, r.id desc`, perPipeline)
}

// PipelineRun reads one.
func (s *Store) PipelineRun(ctx context.Context, id pipeline.RunID) (store.PipelineRun, error) {
	return one(ctx, s, "read pipeline run", scanRun, `select `+runCols+runFrom+` where r.id = $1`, id)
}

// TasksOfRun lists the task runs of a pipeline run by creation.
func (s *Store) TasksOfRun(ctx context.Context, id pipeline.RunID) ([]store.TaskRun, error) {
	return all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+`, l.cancel`+taskRunFrom+` where t.pipeline_run_id = $1 order by t.seq`, id)
}

// NewsOfRun lists some task runs of a pipeline run and counts all.
func (s *Store) NewsOfRun(ctx context.Context, n store.RunNews) ([]store.TaskRun, int, error) {
	total, err := one(ctx, s, "count task runs", func(row scanner, total *int) error { return row.Scan(total) },
		`select count(*) from task_runs where pipeline_run_id = $1`, n.Run)
	if err != nil {
		return nil, 0, err
	}
	limit := limitOf(n.Limit)
	news, err := all(ctx, s, "list news of a run", scanTaskRun, `select `+taskRunCols+`, l.cancel`+taskRunFrom+` where t.seq in (
			select seq from task_runs where id = any($2) and pipeline_run_id = $1
			union
			(select seq from task_runs where pipeline_run_id = $1
				and seq > (select seq from task_runs where id = $3 and pipeline_run_id = $1) order by seq limit $4)
		) order by t.seq`, n.Run, list(n.Named[:min(len(n.Named), limit)]), n.After, limit)
	return news, total, err
}

// TaskRun reads one.
func (s *Store) TaskRun(ctx context.Context, id pipeline.TaskRunID) (store.TaskRun, error) {
	return one(ctx, s, "read task run", scanTaskRun, `select `+taskRunCols+`, l.cancel`+taskRunFrom+` where t.id = $1`, id)
}

// inStatus finds the task runs in a status where there are few of them; the
// history has no index over what changes.
var inStatus = map[pipeline.TaskStatus]string{
	pipeline.TaskPending:   `t.id in (select task_run_id from ready union all select task_run_id from timer)`,
	pipeline.TaskRunning:   `t.id in (select task_run_id from lease)`,
	pipeline.TaskFailed:    `t.id in (select task_run_id from broken where status = 'failed')`,
	pipeline.TaskTimeout:   `t.id in (select task_run_id from broken where status = 'timeout')`,
	pipeline.TaskCancelled: `t.id in (select task_run_id from broken where status = 'cancelled')`,
}

// counted are the statuses whose totals are kept.
var counted = map[pipeline.TaskStatus]string{
	pipeline.TaskPending: "pending", pipeline.TaskRunning: "running", pipeline.TaskCompleted: "completed", pipeline.TaskFailed: "failed",
}

// TaskRuns lists task runs by priority, then creation.
func (s *Store) TaskRuns(ctx context.Context, f store.TaskRunFilter) ([]store.TaskRun, int, error) {
	var w where
	if f.Status != "" {
		w.add("t.status = $%d", f.Status)
		if few := inStatus[f.Status]; few != "" && f.Run == "" {
			w.conds = append(w.conds, few)
		}
	}
	if f.Task != "" {
		w.add("t.task_id = $%d", f.Task)
	}
	if f.Run != "" {
		w.add("t.pipeline_run_id = $%d", f.Run)
	}
	if f.Code != 0 {
		w.add("t.code_version = $%d", f.Code)
	}
	order := `t.priority, t.created_at, t.seq`
	if f.Newest {
		order = `t.created_at desc, t.seq desc`
	}
	count, args := `select count(*) from task_runs t`+w.String(), w.args
	if kept := counted[f.Status]; kept != "" && f.Task == "" && f.Run == "" && f.Code == 0 {
		count, args = `select sum(`+kept+`)::bigint from counters`, nil
	}
	var total int
	if err := s.row(ctx, count, args, &total); err != nil {
		return nil, 0, wrap("count task runs", err)
	}
	list, err := all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+`, l.cancel`+taskRunFrom+w.String()+` order by `+order+` `+page(f.Limit, f.Offset), w.args...)
	return list, total, err
}
