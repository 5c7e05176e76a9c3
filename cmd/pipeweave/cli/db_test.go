package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// TestDB_Reset: nothing is deleted without --yes, everything with it, and what
// is left is a whole database.
func TestDB_Reset(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, _, errs := s.run("db", "reset", "--yes"); code != cliutil.ExitFailed || !strings.Contains(errs, "pipeweave db init") {
		t.Errorf("reset of no database: got %d %s", code, errs)
	}
	if code, _, errs := s.run("db", "init"); code != 0 {
		t.Fatalf("db init: got %d %s", code, errs)
	}
	if code, _, errs := s.run("db", "reset"); code != cliutil.ExitUsage || !strings.Contains(errs, "--yes") {
		t.Errorf("reset without --yes: got %d %s", code, errs)
	}
	if code, out, errs := s.run("db", "reset", "--yes"); code != 0 || !strings.Contains(out, "everything was deleted") {
		t.Errorf("reset: got %d %s %s", code, out, errs)
	}
	if code, out, errs := s.run("db", "validate"); code != 0 || !strings.Contains(out, "valid") {
		t.Errorf("validate: got %d %s %s", code, out, errs)
	}
	code, out, errs := s.run("db:ensure-schema", "--json")
	var said struct{ Valid bool }
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 || !said.Valid {
		t.Errorf("ensure-schema --json: got %d %s %s (%v)", code, out, errs, err)
	}
}

// TestDB_Flags: the pieces of a database address make a URL, or say what is
// missing.
func TestDB_Flags(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, _, errs := s.run("db", "status", "--host", "127.0.0.1"); code != cliutil.ExitUsage || !strings.Contains(errs, "belong together") {
		t.Errorf("a host alone: got %d %s", code, errs)
	}
	code, _, errs := s.run("db", "status", "--host", "127.0.0.1", "--port", "1", "--database", "d", "--user", "u", "--password", "hush")
	if code != cliutil.ExitFailed || !strings.Contains(errs, "DB_PASSWORD hides it") || strings.Contains(errs, "hush") {
		t.Errorf("a database that is not there: got %d %s", code, errs)
	}
}

// TestDB_Cleanup: the older command printed "[object Object]" where the number
// belongs.
func TestDB_Cleanup(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, _, errs := s.run("db", "cleanup"); code != cliutil.ExitFailed || !strings.Contains(errs, "pipeweave db init") {
		t.Errorf("cleanup of no database: got %d %s", code, errs)
	}
	if code, _, errs := s.run("db", "init"); code != 0 {
		t.Fatalf("db init: got %d %s", code, errs)
	}
	code, out, errs := s.run("db:cleanup", "--dlq-retention-days", "7")
	if code != 0 || !strings.Contains(out, "keys deleted: 0\n") || !strings.Contains(out, "older than 7 days deleted: 0\n") {
		t.Errorf("cleanup: got %d %s %s", code, out, errs)
	}
	code, out, errs = s.run("db", "cleanup", "--json")
	var said struct{ IdempotencyKeys, DeadLetters *int }
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 || said.IdempotencyKeys == nil || said.DeadLetters == nil {
		t.Errorf("cleanup --json: got %d %s %s (%v)", code, out, errs, err)
	}
	if code, _, errs := s.run("db", "cleanup", "--dlq-retention-days", "-1"); code != cliutil.ExitUsage {
		t.Errorf("a negative age: got %d %s", code, errs)
	}
}
