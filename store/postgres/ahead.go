package postgres

import (
	"sync"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// ahead is what a step read before flow asked for it, in a round trip that had
// to be made anyway. What is missing is read when it is asked for.
type ahead struct {
	mode      store.Mode
	pipelines map[pipeline.ID]store.Pipeline
	tasks     map[pipeline.TaskID]flow.Task
	joins     map[runTask]*pipeline.Edges // nil: there is no row
	outputs   map[runTask]*store.Upstream // nil: it did not complete
	versions  map[pipeline.RunID]string   // of the rows of runs that are locked
}

// output is the result of a task that completed. It holds as long as the row of
// its run has that version: whoever makes task runs void writes it anew.
type output struct {
	store.Upstream
	version string
}

type runTask struct {
	run  pipeline.RunID
	task pipeline.TaskID
}

// pick returns the values of keys, if from has all of them.
func pick[K comparable, V any](from map[K]V, keys []K) (map[K]V, bool) {
	if len(from) == 0 {
		return nil, false
	}
	out := map[K]V{}
	for _, key := range keys {
		v, known := from[key]
		if !known {
			return nil, false
		}
		out[key] = v
	}
	return out, true
}

// pickOf is pick for what is asked of several runs.
func pickOf[V any](from map[runTask]*V, of map[pipeline.RunID][]pipeline.TaskID) (map[pipeline.RunID]map[pipeline.TaskID]V, bool) {
	out := map[pipeline.RunID]map[pipeline.TaskID]V{}
	for run, tasks := range of {
		if tasks == nil {
			return nil, false // all there are
		}
		out[run] = map[pipeline.TaskID]V{}
		for _, task := range tasks {
			v, known := from[runTask{run, task}]
			if !known {
				return nil, false
			}
			if v != nil {
				out[run][task] = *v
			}
		}
	}
	return out, true
}

// fewAncestors is how many results are read ahead for a join, which may not
// fire yet.
const fewAncestors = 8

// lookAhead reads what the end of tasks will probably ask for. It is queued
// behind the locks of their runs, and knows the runs whose graphs are known.
func (t *tx) lookAhead(b *pgx.Batch, ending map[pipeline.RunID][]pipeline.TaskID) {
	a := &t.ahead
	a.joins, a.outputs = map[runTask]*pipeline.Edges{}, map[runTask]*store.Upstream{}
	tasks := map[pipeline.TaskID]bool{}
	joins, outputs := map[pipeline.RunID][]pipeline.TaskID{}, map[pipeline.RunID][]pipeline.TaskID{}
	for run, ends := range ending {
		g, known := t.s.graphs.get(run)
		if !known {
			continue
		}
		for _, end := range ends {
			for _, next := range g.Next(end) {
				tasks[next] = true
				preds := len(g.Predecessors(next))
				if _, again := a.joins[runTask{run, next}]; preds > 1 && !again {
					a.joins[runTask{run, next}] = nil
					joins[run] = append(joins[run], next)
				}
				ancestors := g.Ancestors(next)
				if preds > 1 && len(ancestors) > fewAncestors {
					continue
				}
				for _, up := range ancestors {
					if _, known := t.s.outputs.get(runTask{run, up}); known {
						continue // Outputs sees whether it still holds
					}
					if _, again := a.outputs[runTask{run, up}]; !again {
						a.outputs[runTask{run, up}] = nil
						outputs[run] = append(outputs[run], up)
					}
				}
			}
		}
	}
	if len(tasks) > 0 {
		ids := make([]string, 0, len(tasks))
		for id := range tasks {
			ids = append(ids, string(id))
		}
		a.queueTasks(b, `k.id = any($1)`, ids)
	}
	if len(joins) > 0 {
		queueJoins(b, joins, func(run pipeline.RunID, task pipeline.TaskID, e pipeline.Edges) { a.joins[runTask{run, task}] = &e })
	}
	if len(outputs) > 0 {
		t.queueOutputs(b, outputs, func(run pipeline.RunID, up store.Upstream) { a.outputs[runTask{run, up.Task}] = &up })
	}
}

func (a *ahead) queueTasks(b *pgx.Batch, which string, arg any) {
	a.tasks = map[pipeline.TaskID]flow.Task{}
	b.Queue(`select coalesce(seen.code_version, 0), `+taskCols+` from tasks k left join task_seen seen on seen.task_id = k.id where `+which, arg).
		Query(func(rows pgx.Rows) error {
			return each(rows, nil, func(row scanner) error {
				var task flow.Task
				err := row.Scan(append([]any{&task.LastRun}, taskDest(&task.Task, &task.RemovedIn)...)...)
				task.Removed = task.RemovedIn != ""
				a.tasks[task.ID] = task
				return err
			})
		})
}

func (a *ahead) queuePipelines(b *pgx.Batch, ids []string) {
	a.pipelines = map[pipeline.ID]store.Pipeline{}
	b.Queue(`select `+pipelineCols+` from pipelines p where p.id = any($1) and `+defined, ids).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var p store.Pipeline
			err := scanPipeline(row, &p)
			a.pipelines[p.ID] = p
			return err
		})
	})
}

func queueJoins(b *pgx.Batch, of map[pipeline.RunID][]pipeline.TaskID, found func(pipeline.RunID, pipeline.TaskID, pipeline.Edges)) {
	var whole []string
	for run, tasks := range of {
		if tasks == nil {
			whole = append(whole, string(run))
		}
	}
	runs, tasks := pairs(of)
	// Behind offset 0, as in queueOutputs.
	b.Queue(`select j.pipeline_run_id, j.task_id, j.fired, j.dead, j.broken from unnest($1::text[], $2::text[]) u(run, task),
			lateral (select * from joins where pipeline_run_id = u.run and task_id = u.task offset 0) j
		union all select pipeline_run_id, task_id, fired, dead, broken from joins where pipeline_run_id = any($3)`,
		runs, tasks, whole).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var run pipeline.RunID
			var task pipeline.TaskID
			var e pipeline.Edges
			err := row.Scan(&run, &task, &e.Fired, &e.Dead, &e.Broken)
			found(run, task, e)
			return err
		})
	})
}

// queueOutputs reads results under the locks of their runs, and remembers them.
func (t *tx) queueOutputs(b *pgx.Batch, of map[pipeline.RunID][]pipeline.TaskID, found func(pipeline.RunID, store.Upstream)) {
	runs, tasks := pairs(of)
	// A plain join could be planned the other way round, with all of the history
	// against a few pairs. Behind offset 0 it cannot.
	b.Queue(`select u.run, u.task, t.output_path, t.output_sha256, t.assets from unnest($1::text[], $2::text[]) u(run, task),
		lateral (select * from task_runs where pipeline_run_id = u.run and task_id = u.task and superseded_by is null offset 0) t
		where t.status = 'completed'`, runs, tasks).Query(func(rows pgx.Rows) error {
		return each(rows, nil, func(row scanner) error {
			var run pipeline.RunID
			var up store.Upstream
			err := row.Scan(&run, &up.Task, asText(&up.OutputPath), asText(&up.SHA256), jsonCol{&up.Assets})
			found(run, up)
			if version := t.ahead.versions[run]; version != "" && err == nil {
				t.s.outputs.add(runTask{run, up.Task}, output{up, version})
			}
			return err
		})
	})
}

// recent remembers values that never change under their key: the newest few
// thousand, in two generations of which the older one is dropped whole.
type recent[K comparable, V any] struct {
	mu       sync.Mutex
	now, was map[K]V
}

const generation = 4096

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, known := r.now[key]
	if !known {
		if v, known = r.was[key]; known {
			r.put(key, v)
		}
	}
	return v, known
}

func (r *recent[K, V]) add(key K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(key, v)
}

func (r *recent[K, V]) put(key K, v V) {
	if r.now == nil || len(r.now) >= generation {
		r.now, r.was = map[K]V{}, r.now
	}
	r.now[key] = v
}
