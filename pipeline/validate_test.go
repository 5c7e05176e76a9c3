package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
)

// graph reads "a>b,c b>d" as a structure: a leads to b and c, b to d. Tasks
// that are only led to become nodes as well, unless they end in "?".
func graph(text string) pipeline.Structure {
	s := pipeline.Structure{}
	for _, node := range strings.Fields(text) {
		from, to, _ := strings.Cut(node, ">")
		var next []pipeline.TaskID
		for _, name := range strings.FieldsFunc(to, func(r rune) bool { return r == ',' }) {
			id := pipeline.TaskID(strings.TrimSuffix(name, "?"))
			next = append(next, id)
			if _, there := s[id]; !there && !strings.HasSuffix(name, "?") {
				s[id] = pipeline.Node{}
			}
		}
		s[pipeline.TaskID(from)] = pipeline.Node{AllowedNext: next}
	}
	return s
}

func ids(text string) []pipeline.TaskID {
	var out []pipeline.TaskID
	for _, id := range strings.Fields(text) {
		out = append(out, pipeline.TaskID(id))
	}
	return out
}

func TestValidate(t *testing.T) {
	t.Parallel()
	// A chain of 21 edges, with a short cut that a walk without propagation
	// would take for the depth.
	long := "t00>t01,t21 "
	for i := 1; i < 21; i++ {
		long += fmt.Sprintf("t%02d>t%02d ", i, i+1)
	}
	tests := []struct {
		name     string
		graph    string
		entries  string
		gone     string // tasks that are not registered
		limits   map[pipeline.TaskID]int
		errors   []string
		warnings []string
	}{
		{name: "one task", graph: "a", entries: "a"},
		{name: "diamond", graph: "a>b,c b>d c>d", entries: "a"},
		{name: "many tasks from one entry", graph: "a>b b>c c>d,e", entries: "a"},
		{
			name: "task that is not registered", graph: "a>b b>c", entries: "a", gone: "c a",
			errors: []string{"Tasks not found: a, c"},
		},
		{
			name: "holes end the check", graph: "a>b b>a,x?", entries: "a", gone: "b",
			errors: []string{"Tasks not found: b"},
		},
		{
			name: "entry the structure lacks", graph: "a", entries: "a z",
			errors: []string{"Tasks not found: z"},
		},
		{name: "unregistered task nothing leads to", graph: "a>b z", entries: "a", gone: "z"},
		{
			name: "successor that is not part of it", graph: "a>b,x? b>c,y?", entries: "a",
			errors: []string{
				"Task 'a' references non-existent task 'x' in allowedNext",
				"Task 'b' references non-existent task 'y' in allowedNext",
			},
		},
		{
			name: "self-loop", graph: "a>b b>b", entries: "a",
			errors:   []string{"Cycle detected: b -> b"},
			warnings: []string{"Pipeline has no explicit end tasks (all tasks have allowedNext)"},
		},
		{
			name: "cycle through the entry", graph: "a>b b>a", entries: "a",
			errors:   []string{"Cycle detected: a -> b -> a", "Pipeline has no entry tasks (tasks with no predecessors)"},
			warnings: []string{"Pipeline has no explicit end tasks (all tasks have allowedNext)"},
		},
		{
			name: "one error per back edge", graph: "a>b b>c c>b,a d>c", entries: "d",
			errors: []string{"Cycle detected: b -> c -> b", "Cycle detected: a -> b -> c -> a"},
			warnings: []string{
				"Pipeline has no explicit end tasks (all tasks have allowedNext)",
			},
		},
		{name: "a diamond is no cycle", graph: "a>b,c b>d,c c>d", entries: "a"},
		{
			name: "no entries", graph: "a", entries: "",
			errors: []string{"Pipeline has no entry tasks (tasks with no predecessors)"},
		},
		{
			name: "two subgraphs", graph: "a>b c>d", entries: "a c",
			warnings: []string{"Pipeline contains 2 disconnected subgraphs. All of them will be executed."},
		},
		{name: "two entries that meet", graph: "a>c b>c", entries: "a b"},
		{
			name: "deep", graph: long, entries: "t00",
			warnings: []string{"Pipeline depth is 21, which may cause long execution times"},
		},
		{name: "twenty edges are not deep", graph: strings.Replace(long, "t20>t21 ", "", 1), entries: "t00"},
		{
			name: "concurrency limits", graph: "a>b b>c", entries: "a",
			limits:   map[pipeline.TaskID]int{"c": 2, "a": 1},
			warnings: []string{"Task 'a' has concurrency limit of 1", "Task 'c' has concurrency limit of 2"},
		},
		{
			name: "join with a predecessor nothing leads to", graph: "a>c b>c", entries: "a",
			warnings: []string{"Task 'b' leads to 'c' but no entry task leads to it; it will not run and is not waited for"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			gone := map[pipeline.TaskID]bool{}
			for _, id := range ids(tt.gone) {
				gone[id] = true
			}
			got := pipeline.Validate(graph(tt.graph), ids(tt.entries), func(id pipeline.TaskID) (int, bool) {
				return tt.limits[id], !gone[id]
			})
			want := pipeline.Validation{Errors: append([]string{}, tt.errors...), Warnings: append([]string{}, tt.warnings...)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got.Valid() != (len(tt.errors) == 0) {
				t.Errorf("Valid: got %v", got.Valid())
			}
		})
	}
}
