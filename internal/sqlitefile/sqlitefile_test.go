package sqlitefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pipedai/internal/sqlitefile"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	// Characters that mean something in a URI mean nothing in a folder name.
	path := filepath.Join(t.TempDir(), "a?b#c%20d &e", "x.db")
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info, err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := db.Writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := db.Writer.ExecContext(t.Context(), `CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)`); err != nil {
		t.Fatal(err)
	}
	t.Run("readers read only", func(t *testing.T) {
		_, err := db.Reader.ExecContext(t.Context(), `INSERT INTO t (b) VALUES ('x')`)
		if !errors.Is(sqlitefile.Classify(err), sqlitefile.ErrReadOnly) {
			t.Errorf("a reader wrote: %v", err)
		}
	})
	t.Run("duplicates are told apart", func(t *testing.T) {
		for _, stmt := range []string{`INSERT INTO t VALUES (1, 'x')`, `INSERT INTO t VALUES (1, 'y')`, `INSERT INTO t VALUES (2, 'x')`} {
			_, err := db.Writer.ExecContext(t.Context(), stmt)
			if want := stmt != `INSERT INTO t VALUES (1, 'x')`; sqlitefile.IsDuplicate(err) != want {
				t.Errorf("%s: %v", stmt, err)
			}
		}
		if _, err := db.Writer.ExecContext(t.Context(), `INSERT INTO nothing VALUES (1)`); sqlitefile.IsDuplicate(err) || err == nil {
			t.Errorf("another error: %v", err)
		}
	})
}
