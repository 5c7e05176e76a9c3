package postgres

import (
	"context"
	"os"
	"testing"

	"pipedai/internal/testkit"
	"pipedai/store"
	"pipedai/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func open(t testing.TB) store.Store {
	t.Helper()
	return openAt(t, testkit.Postgres(t))
}

// migrated returns a copy of a database that was migrated once.
func migrated(t testing.TB) store.Store {
	t.Helper()
	return openAt(t, testkit.PostgresLike(t, "migrated", migrate))
}

func migrate(dsn string) error {
	s, err := Open(context.Background(), dsn, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Migrate(context.Background())
	return err
}

func openAt(t testing.TB, dsn string) store.Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{})
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

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open, migrated)
}

func TestStore_NewerSchema(t *testing.T) {
	t.Parallel()
	s := open(t).(*Store)
	storetest.RefusesNewer(t, s, func() error {
		_, err := s.pool.Exec(t.Context(), `insert into engine_migrations (version_id, is_applied) values (9999, true)`)
		return err
	})
}
