package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

func testdata(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "examples", "pdf-processor", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The example on a real document, on both stores, with and without the branch
// that finds tables.
func TestPipeline_SampleDocument(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "postgres"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			database := ""
			if backend == "postgres" {
				database = postgres(t)
			}
			p := startPlane(t, database)
			h := newHost(t)
			h.pair(t, p, sampleTasks())
			h.start(t)
			p.ready(t, "pdf-processor")

			t.Run("with tables", func(t *testing.T) {
				summary, tasks := runSample(t, p, true)
				if want := []string{"download", "extract-tables", "extract-text", "summarize"}; !slices.Equal(tasks, want) {
					t.Errorf("the run has the tasks %q, want %q", tasks, want)
				}
				want := readJSON(t, testdata(t, "expected.json"))
				for name, value := range want {
					if diff := cmp.Diff(value, summary[name]); diff != "" {
						t.Errorf("summary has another %s (-want +got):\n%s", name, diff)
					}
				}
			})
			t.Run("without tables", func(t *testing.T) {
				summary, tasks := runSample(t, p, false)
				if want := []string{"download", "extract-text", "summarize"}; !slices.Equal(tasks, want) {
					t.Errorf("the run has the tasks %q, want %q: the join must not wait for a branch that was not taken", tasks, want)
				}
				if summary["words"] != readJSON(t, testdata(t, "expected.json"))["words"] {
					t.Errorf("summary has words = %v without tables, want the same as with them", summary["words"])
				}
			})
			t.Run("a document that is not there", func(t *testing.T) {
				id := p.trigger(t, "pdf-processor", map[string]any{"pdfUrl": "file:///no/such.pdf", "extractTables": true})
				run := p.finished(t, id)
				if run.Status != "failed" || !strings.Contains(run.Error+tasksErrors(run.Tasks), "no/such.pdf") {
					t.Errorf("the run is %s with error %q, want it failed and naming the document", run.Status, run.Error)
				}
			})
		})
	}
}

func readJSON(t testing.TB, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return out
}

// The command line that people type first, on both sides of its switches.
func TestPipeline_CommandLine(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	h := newHost(t)
	h.pair(t, p, sampleTasks())
	h.start(t)
	p.ready(t, "pdf-processor")

	input, err := json.Marshal(map[string]any{"pdfUrl": "file://" + testdata(t, "sample.pdf"), "extractTables": true})
	if err != nil {
		t.Fatal(err)
	}
	r := p.cli(t, "trigger", "pdf-processor", "--wait", "--input", string(input))
	for _, task := range []string{"download", "extract-text", "extract-tables", "summarize"} {
		if !strings.Contains(r.both(), task) {
			t.Errorf("trigger --wait does not mention %s:\n%s", task, r.both())
		}
	}
	for _, args := range [][]string{{"services", "--json"}, {"runs", "--json"}, {"pipelines", "--json"}} {
		if r := p.cli(t, args...); !json.Valid([]byte(r.out)) {
			t.Errorf("%s prints on stdout what is not JSON:\n%s", strings.Join(args, " "), r.out)
		}
	}
	if r := p.cli(t, "services"); !strings.Contains(r.out, "pdf-processor") {
		t.Errorf("services does not list pdf-processor:\n%s", r.out)
	}
}

func tasksErrors(tasks []api.TaskRun) string {
	var all strings.Builder
	for _, task := range tasks {
		all.WriteString(task.Error)
	}
	return all.String()
}

// runSample runs the example on the document of the repository and returns the
// summary and the ids of the tasks that ran, ascending.
func runSample(t *testing.T, p *plane, tables bool) (summary map[string]any, tasks []string) {
	t.Helper()
	byTask := p.completed(t, p.trigger(t, "pdf-processor", map[string]any{
		"pdfUrl": "file://" + testdata(t, "sample.pdf"), "extractTables": tables,
	}))
	p.output(t, byTask["summarize"], &summary)
	return summary, slices.Sorted(maps.Keys(byTask))
}
