package sqlite

import (
	"context"
	"encoding/json"
	"strings"

	"pipedai/pipeline"
	"pipedai/store"
)

// all reads every row of a query on the read-only pool.
func all[T any](ctx context.Context, s *Store, what string, scan func(scanner, *T) error, query string, args ...any) ([]T, error) {
	out := []T{}
	if err := s.w.reads.enter(ctx); err != nil {
		return nil, wrap(what, err)
	}
	defer s.w.reads.leave()
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	err = each(rows, err, func(row scanner) error {
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
	if err := s.w.reads.enter(ctx); err != nil {
		return v, wrap(what, err)
	}
	defer s.w.reads.leave()
	err := scan(s.db.Reader.QueryRowContext(ctx, query, args...), &v)
	return v, wrap(what, err)
}

// count reads one number.
func count(ctx context.Context, s *Store, what, query string, args ...any) (int, error) {
	return one(ctx, s, what, func(row scanner, n *int) error { return row.Scan(n) }, query, args...)
}

// Services lists services, newest registration first.
func (s *Store) Services(ctx context.Context) ([]store.Service, error) {
	return all(ctx, s, "list services", scanService, `select `+serviceCols+` from services s order by s.registered_at desc, s.id`)
}

// Service reads one.
func (s *Store) Service(ctx context.Context, id pipeline.ServiceID) (store.Service, error) {
	return one(ctx, s, "read service", scanService, `select `+serviceCols+` from services s where s.id = ?`, id)
}

// Tasks lists definitions by id.
func (s *Store) Tasks(ctx context.Context, service pipeline.ServiceID) ([]store.Task, error) {
	return all(ctx, s, "list tasks", scanTask,
		`select `+taskCols+` from tasks k where ?1 = '' or k.service_id = ?1 order by k.id`, service)
}

// Task reads one.
func (s *Store) Task(ctx context.Context, id pipeline.TaskID) (store.Task, error) {
	return one(ctx, s, "read task", scanTask, `select `+taskCols+` from tasks k where k.id = ?`, id)
}

// TaskHistory lists code versions, newest first.
func (s *Store) TaskHistory(ctx context.Context, id pipeline.TaskID) ([]store.CodeVersion, error) {
	return all(ctx, s, "read task history", func(row scanner, v *store.CodeVersion) error {
		return row.Scan(&v.Task, &v.Version, &v.Hash, &v.ServiceVersion, timeCol{&v.RecordedAt})
	}, `select task_id, code_version, code_hash, service_version, recorded_at from task_code_history
		where task_id = ? order by code_version desc, id desc`, id)
}

// Pipelines lists definitions by name.
func (s *Store) Pipelines(ctx context.Context) ([]store.Pipeline, error) {
	return all(ctx, s, "list pipelines", scanPipeline, `select `+pipelineCols+` from pipelines p where `+defined+` order by p.name, p.id`)
}

// Pipeline reads one.
func (s *Store) Pipeline(ctx context.Context, id pipeline.ID) (store.Pipeline, error) {
	return one(ctx, s, "read pipeline", scanPipeline, `select `+pipelineCols+` from pipelines p where p.id = ? and `+defined, id)
}

// where collects conditions.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, arg any) {
	w.conds, w.args = append(w.conds, cond), append(w.args, arg)
}

// status selects task runs by an index of those in that state, where there is one.
func (w *where) status(status pipeline.TaskStatus) {
	switch status {
	case pipeline.TaskPending:
		w.conds = append(w.conds, `t.seq in (select seq from task_runs where since is not null
			union all select seq from task_runs where due is not null)`)
	case pipeline.TaskRunning:
		w.conds = append(w.conds, "t.owner is not null")
	case pipeline.TaskFailed, pipeline.TaskTimeout, pipeline.TaskCancelled, pipeline.TaskWaiting:
		// Spelled out, or the planner cannot know that the index holds them.
		w.conds = append(w.conds, "t.status = '"+string(status)+"'")
	default:
		w.add("t.status = ?", status)
	}
}

// runStatus is status for pipeline runs.
func (w *where) runStatus(status pipeline.RunStatus) {
	switch status {
	case pipeline.RunPending, pipeline.RunRunning, pipeline.RunFailed, pipeline.RunCancelled, pipeline.RunPartial:
		w.conds = append(w.conds, "r.status = '"+string(status)+"'")
	default:
		w.add("r.status = ?", status)
	}
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

// PipelineRuns lists runs, newest first.
func (s *Store) PipelineRuns(ctx context.Context, f store.RunFilter) ([]store.PipelineRun, int, error) {
	var w where
	if f.Pipeline != "" {
		w.add("r.pipeline_id = ?", f.Pipeline)
	}
	if f.Status != "" {
		w.runStatus(f.Status)
	}
	if f.Version != "" {
		w.add("r.pipeline_version = ?", f.Version)
	}
	if f.Text != "" {
		w.add("instr(lower(r.id || ' ' || r.pipeline_id || ' ' || coalesce(r.error, '')), lower(?)) > 0", f.Text)
	}
	if !f.From.IsZero() {
		w.add("r.created_at >= ?", us(f.From))
	}
	if !f.To.IsZero() {
		w.add("r.created_at <= ?", us(f.To))
	}
	total, err := count(ctx, s, "count pipeline runs", `select count(*) from pipeline_runs r`+w.String(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	page, err := all(ctx, s, "list pipeline runs", scanRun,
		`select `+runCols+runFrom+w.String()+` order by r.created_at desc, r.id desc limit ? offset ?`,
		append(w.args, limitOf(f.Limit), f.Offset)...)
	return page, total, err
}

// RecentRuns lists the newest runs of each pipeline.
func (s *Store) RecentRuns(ctx context.Context, perPipeline int) ([]store.RunGlance, error) {
	return all(ctx, s, "list recent runs", func(row scanner, r *store.RunGlance) error {
		return row.Scan(asText(&r.ID), asText(&r.Pipeline), asText(&r.Status), timeCol{&r.CreatedAt}, timeCol{&r.StartedAt}, timeCol{&r.CompletedAt})
	}, `select r.id, r.pipeline_id, r.status, r.created_at, r.started_at, r.completed_at from pipelines p
			cross join pipeline_runs r on r.id in (
				select id from pipeline_runs where pipeline_id = p.id order by created_at desc, id desc limit ?)
			order by r.pipeline_id, r.created_at desc, r.id desc`, perPipeline)
}

// PipelineRun reads one.
func (s *Store) PipelineRun(ctx context.Context, id pipeline.RunID) (store.PipelineRun, error) {
	return one(ctx, s, "read pipeline run", scanRun, `select `+runCols+runFrom+` where r.id = ?`, id)
}

// TasksOfRun lists the task runs of a pipeline run by creation.
func (s *Store) TasksOfRun(ctx context.Context, id pipeline.RunID) ([]store.TaskRun, error) {
	return all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+` from task_runs t where t.pipeline_run_id = ? order by t.seq`, id)
}

// NewsOfRun lists some task runs of a pipeline run and counts all.
func (s *Store) NewsOfRun(ctx context.Context, n store.RunNews) ([]store.TaskRun, int, error) {
	named, err := json.Marshal(n.Named[:min(len(n.Named), limitOf(n.Limit))])
	if err != nil {
		return nil, 0, wrap("list news of a run", err)
	}
	total, err := count(ctx, s, "count task runs", `select count(*) from task_runs where pipeline_run_id = ?`, n.Run)
	if err != nil {
		return nil, 0, err
	}
	news, err := all(ctx, s, "list news of a run", scanTaskRun, `select `+taskRunCols+` from task_runs t where t.seq in (
			select seq from task_runs where id in (select value from json_each(?2)) and pipeline_run_id = ?1
			union
			select * from (select seq from task_runs where pipeline_run_id = ?1
				and seq > (select seq from task_runs where id = ?3 and pipeline_run_id = ?1) order by seq limit ?4)
		) order by t.seq`, n.Run, string(named), n.After, limitOf(n.Limit))
	return news, total, err
}

// TaskRun reads one.
func (s *Store) TaskRun(ctx context.Context, id pipeline.TaskRunID) (store.TaskRun, error) {
	return one(ctx, s, "read task run", scanTaskRun, `select `+taskRunCols+` from task_runs t where t.id = ?`, id)
}

// TaskRuns lists task runs by priority, then creation.
func (s *Store) TaskRuns(ctx context.Context, f store.TaskRunFilter) ([]store.TaskRun, int, error) {
	var w where
	if f.Status != "" {
		w.status(f.Status)
	}
	if f.Task != "" {
		w.add("t.task_id = ?", f.Task)
	}
	if f.Run != "" {
		w.add("t.pipeline_run_id = ?", f.Run)
	}
	if f.Code != 0 {
		w.add("t.code_version = ?", f.Code)
	}
	order := `t.priority, t.created_at, t.seq`
	if f.Newest {
		order = `t.created_at desc, t.seq desc`
	}
	total, err := count(ctx, s, "count task runs", `select count(*) from task_runs t`+w.String(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	page, err := all(ctx, s, "list task runs", scanTaskRun,
		`select `+taskRunCols+` from task_runs t`+w.String()+` order by `+order+` limit ? offset ?`,
		append(w.args, limitOf(f.Limit), f.Offset)...)
	return page, total, err
}
