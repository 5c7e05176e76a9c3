package pipeline

import "errors"

// ErrUnderWay says that a task cannot be run again because one that follows it
// runs right now, without it.
var ErrUnderWay = errors.New("a task that follows is under way")

// Was is what a run remembers of one of its tasks: the state of its newest
// task run and, where that completed, what it selected (as in End).
type Was struct {
	Status   TaskStatus
	All      bool
	Selected []TaskID
}

func (w Was) broke() bool { return w.Status.Terminal() && w.Status != TaskCompleted }

// Replay is how a run goes on when tasks that broke run again.
type Replay struct {
	// Queue are the tasks that run now, Later those whose task run is void as
	// well and that follow when their in-edges resolve again. Both ascending.
	Queue, Later []TaskID
	// Edges are the counts of every task with in-edges; they replace the old.
	Edges map[TaskID]Edges
	Tally Tally
	Open  int // task runs that have not ended, those of Queue included
}

// Replay plans to run tasks again that broke: those named, or all when again
// is nil. What completed without them stays. What completed or broke after
// them (merges that ran with what there was) is void, because it was made
// without them, and runs again after them. In a fail-fast run everything that
// broke runs again, whatever is named: one task's failure was the end of all.
//
// What was to follow a task that completed when the run had already ended is
// queued too. A replay whose tasks all complete ends like a run in which they
// never broke. It fails with ErrUnderWay, changing nothing.
func (g *Graph) Replay(mode FailureMode, was map[TaskID]Was, again []TaskID) (Replay, error) {
	void := map[TaskID]bool{}
	mark := func(task TaskID) {
		if w, known := was[task]; known && w.broke() {
			void[task] = true
		}
	}
	if again == nil || mode == FailFast {
		for task := range was {
			mark(task)
		}
	} else {
		for _, task := range again {
			mark(task)
		}
	}
	if err := g.spread(was, void); err != nil {
		return Replay{}, err
	}

	out := Replay{Edges: map[TaskID]Edges{}}
	var ends []End
	kept := map[TaskID]bool{}
	for _, task := range g.nodes.Tasks() {
		if len(g.preds[task]) > 0 {
			out.Edges[task] = Edges{}
		}
		w, known := was[task]
		switch {
		case !known || void[task]:
			continue
		case w.Status == TaskCompleted:
			ends = append(ends, End{Task: task, Outcome: Done, All: w.All, Selected: w.Selected})
			out.Tally.Completed++
			if g.IsEnd(task) {
				out.Tally.EndsCompleted++
			}
		case w.broke():
			ends = append(ends, End{Task: task, Outcome: Broke})
			out.Tally.Broken++
		default:
			out.Open++
		}
		kept[task] = true
	}
	eff, err := g.Advance(mode, func(TaskID) (Edges, error) { return Edges{}, nil }, ends...)
	if err != nil {
		return Replay{}, err
	}
	queued := map[TaskID]bool{}
	for task, edges := range eff.Edges {
		out.Edges[task] = edges
	}
	for _, task := range eff.Queue {
		queued[task] = !kept[task]
	}
	for _, task := range g.nodes.Tasks() {
		switch {
		case queued[task], void[task] && g.entries[task]:
			out.Queue = append(out.Queue, task)
		case void[task]:
			out.Later = append(out.Later, task)
		}
	}
	out.Open += len(out.Queue)
	return out, nil
}

// spread voids what ran after tasks that are void. An entry runs after nothing.
func (g *Graph) spread(was map[TaskID]Was, void map[TaskID]bool) error {
	var todo []TaskID
	for task := range void {
		todo = append(todo, task)
	}
	seen := map[TaskID]bool{}
	for len(todo) > 0 {
		task := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, next := range g.Next(task) {
			if g.entries[next] || seen[next] {
				continue
			}
			seen[next] = true
			todo = append(todo, next)
			w, known := was[next]
			switch {
			case !known:
			case !w.Status.Terminal():
				return ErrUnderWay
			default:
				void[next] = true
			}
		}
	}
	return nil
}
