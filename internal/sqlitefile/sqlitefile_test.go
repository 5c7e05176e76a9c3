package sqlitefile_test

import (
	"bytes"
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

// A database of many gigabytes has to open at once, so only the programs that
// ask for it have the whole file read.
func TestOpen_damage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, stmt := range []string{`CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)`, `INSERT INTO t (b) VALUES (randomblob(100000))`} {
		if _, err := db.Writer.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, 4096) // the page of the table

	if db, err = sqlitefile.Open(t.Context(), path, sqlitefile.Options{}); err != nil {
		t.Fatalf("a page that nobody asked for was read: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{CheckWhole: true}); !errors.Is(err, sqlitefile.ErrCorrupt) {
		t.Errorf("damage was not found: %v", err)
	}

	other := filepath.Join(t.TempDir(), "not-a-database")
	if err := os.WriteFile(other, bytes.Repeat([]byte("text "), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitefile.Open(t.Context(), other, sqlitefile.Options{}); !errors.Is(err, sqlitefile.ErrCorrupt) {
		t.Errorf("another file was taken for a database: %v", err)
	}
}

func overwrite(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 512), at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
