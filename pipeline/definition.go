package pipeline

import (
	"maps"
	"slices"
)

// FailureMode says what a final failure of one task means for its run.
type FailureMode string

const (
	// FailFast ends the run at once and cancels what is left. The default.
	FailFast FailureMode = "fail-fast"
	// Continue lets other branches go on and skips merges that depend on the
	// failure.
	Continue FailureMode = "continue"
	// PartialMerge also runs those merges, with what there is.
	PartialMerge FailureMode = "partial-merge"
)

// Valid reports whether m is one of the three modes.
func (m FailureMode) Valid() bool { return m == FailFast || m == Continue || m == PartialMerge }

// Node is one task of a structure.
type Node struct {
	// AllowedNext are the tasks this one may be followed by. All of them run
	// unless the task selects fewer.
	AllowedNext []TaskID `json:"allowedNext"`
}

// Structure is a graph as the database and the API spell it: task id to node.
type Structure map[TaskID]Node

// Tasks returns the task ids of the structure in ascending order.
func (s Structure) Tasks() []TaskID { return slices.Sorted(maps.Keys(s)) }

// Reachable returns the part of s that entries lead to. Successors that s
// does not hold are kept as edges (validation names them) but not as nodes.
func (s Structure) Reachable(entries []TaskID) Structure {
	out := Structure{}
	todo := slices.Clone(entries)
	for len(todo) > 0 {
		task := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		node, known := s[task]
		if _, seen := out[task]; seen || !known {
			continue
		}
		out[task] = node
		todo = append(todo, node.AllowedNext...)
	}
	return out
}

// Entries returns the tasks of s that no other task of s leads to, ascending.
func (s Structure) Entries() []TaskID {
	led := map[TaskID]bool{}
	for _, node := range s {
		for _, next := range node.AllowedNext {
			led[next] = true
		}
	}
	var out []TaskID
	for _, task := range s.Tasks() {
		if !led[task] {
			out = append(out, task)
		}
	}
	return out
}

// Graph is a structure with its entries, indexed for walking. Build one with
// NewGraph; it is read-only and safe for concurrent use.
type Graph struct {
	nodes   Structure
	entries map[TaskID]bool
	preds   map[TaskID][]TaskID // in-edges, ascending; none for entries
}

// NewGraph indexes the part of a structure that its entries lead to; a join
// does not wait for a task that can never run. In-edges of entry tasks are
// ignored (an entry starts at the trigger, once), as are successors that are
// not in s and duplicate edges.
func NewGraph(s Structure, entries []TaskID) *Graph {
	s = s.Reachable(entries)
	g := &Graph{nodes: s, entries: map[TaskID]bool{}, preds: map[TaskID][]TaskID{}}
	for _, e := range entries {
		g.entries[e] = true
	}
	for _, task := range s.Tasks() {
		for _, next := range g.Next(task) {
			if !g.entries[next] {
				g.preds[next] = append(g.preds[next], task)
			}
		}
	}
	return g
}

// Next returns the successors of a task that are part of the graph, without
// duplicates, in the order the definition lists them.
func (g *Graph) Next(task TaskID) []TaskID {
	var out []TaskID
	for _, next := range g.nodes[task].AllowedNext {
		if _, known := g.nodes[next]; known && !slices.Contains(out, next) {
			out = append(out, next)
		}
	}
	return out
}

// Predecessors returns the sources of the in-edges of a task, ascending. It
// is empty for entry tasks.
func (g *Graph) Predecessors(task TaskID) []TaskID { return g.preds[task] }

// IsEnd reports whether nothing follows the task.
func (g *Graph) IsEnd(task TaskID) bool { return len(g.Next(task)) == 0 }

// Ancestors returns every task that leads to the given one, directly or not:
// farther ones first, direct predecessors last, ascending within each group.
// The order matters on the wire, where a later upstream entry wins.
func (g *Graph) Ancestors(task TaskID) []TaskID {
	direct := g.Predecessors(task)
	seen := map[TaskID]bool{task: true}
	for _, t := range direct {
		seen[t] = true
	}
	var far []TaskID
	todo := slices.Clone(direct)
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range g.Predecessors(t) {
			if !seen[p] {
				seen[p] = true
				far = append(far, p)
				todo = append(todo, p)
			}
		}
	}
	slices.Sort(far)
	return append(far, direct...)
}
