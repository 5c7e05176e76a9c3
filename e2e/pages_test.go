package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The pages in a real browser, from the pairing of a host to a stopped worker.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"console.html.gz", "dashboard.html.gz"} {
		if _, err := os.Stat(filepath.Join("..", "web", "dist", "packed", page)); err != nil {
			t.Fatalf("the pages are not built: run make web, then test again (%v)", err)
		}
	}
	if _, err := os.Stat(filepath.Join("..", "web", "node_modules", "playwright-core")); err != nil {
		t.Fatalf("the tools of the pages are not installed: run make web, then test again (%v)", err)
	}

	p := startPlane(t, "")
	h := newHost(t)
	connect, code := h.pairing(t, p, sampleTasks())
	page(t, "activate", map[string]string{"console": p.url(""), "token": p.token(t), "code": code})
	if got := connect.wait(t); got != 0 {
		t.Fatalf("connect ended with exit code %d after the approval in the console:\n%s", got, connect.err.String())
	}

	h.start(t)
	p.ready(t, "pdf-processor")
	page(t, "console", map[string]string{"console": p.url(""), "token": p.token(t), "document": "file://" + testdata(t, "sample.pdf")})

	link := strings.TrimSpace(must(t, h.env, "pipedai-orchestrator", "dashboard").out)
	page(t, "dashboard", map[string]string{"dashboard": link, "label": "e2e host", "task": "extract-text"})
}

// page takes one step through a page.
func page(t *testing.T, step string, facts map[string]string) {
	t.Helper()
	text, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "pages.mjs", step, string(text))
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", step, err, out)
	}
}
