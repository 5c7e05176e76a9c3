package cli

import (
	"io"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// Case T10: whoever gives a secret on the command line is told that other
// programs can read it there, and where it is hidden; what the program says
// about it does not have it.
func TestArguments_T10_secrets(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const backends = `[{"id":"s","provider":"aws-s3","bucket":"b","credentials":{"accessKeyId":"1","secretAccessKey":"hush"}}]`
	for want, args := range map[string][]string{
		"other programs on this machine can read --database-url; DATABASE_URL hides it":         {"serve", "--database-url", "postgres://u:hush@127.0.0.1:1/d?sslmode=disable"},
		"other programs on this machine can read --storage-backends; STORAGE_BACKENDS hides it": {"serve", "--database-url", "postgres://127.0.0.1:1/d", "--storage-backends", backends},
		"other programs on this machine can read --url; DATABASE_URL hides it":                  {"db", "status", "--url", "postgres://u:hush@127.0.0.1:1/d"},
		"other programs on this machine can read --password; DB_PASSWORD hides it":              {"db", "status", "--host", "127.0.0.1", "--port", "1", "--database", "d", "--user", "u", "--password", "hush"},
	} {
		code, out, errs := s.run(args...)
		if code == 0 || !strings.Contains(errs, want) || strings.Contains(out+errs, "hush") {
			t.Errorf("%v: %d %s%s, want %q and no secret", args, code, out, errs, want)
		}
	}
	s.env["DATABASE_URL"] = "postgres://u:hush@127.0.0.1:1/d"
	if code, out, errs := s.run("db", "status"); code == 0 || strings.Contains(errs, "other programs") || strings.Contains(out+errs, "hush") {
		t.Errorf("from the environment: %d %s%s", code, out, errs)
	}

	for _, flag := range cliutil.UnmarkedSecrets(newRootCmd(s.deps("", io.Discard, io.Discard))) {
		t.Errorf("the help of %s does not say that other programs can see it", flag)
	}
}
