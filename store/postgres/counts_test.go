package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// Counts stay exact while their rows move under the steps that change them, and
// what is to be walked over for them stays little.
func TestCounts_move(t *testing.T) {
	t.Parallel()
	s := openAt(t, testkit.PostgresLike(t, "migrated", migrate)).(*Store)
	if _, err := s.Register(t.Context(), store.Register{Service: store.Service{ID: "one", BaseURL: "http://worker.test"}, Tasks: []store.Task{
		{ID: "a", CodeHash: "h", Timeout: time.Minute, HeartbeatInterval: time.Minute},
	}}); err != nil {
		t.Fatal(err)
	}
	// Somebody looks, and does not let go.
	conn, err := pgx.ConnectConfig(t.Context(), s.pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	held, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	var rows int
	if err := held.QueryRow(t.Context(), `select count(*) from counters`).Scan(&rows); err != nil {
		t.Fatal(err)
	}

	const workers, rounds, size = 4, 25, 3
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				if _, err := s.EnqueueTasks(t.Context(), batch("a", size)); err != nil {
					t.Error(err)
				}
				if _, err := work(t.Context(), s, pipeline.ServiceID("one"), size); err != nil {
					t.Error(err)
				}
				s.counts.steps.Store(moveEvery)
				s.counts.size.Store(-moveFrom)
				s.moveCounts(t.Context())
			}
		})
	}
	group.Wait()
	for {
		if n, err := work(t.Context(), s, "one", 100); err != nil {
			t.Fatal(err)
		} else if n == 0 {
			break
		}
	}
	got, err := s.QueueStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Pending != 0 || got.Running != 0 || got.Completed != workers*rounds*size {
		t.Errorf("%d pending, %d running, %d completed of %d", got.Pending, got.Running, got.Completed, workers*rounds*size)
	}
	var moved, running int
	if err := s.pool.QueryRow(t.Context(), `select `+rowsOf+`, `+runningNow).Scan(&moved, &running); err != nil {
		t.Fatal(err)
	}
	if moved == 0 || running != 0 {
		t.Errorf("%d running in the rows from %d on", running, moved)
	}
	if err := s.pool.QueryRow(t.Context(), `select count(*) from counters`).Scan(&rows); err != nil || rows != shards {
		t.Errorf("%d rows of counters (%v), want %d", rows, err, shards)
	}
}
