package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// registerTasks announces service "svc" with tasks load > check > store, a loop
// and one that leads to nobody.
func registerTasks(t testing.TB, url string) {
	t.Helper()
	body := `{"serviceId":"svc","version":"1","baseUrl":"http://127.0.0.1:9","tasks":[
		{"id":"load","codeHash":"1","allowedNext":["check"],"concurrency":3},{"id":"check","codeHash":"1","allowedNext":["store"]},
		{"id":"store","codeHash":"1"},{"id":"loop","codeHash":"1","allowedNext":["loop"]},
		{"id":"holey","codeHash":"1","allowedNext":["missing"]}]}`
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(url+"/api/register", "application/json", strings.NewReader(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// TestApply: a file is planned, applied, unchanged the second time, and all or
// nothing when a part of it is wrong.
func TestApply(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	registerTasks(t, url)
	file := filepath.Join(t.TempDir(), "pipelines.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const both = `# two of them
id: nightly
entryTasks: [check]
failureMode: continue
metadata: {team: data, tags: [a, b]}
---
pipelines:
  - id: load
    name: Load by hand
    entryTasks: [load]
`
	for _, step := range []struct {
		name string
		file string
		args []string
		code int
		want []string
	}{
		{"a dry run", both, []string{"--dry-run"}, 0, []string{"+ nightly  to be created", "~ load  to be updated (it is derived from tasks)", "name: load -> Load by hand", "Next: pipeweave pipelines apply -f"}},
		{"the dry run changed nothing", both, nil, 0, []string{"+ nightly  created", "~ load  updated", "warning: Task 'load' has concurrency limit of 3", "Next: pipeweave trigger nightly"}},
		{"again", both, nil, 0, []string{"= nightly  unchanged", "= load  unchanged"}},
		{"a change", strings.Replace(both, "continue", "partial-merge\nversion: 1.1.0", 1), nil, 0, []string{"~ nightly  updated", "failureMode: continue -> partial-merge", "version: 1.0.0 -> 1.1.0", "= load  unchanged"}},
		{"one is wrong", both + "---\nid: bad\nentryTasks: [loop]\n", nil, 1, []string{"! bad  not valid", "error: Cycle detected: loop -> loop", "~ nightly  to be updated", "1 of 3 pipelines are not valid; nothing was changed"}},
		{"nothing of it was stored", both, []string{"--dry-run"}, 0, []string{"version: 1.1.0 -> 1.0.0"}},
		{"a wrong word", "id: x\nentryTasks: [load]\nfailureMode: sideways\n", nil, 1, []string{"failureMode: Invalid enum value."}},
		{"a misspelt member", "id: x\nentryTask: [load]\n", nil, cliutil.ExitUsage, []string{"field entryTask not found", "docs/pipelines.md"}},
		{"given twice", "id: x\nentryTasks: [load]\n---\nid: x\nentryTasks: [load]\n", nil, cliutil.ExitUsage, []string{`pipeline "x" is given twice`}},
		{"no id", "entryTasks: [load]\n", nil, cliutil.ExitUsage, []string{"pipeline 1 has no id"}},
		{"empty", "# nothing\n", nil, cliutil.ExitUsage, []string{"it holds no pipeline"}},
		{"json", `[{"id":"j","entryTasks":["store"]}]`, nil, 0, []string{"+ j  created"}},
	} {
		write(step.file)
		code, out, errs := s.run(append([]string{"pipelines", "apply", "-f", file}, step.args...)...)
		for _, text := range step.want {
			if code != step.code || !strings.Contains(out+errs, text) {
				t.Errorf("%s: got %d\n%s%swant %d %q", step.name, code, out, errs, step.code, text)
			}
		}
	}
	code, out, errs := s.runWith(both, "pipelines", "apply", "-f", "-", "--json")
	var said struct{ Pipelines []applied }
	if err := json.Unmarshal([]byte(out), &said); code != 0 || err != nil || len(said.Pipelines) != 2 || said.Pipelines[0].Action != "update" || !said.Pipelines[0].Applied {
		t.Errorf("json: got %d %v\n%s%s", code, err, out, errs)
	}

	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"pipelines", "apply"}, cliutil.ExitUsage, "-f FILE"},
		{[]string{"pipelines", "apply", "-f", "/does/not/exist"}, cliutil.ExitUsage, "no such file"},
		{[]string{"pipelines", "dry-run", "load"}, 0, "  1. load (entry)\n  2. check (parallel)\n  3. store (end)\nNext: pipeweave trigger load"},
		{[]string{"pipelines", "dry-run", "svc"}, 1, "Task 'holey' references non-existent task 'missing'"},
		{[]string{"pipelines", "dry-run", "none"}, 1, `there is no pipeline "none"`},
		{[]string{"pipelines", "dry-run", "svc", "--json"}, 1, `"valid": false`},
		{[]string{"pipelines", "delete", "nightly"}, 0, "Pipeline nightly is deleted."},
		{[]string{"pipelines", "delete", "nightly"}, 1, `there is no pipeline "nightly"`},
		{[]string{"pipelines", "delete", "svc"}, cliutil.ExitConflict, "Pipeline is derived from registered tasks"},
		{[]string{"pipelines", "show", "load"}, 0, "load  version 1.0.0  fail-fast"},
	} {
		code, out, errs := s.run(step.args...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("%v: got %d\n%s%swant %d %q", step.args, code, out, errs, step.code, step.want)
		}
	}
}
