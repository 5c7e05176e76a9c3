package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// TestUploads: a file is put, shown, counted and removed.
func TestUploads(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, _, _, stop := s.serve()
	defer stop()
	file := filepath.Join(t.TempDir(), "a report.pdf")
	if err := os.WriteFile(file, []byte("%PDF"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := s.run("uploads", "put", file, "--json")
	var up api.Uploaded
	if err := json.Unmarshal([]byte(out), &up); code != 0 || err != nil || up.Filename != "a report.pdf" || up.MimeType != "application/pdf" || up.Size != 4 {
		t.Fatalf("put: got %d, %v\n%s%s", code, err, out, errs)
	}
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"uploads", "put", file, "--type", "text/x-odd"}, 0, "a report.pdf, 4 bytes, kept until 20"},
		{[]string{"uploads", "put", "/does/not/exist"}, cliutil.ExitUsage, "no such file"},
		{[]string{"uploads", "put", t.TempDir()}, cliutil.ExitUsage, "is a folder"},
		{[]string{"uploads", "show", up.UploadID}, 0, "waits for a run until 20"},
		{[]string{"uploads", "stats"}, 0, "2\t0\t0\t0"},
		{[]string{"uploads", "rm", up.UploadID}, 0, "is removed"},
		{[]string{"uploads", "rm", up.UploadID}, 1, "Upload already deleted"},
		{[]string{"uploads", "show", up.UploadID}, 0, "deleted just now"},
		{[]string{"uploads", "show", "tmp_none"}, 1, `there is no upload "tmp_none"`},
	} {
		code, out, errs := s.run(step.args...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("%v: got %d\n%s%swant %d %q", step.args, code, out, errs, step.code, step.want)
		}
	}
}
