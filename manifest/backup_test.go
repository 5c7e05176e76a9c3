package manifest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pipedai/manifest"
)

// A later version of the program, tried and left again: the one before it goes
// on with the file when the migration says that it may.
func TestManifest_U14_expandedSchemaServesTheProgramBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manifest.db")
	ctx := t.Context()
	m := open(t, path)
	if err := errors.Join(m.Add(ctx, entry("w1")), m.Close()); err != nil {
		t.Fatal(err)
	}
	next, err := manifest.OpenNext(ctx, path, "00900_next.sql", `ALTER TABLE entries ADD COLUMN colour TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 12;`)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(next.Add(ctx, entry("w2")), next.Close()); err != nil {
		t.Fatal(err)
	}
	back := open(t, path) // fails the test when it is refused
	if err := back.Add(ctx, entry("w3")); err != nil {
		t.Errorf("the program before cannot write: %v", err)
	}
	if got, err := back.Entries(ctx); err != nil || len(got) != 3 {
		t.Errorf("entries %v, %v", got, err)
	}
	if s, err := manifest.Peek(ctx, path); err != nil || s.Version != 900 || s.Least != 12 {
		t.Errorf("schema %+v, %v", s, err)
	}
}

// When the migration says that it may not, the program before refuses, names the
// copy from before the migration, and that can be put back.
func TestManifest_U14_contractedSchemaIsRefusedWithTheBackup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manifest.db")
	ctx := t.Context()
	m := open(t, path)
	if err := errors.Join(m.Add(ctx, entry("w1")), m.Close()); err != nil {
		t.Fatal(err)
	}
	for _, statements := range []string{
		"ALTER TABLE entries DROP COLUMN label;\nPRAGMA user_version = 900;",
	} {
		next, err := manifest.OpenNext(ctx, path, "00900_next.sql", statements)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before := read(t, path)
	_, err := manifest.Open(ctx, path)
	var newer *manifest.NewerError
	if !errors.Is(err, manifest.ErrNewerSchema) || !errors.As(err, &newer) || newer.Backup == "" || !strings.Contains(err.Error(), newer.Backup) {
		t.Fatalf("open: %v", err)
	}
	if read(t, path) != before {
		t.Error("the refused file was changed")
	}
	info, err := os.Stat(newer.Backup)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("backup: %v, %v", info, err)
	}

	replaced, err := manifest.Restore(ctx, path, newer.Backup)
	if err != nil {
		t.Fatal(err)
	}
	m = open(t, path)
	if got, err := m.Entries(ctx); err != nil || len(got) != 1 || got[0].Label != "build box" {
		t.Errorf("restored: %v, %v", got, err)
	}
	if _, err := os.Stat(newer.Backup); err != nil {
		t.Errorf("the copy is gone: %v", err)
	}
	if s, err := manifest.Peek(ctx, replaced); err != nil || s.Version != 900 {
		t.Errorf("what was there before: %+v, %v", s, err)
	}
}

func TestRestore_refusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	path := filepath.Join(dir, "manifest.db")
	m := open(t, path)
	if err := m.Add(ctx, entry("w1")); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	if err := os.WriteFile(other, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Restore(ctx, path, other); !errors.Is(err, manifest.ErrCorrupt) {
		t.Errorf("another file: %v", err)
	}
	if _, err := manifest.Restore(ctx, path, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	next, err := manifest.OpenNext(ctx, filepath.Join(dir, "next.db"), "00900_next.sql", "PRAGMA user_version = 900;")
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Restore(ctx, path, filepath.Join(dir, "next.db")); !errors.Is(err, manifest.ErrNewerSchema) {
		t.Errorf("a newer one: %v", err)
	}
	if got, err := m.Entries(ctx); err != nil || len(got) != 1 {
		t.Errorf("the manifest: %v, %v", got, err)
	}
}

// A damaged manifest moves away as it is, and the copy takes its place.
func TestRestore_overADamagedFile(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "manifest.db")
	m := open(t, path)
	if err := errors.Join(m.Add(ctx, entry("w1")), m.Close()); err != nil {
		t.Fatal(err)
	}
	next, err := manifest.OpenNext(ctx, path, "00900_next.sql", "PRAGMA user_version = 900;")
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := manifest.Backups(path)
	if err != nil || len(all) != 1 {
		t.Fatalf("backups %v, %v", all, err)
	}
	replaced, err := manifest.Restore(ctx, path, all[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(replaced); err != nil || string(data) != "rubbish" {
		t.Errorf("what was there: %q, %v", data, err)
	}
	if got, err := open(t, path).Entries(ctx); err != nil || len(got) != 1 {
		t.Errorf("restored: %v, %v", got, err)
	}
}

func TestBackups_arePruned(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "manifest.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	first := read(t, path)
	for range 5 {
		next, err := manifest.OpenNext(ctx, path, "00900_next.sql", "PRAGMA user_version = 900;")
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(first), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := manifest.Backups(path)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d backups are kept (%v), want 3", len(all), err)
	}
	if !slices.IsSortedFunc(all, func(a, b manifest.Backup) int { return b.At.Compare(a.At) }) {
		t.Errorf("not the newest first: %v", all)
	}
}

// Who adds a migration has to think of the program before it.
func TestMigrations_sayWhoMayWorkWithThem(t *testing.T) {
	t.Parallel()
	least, err := manifest.LeastOf()
	if err != nil {
		t.Fatal(err)
	}
	highest := int64(0)
	for n := int64(12); n <= manifest.Known().Version; n++ {
		said, there := least[n]
		switch {
		case !there:
		case said == 0:
			t.Errorf("migration %d does not say PRAGMA user_version = <the least migration a program must know>;", n)
		case said > n || said < highest:
			t.Errorf("migration %d says %d; it must be between %d and %d", n, said, highest, n)
		}
		highest = max(highest, said)
	}
}
