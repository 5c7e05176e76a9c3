package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The first task of the README works as it is written there, on a host that
// already has a worker.
func TestReadme_FirstTask(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"hello.yaml", "greet.mjs", "shout.sh"} {
		block := regexp.MustCompile("(?s)`" + regexp.QuoteMeta(name) + "`:\n\n```[a-z]+\n(.*?)```").FindSubmatch(readme)
		if block == nil {
			t.Fatalf("README.md does not show %s", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), block[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}

	p, h := startPlane(t, ""), newHost(t)
	h.pair(t, p, sampleTasks())
	h.start(t)
	p.ready(t, "pdf-processor")
	// Connecting a paired host again only changes what its worker offers.
	must(t, h.env, "pipedai-orchestrator", "connect", "--api-url", p.url(""), "--label", "e2e host",
		"--tasks", sampleTasks(), "--tasks", filepath.Join(dir, "hello.yaml"), "--no-install", "--no-open")
	p.ready(t, "hello")

	r := p.cli(t, "trigger", "hello", "--input", `{"name":"world"}`, "--wait")
	if !strings.Contains(r.out, "HELLO WORLD") {
		t.Errorf("trigger --wait does not show HELLO WORLD:\n%s", r.both())
	}
	// What was there before still works.
	if summary, _ := runSample(t, p, false); summary["words"] == nil {
		t.Errorf("after a second service was added, the first one answers %v", summary)
	}
}
