//go:build unix

package sqlitefile_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"pipedai/internal/sqlitefile"
)

// A host that has no descriptors left has a file that can be written well.
func TestOpen_outOfFiles(t *testing.T) {
	t.Parallel()
	const child = "SQLITEFILE_TEST_CHILD"
	if os.Getenv(child) == "" { // the limit is that of a process
		cmd := exec.Command(os.Args[0], "-test.run", "^TestOpen_outOfFiles$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var all []*os.File // every descriptor there may be, but one
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		all = append(all, f)
	}
	var n int
	// A connection of the pool, which is made when it is needed.
	err = sqlitefile.Classify(db.Reader.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema").Scan(&n))
	if !errors.Is(err, sqlitefile.ErrOutOfFiles) || errors.Is(err, sqlitefile.ErrReadOnly) || !sqlitefile.Unavailable(err) {
		t.Errorf("a read without descriptors: %v", err)
	}
	if _, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{}); !errors.Is(err, sqlitefile.ErrOutOfFiles) {
		t.Errorf("opened without descriptors: %v", err)
	}
	for _, f := range all {
		_ = f.Close()
	}
	if err := db.Reader.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		t.Errorf("with descriptors again: %v", err)
	}
}
