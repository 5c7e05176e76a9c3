package postgres

import (
	"os"
	"testing"

	"pipedai/internal/testkit"
	"pipedai/store"
	"pipedai/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func open(t testing.TB) store.Store {
	t.Helper()
	s, err := Open(t.Context(), testkit.Postgres(t), Options{})
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
	storetest.Run(t, open)
}

func TestStore_NewerSchema(t *testing.T) {
	t.Parallel()
	s := open(t).(*Store)
	storetest.RefusesNewer(t, s, func() error {
		_, err := s.pool.Exec(t.Context(), `insert into engine_migrations (version_id, is_applied) values (9999, true)`)
		return err
	})
}
