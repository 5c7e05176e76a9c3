package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// TestPool: workers of the pool are listed, disabled, enabled and deleted like
// those of a workspace, and are not among those.
func TestPool(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	step := func(want int, has string, args ...string) string {
		t.Helper()
		code, out, errs := s.run(args...)
		if code != want || !strings.Contains(out+errs, has) {
			t.Errorf("%q: got %d %s %s, want %d and %q", args, code, out, errs, want, has)
		}
		for _, arg := range args {
			if arg == "--json" && !json.Valid([]byte(out)) {
				t.Errorf("%q: no JSON: %s", args, out)
			}
		}
		return out
	}
	step(0, "tokens create NAME --kind pool", "pool")
	token := strings.TrimSpace(step(0, "", "tokens", "create", "rack-4", "--kind", "pool"))
	w, err := c.RegisterWorker(t.Context(), api.RegisterWorkerRequest{Token: token, Hostname: "rack-4", OS: "linux", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	step(0, w.WorkerID, "pool")
	step(0, `"hostname": "rack-4"`, "pool", "list", "--json")
	step(0, "No workers.", "workers")
	step(0, "Next: pipeweave pool enable "+w.WorkerID, "pool", "disable", "rack-4", "--note", "new disk", "--for", "2h")
	step(0, "new disk", "pool", "show", "rack-4")
	step(0, `"disabled": false`, "pool", "enable", w.WorkerID, "--json")
	step(cliutil.ExitFailed, "pipeweave pool list", "pool", "disable", "nothing")
	step(0, "Deleted: rack-4.", "pool", "delete", "rack-4", "--yes")
	step(0, "The pool is empty", "pool", "list")
}
