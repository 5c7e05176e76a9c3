package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"pipedai/internal/cliutil"
)

// TestInit: a first pipeline is written once, under its name, and never over
// what is there.
func TestInit(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := filepath.Join(t.TempDir(), "first")
	if code, out, errs := s.run("init", "thumbs", "--dir", dir); code != 0 || !strings.Contains(out, "--tasks "+filepath.Join(dir, "tasks.yaml")) {
		t.Fatalf("got %d %s %s", code, out, errs)
	} else if !strings.Contains(out, "Next: pipeweave serve") {
		t.Errorf("no server runs, and nobody is told to start one: %s", out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tasks.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Service string
		Tasks   []struct {
			ID      string
			Command []string
			Next    []string
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil || file.Service != "thumbs" || len(file.Tasks) != 2 || file.Tasks[0].Next[0] != file.Tasks[1].ID {
		t.Errorf("tasks.yaml: %+v, %v", file, err)
	}
	for _, task := range file.Tasks {
		if _, err := os.Stat(filepath.Join(dir, task.Command[1])); err != nil {
			t.Errorf("%s: %v", task.ID, err)
		}
	}
	script := filepath.Join(dir, "count.sh")
	if err := os.WriteFile(script, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := s.run("init", "thumbs", "--dir", dir); code != 0 || strings.Contains(out, "wrote") {
		t.Errorf("again: got %d %s", code, out)
	}
	if kept, err := os.ReadFile(script); err != nil || string(kept) != "mine" {
		t.Errorf("a file was overwritten: %q, %v", kept, err)
	}
	for _, name := range []string{"../x", "Ümlaut", "", "a b"} {
		if code, _, errs := s.run("init", name); code != cliutil.ExitUsage || !strings.Contains(errs, "cannot be a service") {
			t.Errorf("%q: got %d %s", name, code, errs)
		}
	}
}
