package postgres

import (
	"context"
	"os"
	"sync/atomic"
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

// TestStore_Listen is of this backend alone: a file has one process. A notice
// wakes every store but the one that sent it, whose process knows already and
// would wake itself for ever.
func TestStore_Listen(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	one, two := openAt(t, dsn), openAt(t, dsn)
	ctx, cancel := context.WithCancel(t.Context())
	var wakes atomic.Int32
	woken, ended := make(chan struct{}, 64), make(chan error)
	go func() { ended <- one.Listen(ctx, func() { wakes.Add(1); woken <- struct{}{} }) }()
	<-woken // connected
	for range 10 {
		if err := one.Notify(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := two.Notify(ctx); err != nil {
			t.Fatal(err)
		}
		<-woken // notices come in order: its own lie before this one
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := wakes.Load(); n != 3 {
		t.Errorf("woken %d times by one connection and two notices of another store", n)
	}
}
