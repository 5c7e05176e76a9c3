package pipeline

import "slices"

// Outcome says how a task run ended, as its successors see it.
type Outcome int

const (
	// Done is a task that completed.
	Done Outcome = iota + 1
	// Broke is a task that failed for good, timed out for good or was
	// cancelled.
	Broke
)

// End is one task of a run that ended.
type End struct {
	Task    TaskID
	Outcome Outcome
	// All says that every successor follows. Otherwise Selected names those
	// that do; an empty selection ends the branch. Both are ignored unless the
	// outcome is Done. Selected tasks that are not successors are ignored.
	All      bool
	Selected []TaskID
}

// Edges counts the in-edges of one task in one run by what they resolved to.
// What is missing to the number of predecessors is still open.
type Edges struct {
	Fired  int // source completed and selected the task
	Dead   int // source completed and did not, or was skipped as nothing led to it
	Broken int // source failed for good, or was skipped because of such a failure
}

func (e Edges) resolved() int { return e.Fired + e.Dead + e.Broken }

// Effects is what follows from tasks that ended.
type Effects struct {
	// Edges holds the new counts of every task whose in-edges were touched.
	Edges map[TaskID]Edges
	// Queue are the tasks whose last open in-edge resolved and that now run.
	Queue []TaskID
	// Skip are those that will never run. They have no task run.
	Skip []TaskID
	// Abort says that the run has failed here and now (fail-fast): nothing is
	// queued, what is pending is cancelled, what is running is asked to stop.
	Abort bool
}

// Advance resolves the out-edges of tasks that ended, and of those skipped in
// consequence, each edge exactly once. It must be called once for every task
// of a run that ends, under a lock of that run, with the counts the earlier
// calls returned; then a join fires once, in whatever order its sources end.
//
// counts is asked at most once per task for the counts so far; it returns the
// zero value for a task none of whose in-edges resolved yet. Its error is
// returned as it is.
func (g *Graph) Advance(mode FailureMode, counts func(TaskID) (Edges, error), ends ...End) (Effects, error) {
	eff := Effects{Edges: map[TaskID]Edges{}}
	if mode == FailFast {
		for _, end := range ends {
			if end.Outcome == Broke {
				eff.Abort = true
				return eff, nil
			}
		}
	}

	type edge struct {
		to   TaskID
		kind func(*Edges)
	}
	fired := func(e *Edges) { e.Fired++ }
	dead := func(e *Edges) { e.Dead++ }
	broken := func(e *Edges) { e.Broken++ }

	var todo []edge
	resolve := func(from TaskID, kind func(TaskID) func(*Edges)) {
		for _, next := range g.Next(from) {
			if !g.entries[next] {
				todo = append(todo, edge{next, kind(next)})
			}
		}
	}
	always := func(kind func(*Edges)) func(TaskID) func(*Edges) {
		return func(TaskID) func(*Edges) { return kind }
	}

	for _, end := range ends {
		switch {
		case end.Outcome == Broke:
			resolve(end.Task, always(broken))
		case end.All:
			resolve(end.Task, always(fired))
		default:
			resolve(end.Task, func(next TaskID) func(*Edges) {
				if slices.Contains(end.Selected, next) {
					return fired
				}
				return dead
			})
		}
	}

	for len(todo) > 0 {
		e := todo[0]
		todo = todo[1:]
		now, known := eff.Edges[e.to]
		if !known {
			var err error
			if now, err = counts(e.to); err != nil {
				return Effects{}, err
			}
		}
		e.kind(&now)
		eff.Edges[e.to] = now
		if now.resolved() < len(g.preds[e.to]) {
			continue
		}
		switch decide(mode, now) {
		case run:
			eff.Queue = append(eff.Queue, e.to)
		case skipDead:
			eff.Skip = append(eff.Skip, e.to)
			resolve(e.to, always(dead))
		case skipBroken:
			eff.Skip = append(eff.Skip, e.to)
			resolve(e.to, always(broken))
		}
	}
	return eff, nil
}

type decision int

const (
	run decision = iota
	skipDead
	skipBroken
)

// decide is the table for a task with no open in-edge.
func decide(mode FailureMode, e Edges) decision {
	switch {
	case e.Fired == 0 && e.Broken == 0:
		return skipDead
	case e.Broken == 0:
		return run
	case e.Fired > 0 && mode == PartialMerge:
		return run
	default:
		return skipBroken
	}
}

// Tally counts the task runs of a pipeline run that have ended.
type Tally struct {
	Completed     int
	Broken        int // failed, timed out or cancelled
	EndsCompleted int // of the completed ones, those with no successor in the graph
}

// Ended returns the status of a run none of whose tasks is open any more.
func Ended(mode FailureMode, t Tally) RunStatus {
	switch {
	case t.Broken == 0:
		return RunCompleted
	case mode == Continue && t.EndsCompleted > 0,
		mode == PartialMerge && t.Completed > 0:
		return RunPartial
	default:
		return RunFailed
	}
}
