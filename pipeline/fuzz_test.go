package pipeline_test

import (
	"encoding/json"
	"slices"
	"testing"

	"pipedai/pipeline"
)

// FuzzGraph: whatever a structure says, walking it ends, and a graph that was
// found valid has every task of it in its plan, after all that lead to it.
func FuzzGraph(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"allowedNext":["b","c"]},"b":{"allowedNext":["d"]},"c":{"allowedNext":["d"]},"d":{}}`,
		`{"a":{"allowedNext":["a"]}}`, `{"a":{"allowedNext":["b"]},"b":{"allowedNext":["a"]}}`,
		`{"a":{"allowedNext":["gone","b","b"]},"b":{"allowedNext":null}}`, `{"":{}}`, `{}`, `null`,
	} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, text []byte, entry string) {
		var s pipeline.Structure
		if json.Unmarshal(text, &s) != nil || len(s) > 500 {
			return
		}
		entries := s.Entries()
		if _, there := s[pipeline.TaskID(entry)]; there && !slices.Contains(entries, pipeline.TaskID(entry)) {
			entries = append(entries, pipeline.TaskID(entry))
		}
		v := pipeline.Validate(s, entries, func(id pipeline.TaskID) (int, bool) { _, known := s[id]; return 0, known })
		plan := pipeline.Plan(s, entries)
		if !v.Valid() {
			return
		}
		g := pipeline.NewGraph(s, entries)
		level := map[pipeline.TaskID]int{}
		for _, step := range plan {
			for _, task := range step.Tasks {
				level[task] = step.Step
			}
		}
		reached := s.Reachable(entries)
		if len(level) != len(reached) {
			t.Fatalf("the plan has %d of %d tasks", len(level), len(reached))
		}
		for task := range reached {
			g.Ancestors(task)
			for _, before := range g.Predecessors(task) {
				if level[before] >= level[task] {
					t.Errorf("%q is not after %q", task, before)
				}
			}
		}
	})
}
