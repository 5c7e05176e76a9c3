package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// deepest is the longest path, in edges, that is not worth a warning.
const deepest = 20

// Validation is what is wrong with a pipeline. Errors forbid a run, warnings
// do not. Neither is ever nil.
type Validation struct {
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

// Valid reports whether a run may start.
func (v Validation) Valid() bool { return len(v.Errors) == 0 }

// Validate checks the whole graph that the entries lead to. known tells
// whether a task is registered, and its concurrency limit (0 is none).
//
// A task that is listed but not registered ends the check, because nothing
// can be said about a graph with holes. The texts are part of the contract.
func Validate(s Structure, entries []TaskID, known func(TaskID) (concurrency int, ok bool)) Validation {
	v := Validation{Errors: []string{}, Warnings: []string{}}
	fail := func(format string, a ...any) { v.Errors = append(v.Errors, fmt.Sprintf(format, a...)) }
	warn := func(format string, a ...any) { v.Warnings = append(v.Warnings, fmt.Sprintf(format, a...)) }

	reached := s.Reachable(entries)
	if missing := unknown(reached, entries, known); len(missing) > 0 {
		fail("Tasks not found: %s", joined(missing, ", "))
		return v
	}

	tasks := reached.Tasks()
	for _, task := range tasks {
		for _, next := range reached[task].AllowedNext {
			if _, part := reached[next]; !part {
				fail("Task '%s' references non-existent task '%s' in allowedNext", task, next)
			}
		}
	}
	cycles := cycles(reached)
	for _, path := range cycles {
		fail("Cycle detected: %s", joined(path, " -> "))
	}
	if len(reached.Entries()) == 0 {
		fail("Pipeline has no entry tasks (tasks with no predecessors)")
	}

	if n := components(reached); n > 1 {
		warn("Pipeline contains %d disconnected subgraphs. All of them will be executed.", n)
	}
	if len(tasks) > 0 && !slices.ContainsFunc(tasks, func(t TaskID) bool { return len(reached[t].AllowedNext) == 0 }) {
		warn("Pipeline has no explicit end tasks (all tasks have allowedNext)")
	}
	if len(cycles) == 0 {
		if depth := depth(reached); depth > deepest {
			warn("Pipeline depth is %d, which may cause long execution times", depth)
		}
	}
	for _, task := range tasks {
		if limit, _ := known(task); limit > 0 {
			warn("Task '%s' has concurrency limit of %d", task, limit)
		}
	}
	for _, task := range s.Tasks() {
		if _, part := reached[task]; part {
			continue
		}
		for _, next := range s[task].AllowedNext {
			if _, part := reached[next]; part {
				warn("Task '%s' leads to '%s' but no entry task leads to it; it will not run and is not waited for", task, next)
			}
		}
	}
	return v
}

// unknown returns the listed tasks that are not registered, and the entries
// the structure lacks, ascending.
func unknown(reached Structure, entries []TaskID, known func(TaskID) (int, bool)) []TaskID {
	var missing []TaskID
	for _, task := range slices.Concat(reached.Tasks(), entries) {
		_, listed := reached[task]
		if _, registered := known(task); !registered || !listed {
			missing = append(missing, task)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// cycles returns one closed path for each back edge that a depth-first search
// in ascending order finds.
func cycles(s Structure) [][]TaskID {
	const (
		open = iota + 1
		closed
	)
	var (
		found [][]TaskID
		path  []TaskID
		state = map[TaskID]int{}
		visit func(TaskID)
	)
	visit = func(task TaskID) {
		state[task] = open
		path = append(path, task)
		for _, next := range successors(s, task) {
			switch state[next] {
			case open:
				start := slices.Index(path, next)
				found = append(found, append(slices.Clone(path[start:]), next))
			case closed:
			default:
				visit(next)
			}
		}
		path = path[:len(path)-1]
		state[task] = closed
	}
	for _, task := range s.Tasks() {
		if state[task] == 0 {
			visit(task)
		}
	}
	return found
}

// components counts the connected parts of s, edges taken both ways.
func components(s Structure) int {
	beside := map[TaskID][]TaskID{}
	for task := range s {
		for _, next := range successors(s, task) {
			beside[task] = append(beside[task], next)
			beside[next] = append(beside[next], task)
		}
	}
	seen := map[TaskID]bool{}
	n := 0
	for task := range s {
		if seen[task] {
			continue
		}
		n++
		seen[task] = true
		for todo := []TaskID{task}; len(todo) > 0; {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, next := range beside[at] {
				if !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
	return n
}

// depth is the number of edges on the longest path of s, which has no cycle.
func depth(s Structure) int {
	memo := map[TaskID]int{}
	var below func(TaskID) int
	below = func(task TaskID) int {
		if d, known := memo[task]; known {
			return d
		}
		longest := 0
		for _, next := range successors(s, task) {
			longest = max(longest, 1+below(next))
		}
		memo[task] = longest
		return longest
	}
	longest := 0
	for task := range s {
		longest = max(longest, below(task))
	}
	return longest
}

// successors returns what follows a task within s, each once.
func successors(s Structure, task TaskID) []TaskID {
	var out []TaskID
	for _, next := range s[task].AllowedNext {
		if _, part := s[next]; part && !slices.Contains(out, next) {
			out = append(out, next)
		}
	}
	return out
}

func joined(tasks []TaskID, separator string) string {
	texts := make([]string, len(tasks))
	for i, task := range tasks {
		texts[i] = string(task)
	}
	return strings.Join(texts, separator)
}
