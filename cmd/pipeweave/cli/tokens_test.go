package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// TestTokens: every kind is made, listed with its state and ended.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.serve()
	for _, kind := range tokenKinds {
		code, out, errs := s.run("tokens", "create", "my "+kind, "--kind", kind)
		if code != 0 || !strings.HasPrefix(out, kind+"_") || strings.Contains(errs, strings.TrimSpace(out)) {
			t.Errorf("create %s: %d %s %s", kind, code, out, errs)
		}
		code, out, errs = s.run("tokens", "list", "--kind", kind, "--json")
		var all api.Tokens
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || len(all.Items) == 0 {
			t.Fatalf("list %s: %d %s %s", kind, code, out, errs)
		}
		id := all.Items[0].ID
		if code, out, errs := s.run("tokens", "revoke", id); code != 0 || !strings.Contains(out, "is revoked") {
			t.Errorf("revoke %s: %d %s %s", kind, code, out, errs)
		}
		if _, out, _ := s.run("tokens", "list", "--kind", kind); !strings.Contains(out, "revoked") || !strings.Contains(out, id) {
			t.Errorf("list %s: %s", kind, out)
		}
	}
	for _, args := range [][]string{
		{"create", "x", "--kind", "hos"}, {"create", "x", "--kind", "pop", "--role", "admin"}, {"create"}, {"list", "--kind", "x"}, {"create", "x", "--expires", "-1h"},
	} {
		if code, out, errs := s.run(append([]string{"tokens"}, args...)...); code != cliutil.ExitUsage || out != "" {
			t.Errorf("%v: %d %s %s", args, code, out, errs)
		}
	}
}

// TestWorkspacesCommand: they are made, changed and named by id or name.
func TestWorkspacesCommand(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.serve()
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"create", "research", "--auth-mode", "claude_max"}, 0, "Workspace research (ws_"},
		{[]string{"create", "research"}, cliutil.ExitConflict, ""},
		{[]string{"change", "research", "--name", "lab"}, 0, "Workspace lab (ws_"},
		{[]string{"change", "research", "--name", "x"}, cliutil.ExitFailed, ""},
		{[]string{"change", "lab"}, cliutil.ExitUsage, ""},
		{[]string{"environments", "lab", "--create", "staging"}, 0, "staging"},
		{[]string{"list"}, 0, "claude_max"},
	} {
		code, out, errs := s.run(append([]string{"workspaces"}, step.args...)...)
		if code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("%v: %d %s %s", step.args, code, out, errs)
		}
	}
}
