package pipeline

import "slices"

// StepType says what is special about a level of a plan.
type StepType string

const (
	// StepEntry is the first level.
	StepEntry StepType = "entry"
	// StepParallel is a level whose tasks each follow one other task.
	StepParallel StepType = "parallel"
	// StepJoin is a level with a task that waits for several others.
	StepJoin StepType = "join"
	// StepEnd is the last level, unless it is also the first.
	StepEnd StepType = "end"
)

// Step is one level of a plan: tasks that may run at the same time.
type Step struct {
	Step  int // from 0
	Tasks []TaskID
	Type  StepType
	// WaitsFor are the predecessors of the level's joins, ascending; nil when
	// it has none.
	WaitsFor []TaskID
	// IsEnd says that a branch ends in this level.
	IsEnd bool
}

// Plan lays a valid graph out in levels: the entries first, every other task
// one level after the last of its predecessors. Tasks of a level are in
// ascending order. Tasks on a cycle never get a level and are left out.
func Plan(s Structure, entries []TaskID) []Step {
	g := NewGraph(s, entries)
	open := map[TaskID]int{}
	var level []TaskID
	for _, task := range g.nodes.Tasks() {
		open[task] = len(g.Predecessors(task))
		if open[task] == 0 {
			level = append(level, task)
		}
	}

	plan := []Step{}
	for len(level) > 0 {
		step := Step{Step: len(plan), Tasks: level}
		var following []TaskID
		for _, task := range level {
			if preds := g.Predecessors(task); len(preds) > 1 {
				step.WaitsFor = append(step.WaitsFor, preds...)
			}
			if g.IsEnd(task) {
				step.IsEnd = true
			}
			for _, next := range g.Next(task) {
				if g.entries[next] {
					continue
				}
				if open[next]--; open[next] == 0 {
					following = append(following, next)
				}
			}
		}
		slices.Sort(step.WaitsFor)
		step.WaitsFor = slices.Compact(step.WaitsFor)
		switch {
		case step.Step == 0:
			step.Type = StepEntry
		case len(following) == 0:
			step.Type = StepEnd
		case len(step.WaitsFor) > 0:
			step.Type = StepJoin
		default:
			step.Type = StepParallel
		}
		plan = append(plan, step)
		slices.Sort(following)
		level = following
	}
	return plan
}
