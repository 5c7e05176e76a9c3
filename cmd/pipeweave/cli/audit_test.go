package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// TestAudit: who did what is told as a table, as JSON, and as it happens.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.serve()
	if code, out, errs := s.run("audit"); code != 0 || !strings.HasPrefix(out, "No lines.") {
		t.Errorf("at first: %d %s %s", code, out, errs)
	}
	s.run("maintenance", "request")
	s.run("maintenance", "exit")
	if code, out, errs := s.run("audit", "--action", "maintenance", "--since", "1h"); code != 0 ||
		!strings.Contains(out, "admin (admin)") || strings.Index(out, "maintenance.request") > strings.Index(out, "maintenance.exit") {
		t.Errorf("the table: %d %s %s", code, out, errs)
	}
	code, out, errs := s.run("audit", "--json", "--limit", "1")
	var got api.AuditLines
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || len(got.Items) != 1 || got.Items[0].Action != "maintenance.exit" || got.NextCursor == nil {
		t.Errorf("JSON: %d %s %s", code, out, errs)
	}
	for _, args := range [][]string{{"--since", "soon"}, {"--limit", "0"}, {"--follow", "--until", "1h"}} {
		if code, out, errs := s.run(append([]string{"audit"}, args...)...); code != cliutil.ExitUsage {
			t.Errorf("%v: %d %s %s", args, code, out, errs)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	var live, errs2 buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"audit", "--follow", "--json", "--limit", "1"}, s.deps("", &live, &errs2))
	}()
	s.until(t, "the newest line", func() bool { return strings.Contains(live.String(), "maintenance.exit") })
	s.run("maintenance", "request")
	s.until(t, "the next line", func() bool { return strings.Contains(live.String(), "maintenance.request") })
	cancel()
	if code := <-ended; code != 0 && code != cliutil.ExitInterrupted {
		t.Errorf("Ctrl-C: %d %s", code, errs2.String())
	}
	for line := range strings.Lines(live.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}
