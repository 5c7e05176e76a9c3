package cli

import (
	"strings"
	"testing"
)

// TestMaintenance walks through the mode as an operator does, first through a
// server, then in the database it left behind.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, _, errs := s.run("maintenance", "status"); code != 3 || !strings.Contains(errs, "no server runs") {
		t.Errorf("with nothing there: got %d %s", code, errs)
	}
	_, _, _, stop := s.serve("--poll-interval", "50")
	walk(t, s)
	if code := stop(); code != 0 {
		t.Fatalf("serve: got %d", code)
	}
	walk(t, s)
	walk(t, s, "--url", "sqlite:"+s.env["PIPEWEAVE_HOME"]+"/pipeweave.db")
}

func walk(t *testing.T, s *shell, flags ...string) {
	t.Helper()
	says := func(code int, args string, want ...string) {
		t.Helper()
		got, out, errs := s.run(append(strings.Fields(args), flags...)...)
		if got != code {
			t.Errorf("%s: got %d %s %s, want %d", args, got, out, errs, code)
		}
		for _, text := range want {
			if !strings.Contains(out+errs, text) {
				t.Errorf("%s: %q is missing in %s%s", args, text, out, errs)
			}
		}
	}
	says(0, "maintenance status", "Mode: running\n", "Pending tasks: 0\n", "Running tasks: 0\n", "Can enter maintenance: Yes\n",
		"Status: Orchestrator is running normally\n", "Mode changed at: 20")
	says(1, "maintenance enter", "Cannot enter maintenance directly from running mode. Call requestMaintenance() first.", "pipeweave maintenance request")
	says(0, "maintenance:request --wait --timeout 30s", "Mode: maintenance\n", "Status: ", "Next: ")
	says(0, "maintenance enter", "Already in maintenance mode")
	says(0, "maintenance status", "Asked for by: ", "Reason: none given")
	says(0, "maintenance:status --json", `"mode": "maintenance"`)
	says(0, "maintenance exit", "mode is running")
	says(0, "maintenance exit", "mode is running")
	says(0, "maintenance request --reason disk", "[maintenance]", "Waiting for 0 tasks to complete", "pipeweave maintenance enter")
	says(0, "maintenance status", "Reason: disk")
	says(0, "maintenance exit --json", `"mode": "running"`)
	// Scripts take the second word of the one line with "Mode:".
	_, out, _ := s.run(append([]string{"maintenance", "status"}, flags...)...)
	if strings.Count(out, "Mode:") != 1 {
		t.Errorf("scripts look for one line with Mode: in %s", out)
	}
}
