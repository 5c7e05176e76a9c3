package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pipedai/internal/sqlitefile"
	"pipedai/store"
	"pipedai/store/storetest"
)

func open(t testing.TB) store.Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state", "engine.db"), Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func migrated(t testing.TB) store.Store {
	t.Helper()
	s := open(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open, migrated)
}

func TestStore_NewerSchema(t *testing.T) {
	t.Parallel()
	s := open(t).(*Store)
	storetest.RefusesNewer(t, s, func() error {
		return s.write(t.Context(), "record", func(t *tx) error {
			return t.run(`insert into engine_migrations (version_id, is_applied) values (9999, true)`)
		})
	})
}

// The file holds secrets' hashes and inputs: nobody else may read it.
func TestOpen_Modes(t *testing.T) {
	t.Parallel()
	path := open(t).Info().Target
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", p, got, want)
		}
	}
}

func TestOpen_Unwritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A file where the folder should be fails for root too.
	_, err := Open(t.Context(), filepath.Join(file, "engine.db"), Options{})
	if !errors.Is(err, sqlitefile.ErrReadOnly) {
		t.Errorf("got %v, want %v", err, sqlitefile.ErrReadOnly)
	}
}
