package storetest

import (
	"cmp"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
)

// model is what a store is to do, small enough to be read: task runs in a
// slice, in the order of their creation, and no SQL. It knows one service, and
// ends attempts one at a time.
type model struct {
	tasks   map[pipeline.TaskID]store.Task
	graph   *pipeline.Graph
	runs    []*modelRun
	items   []*modelItem
	letters int
}

type modelRun struct {
	id     pipeline.RunID
	mode   pipeline.FailureMode
	status pipeline.RunStatus
	open   int
	tally  pipeline.Tally
	edges  map[pipeline.TaskID]pipeline.Edges
	prio   *int

	settled bool // looked at since it ended
}

func (r *modelRun) active() bool { return r != nil && !r.status.Terminal() }

type modelItem struct {
	id       pipeline.TaskRunID // empty until it is claimed first, where the store makes it
	task     pipeline.TaskID
	run      *modelRun // nil: standalone
	prio     int
	retries  int
	status   pipeline.TaskStatus
	attempt  int
	later    bool // scheduled for a time that does not come
	accepted bool
	cancel   bool

	settled bool // looked at since it ended
}

func (m *model) add(task pipeline.TaskID, id pipeline.TaskRunID, run *modelRun, prio *int) *modelItem {
	def := m.tasks[task]
	it := &modelItem{id: id, task: task, run: run, prio: def.Priority, retries: def.Retry.Retries, status: pipeline.TaskPending, attempt: 1}
	if prio != nil {
		it.prio = *prio
	}
	if run != nil {
		run.open++
	}
	m.items = append(m.items, it)
	return it
}

func (m *model) in(status pipeline.TaskStatus) []*modelItem {
	var out []*modelItem
	for _, it := range m.items {
		if it.status == status {
			out = append(out, it)
		}
	}
	return out
}

// claim is who is claimed: by priority, then age, no task beyond its limit.
func (m *model) claim(limit int, accepted bool) []*modelItem {
	used := map[pipeline.TaskID]int{}
	for _, it := range m.in(pipeline.TaskRunning) {
		used[it.task]++
	}
	waiting := m.in(pipeline.TaskPending)
	slices.SortStableFunc(waiting, func(a, b *modelItem) int { return cmp.Compare(a.prio, b.prio) })
	var out []*modelItem
	for _, it := range waiting {
		if limit := m.tasks[it.task].Concurrency; it.later || limit > 0 && used[it.task] >= limit {
			continue
		}
		if len(out) == limit {
			break
		}
		used[it.task]++
		it.status, it.accepted, it.cancel = pipeline.TaskRunning, accepted, false
		out = append(out, it)
	}
	return out
}

// end is EndAttempts for an attempt under lease.
func (m *model) end(it *modelItem, e store.EndAttempt) {
	if e.Failure == nil {
		it.status = pipeline.TaskCompleted
		if r := it.run; r != nil {
			r.open--
			r.tally.Completed++
			if m.graph.IsEnd(it.task) {
				r.tally.EndsCompleted++
			}
			m.advance(r, pipeline.End{Task: it.task, Outcome: pipeline.Done, All: e.AllNext, Selected: e.SelectedNext})
		}
		return
	}
	stopped := it.cancel || it.run != nil && !it.run.active()
	if !e.Failure.Final && !stopped && it.attempt <= it.retries {
		it.status = pipeline.TaskPending
		it.attempt++
		return
	}
	switch {
	case stopped:
		it.status = pipeline.TaskCancelled
	case e.Failure.Timeout:
		it.status = pipeline.TaskTimeout
	default:
		it.status = pipeline.TaskFailed
	}
	if !stopped {
		m.letters++
	}
	m.broke(it)
}

// release is ReleaseAttempts for an attempt under lease.
func (m *model) release(it *modelItem) {
	if it.cancel || it.run != nil && !it.run.active() {
		it.status = pipeline.TaskCancelled
		m.broke(it)
		return
	}
	it.status = pipeline.TaskPending
}

// takeBack is Rescue for an attempt that was never accepted.
func (m *model) takeBack(it *modelItem) {
	if m.release(it); it.status == pipeline.TaskPending {
		it.attempt++
		it.retries++
	}
}

func (m *model) broke(it *modelItem) {
	if r := it.run; r != nil {
		r.open--
		r.tally.Broken++
		m.advance(r, pipeline.End{Task: it.task, Outcome: pipeline.Broke})
	}
}

func (m *model) advance(r *modelRun, end pipeline.End) {
	if !r.active() {
		return
	}
	// The graph's own rules have tests of their own; what the rows make of them
	// is the question here.
	eff, _ := m.graph.Advance(r.mode, func(t pipeline.TaskID) (pipeline.Edges, error) { return r.edges[t], nil }, end)
	if eff.Abort {
		m.stop(r, pipeline.RunFailed)
		return
	}
	for task, e := range eff.Edges {
		r.edges[task] = e
	}
	for _, task := range eff.Queue {
		m.add(task, "", r, r.prio)
	}
	if r.open == 0 {
		r.status = pipeline.Ended(r.mode, r.tally)
	}
}

// stop ends a run with open tasks.
func (m *model) stop(r *modelRun, status pipeline.RunStatus) {
	r.status = status
	for _, it := range m.items {
		switch {
		case it.run != r:
		case it.status == pipeline.TaskPending:
			it.status = pipeline.TaskCancelled
			r.open--
			r.tally.Broken++
		case it.status == pipeline.TaskRunning:
			it.cancel = true
		}
	}
}
