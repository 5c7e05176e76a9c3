package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/buildinfo"
)

// TestPages goes the main paths of both pages in a real browser, with the real
// programs behind them: from the host that asks to join, over its workers,
// upgrades and a rollout, to the host that is sent away. The steps share one
// control plane, one host and one browser, and follow each other.
func TestPages(t *testing.T) {
	t.Parallel()
	p, other := startPlane(t, ""), startPlane(t, "")
	const from, to = "8.0.0", "8.6.0"
	operator, old := newPublisher(t, p), workerNamed(t, from)
	operator.publish(t, from, old)
	operator.publish(t, to, workerNamed(t, to))
	tokens := map[string]string{}
	for name, role := range map[string]string{"ada": "admin", "bob": "admin", "olga": "operator", "vera": "viewer"} {
		tokens[name] = strings.TrimSpace(p.cli(t, "tokens", "create", name, "--role", role).out)
	}
	slow := newSlowSet(t, "30s")
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t, map[string]any{
		"console": p.url(""), "other": other.url(""), "otherToken": other.token(t), "tokens": tokens,
		"host": hostname, "label": "e2e host", "second": "second one", "system": runtime.GOARCH, "version": buildinfo.Version(),
		"from": from, "to": to, "gate": filepath.Join(slow.folder, "gate"), "task": "of the slow task",
	})
	whole, h := t, newHost(t)
	h.env = append(h.env, "PIPEDAI_WORKER_PROGRAM="+old, "PIPEDAI_PROBE_INTERNET=off")
	begun := 0
	working := func(t *testing.T) {
		begun++
		p.cli(t, "queue", "task", "slow")
		eventually(t, "the slow task to begin", func() bool { return slow.count(t, "begin", "slow") == begun })
	}

	for _, step := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"X7_deniedHost", func(t *testing.T) {
			connect, code := h.pairing(t, p)
			b.step(t, "deny", map[string]any{"code": code})
			if got := connect.wait(t); got != 4 || !strings.Contains(connect.err.String(), "denied") {
				t.Errorf("connect ended with exit code %d:\n%s", got, connect.err.String())
			}
		}},
		{"X7_twoOperatorsAtOnce", func(t *testing.T) {
			connect, code := h.pairing(t, p, sampleTasks(), slow.file)
			b.step(t, "both", map[string]any{"code": code})
			if got := connect.wait(t); got != 0 {
				t.Fatalf("connect ended with exit code %d:\n%s", got, connect.err.String())
			}
			var log api.AuditLines
			get(t, p.url("/api/v1/audit?action=enrollment.approve"), p.token(t), &log)
			outcomes := map[string]int{}
			for _, line := range log.Items {
				outcomes[line.Outcome]++
			}
			if outcomes["ok"] != 1 || outcomes["refused"] != 1 {
				t.Errorf("the audit log has %v", log.Items)
			}
		}},
		{"workersAppear", func(t *testing.T) {
			h.start(whole) // it outlives this step
			eventually(t, "the service of the example", func() bool {
				status, _ := request(t, http.MethodGet, p.url("/api/services/pdf-processor"), p.token(t), nil, nil)
				return status == http.StatusOK
			})
			var log api.AuditLines
			get(t, p.url("/api/v1/audit?action=enrollment.approve"), p.token(t), &log)
			decided := log.Items[slices.IndexFunc(log.Items, func(l api.AuditLine) bool { return l.Outcome == "ok" })].Actor
			b.step(t, "joined", map[string]any{"decided": decided})
		}},
		{"run", func(t *testing.T) {
			b.step(t, "run", map[string]any{"document": "file://" + testdata(t, "sample.pdf")})
		}},
		{"pause", func(t *testing.T) {
			working(t)
			b.step(t, "pause", nil)
		}},
		{"X8_viewer", func(t *testing.T) {
			var hosts api.Hosts
			get(t, p.url("/api/v1/hosts"), p.token(t), &hosts)
			b.step(t, "viewer", map[string]any{"hostId": hosts.Items[0].ID})
		}},
		{"twoControlPlanes", func(t *testing.T) { b.step(t, "planes", nil) }},
		{"dashboard", func(t *testing.T) {
			link := strings.TrimSpace(must(t, h.env, "pipedai-orchestrator", "dashboard").out)
			b.step(t, "dashboard", map[string]any{"dashboard": link})
		}},
		{"restart", func(t *testing.T) {
			working(t)
			b.step(t, "restart", nil)
		}},
		{"upgrade", func(t *testing.T) { b.step(t, "upgrade", nil) }},
		{"build", func(t *testing.T) { b.step(t, "build", nil) }},
		{"rollout", func(t *testing.T) {
			b.step(t, "rollout", nil)
			b.step(t, "rolledOut", nil)
		}},
		{"revoke", func(t *testing.T) { b.step(t, "revoke", nil) }},
	} {
		if !t.Run(step.name, step.do) {
			t.Logf("the log of the workers:\n%s", tail(h.log(t)))
			t.FailNow() // what follows builds on it
		}
	}
	b.close(t)
}

// browser is a browser that takes steps through the pages; see pages.mjs.
type browser struct {
	facts   map[string]any
	in      io.WriteCloser
	answers <-chan string
	cmd     *exec.Cmd
}

// pagesBuilt wants the pages and the tools that drive a browser.
func pagesBuilt(t *testing.T) {
	t.Helper()
	for _, page := range []string{"console.html.gz", "dashboard.html.gz"} {
		if _, err := os.Stat(filepath.Join("..", "web", "dist", "packed", page)); err != nil {
			t.Fatalf("the pages are not built: run make web, then test again (%v)", err)
		}
	}
	if _, err := os.Stat(filepath.Join("..", "web", "node_modules", "playwright-core")); err != nil {
		t.Fatalf("the tools of the pages are not installed: run make web, then test again (%v)", err)
	}
}

func openBrowser(t *testing.T, facts map[string]any) *browser {
	t.Helper()
	pagesBuilt(t)
	cmd := exec.Command("node", "pages.mjs")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan string)
	go func() {
		defer close(answers)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			answers <- line
		}
	}()
	b := &browser{facts, in, answers, cmd}
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // the browser is in its group
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			for range answers { // whatever it still says
			}
			_ = cmd.Wait()
		}
	})
	return b
}

// step takes one step through the pages, with what only it has to know.
func (b *browser) step(t *testing.T, name string, more map[string]any) {
	t.Helper()
	facts := maps.Clone(b.facts)
	maps.Copy(facts, more)
	text, err := json.Marshal(map[string]any{"step": name, "facts": facts})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, '\n')); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	select {
	case line, running := <-b.answers:
		if !running {
			t.Fatalf("%s: the browser is gone", name)
		}
		var answer struct {
			Problems []string `json:"problems"`
			Notes    []string `json:"notes"`
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%s: %v: %s", name, err, line)
		}
		for _, note := range answer.Notes {
			t.Logf("%s: %s", name, note)
		}
		for _, problem := range answer.Problems {
			t.Errorf("%s: %s", name, problem)
		}
	case <-time.After(5 * time.Minute):
		t.Fatalf("%s did not end", name)
	}
}

// close ends it in order.
func (b *browser) close(t *testing.T) {
	t.Helper()
	_ = b.in.Close()
	for range b.answers { // it says nothing more
	}
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("the browser: %v", err)
	}
}
