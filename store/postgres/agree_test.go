package postgres

import (
	"path/filepath"
	"testing"

	"pipedai/store/sqlite"
	"pipedai/store/storetest"
)

// The one place where the two stores meet: the same random operations must
// lead both to the same ends.
func TestStore_AgreesWithSQLite(t *testing.T) {
	t.Parallel()
	one := migrated(t)
	two, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "engine.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = two.Close() })
	if _, err := two.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Agree(t, one, two)
}
