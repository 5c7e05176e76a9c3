package pipeline_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"pipedai/pipeline"
)

var update = flag.Bool("update", false, "write the golden plans anew")

func TestPlan_golden(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ graph, entries string }{
		"contract-sample":    {"a>b,c b>d c>d d>e,f", "a"},
		"single-task":        {"a", "a"},
		"chain":              {"a>b b>c", "a"},
		"fan-out":            {"a>b,c,d", "a"},
		"early-end":          {"a>b,c b>d", "a"},
		"join-in-last-level": {"a>b,c b>d c>d", "a"},
		"join-skips-levels":  {"a>b,d b>c c>d d>e", "a"},
		"two-entries":        {"a>c b>c c>d", "a b"},
		"disconnected":       {"a>b c>d d>e", "a c"},
		"pdf-processor":      {"download>extract-text,extract-tables extract-text>summarize extract-tables>summarize", "download"},
		"unreachable-source": {"a>c b>c c>d", "a"},
		"no-entries":         {"a>b", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			for _, step := range pipeline.Plan(graph(tt.graph), ids(tt.entries)) {
				line, err := json.Marshal(step)
				if err != nil {
					t.Fatal(err)
				}
				text.Write(append(line, '\n'))
			}
			golden := filepath.Join("testdata", "plan", name+".jsonl")
			if *update {
				if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; write it with: go test ./pipeline -run TestPlan_golden -update", err)
			}
			if diff := cmp.Diff(string(want), text.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlan_isATopologicalOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, entries := dag(t)
		level := map[pipeline.TaskID]int{}
		for i, step := range pipeline.Plan(s, entries) {
			if step.Step != i {
				t.Fatalf("step %d says it is %d", i, step.Step)
			}
			for _, task := range step.Tasks {
				if _, twice := level[task]; twice {
					t.Fatalf("%s is planned twice", task)
				}
				level[task] = i
			}
		}
		g := pipeline.NewGraph(s, entries)
		for task := range s.Reachable(entries) {
			at, planned := level[task]
			if !planned {
				t.Fatalf("%s is not planned", task)
			}
			last := -1
			for _, p := range g.Predecessors(task) {
				last = max(last, level[p])
			}
			if at != last+1 {
				t.Fatalf("%s is on level %d, its last predecessor on %d", task, at, last)
			}
		}
	})
}
