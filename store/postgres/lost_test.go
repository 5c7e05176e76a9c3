package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// These tests are of this backend alone: they do to a server what a file cannot
// have done to it. Row E21: a step is taken again or fails with
// store.ErrUnavailable, and is there whole or not at all.

// faulty is a store with one task, and a connection beside it that does harm.
func faulty(t *testing.T, o Options) (*Store, *pgx.Conn) {
	t.Helper()
	dsn := testkit.PostgresLike(t, "migrated", migrate)
	s, err := Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.Register(t.Context(), store.Register{
		Service: store.Service{ID: "svc", Version: "1.0.0", BaseURL: "http://127.0.0.1:1"},
		Tasks: []store.Task{{ID: "a", CodeHash: "1", Timeout: time.Minute, HeartbeatInterval: time.Minute,
			Retry: pipeline.RetryPolicy{Backoff: pipeline.BackoffFixed, Delay: time.Second, MaxDelay: time.Second}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	return s, other
}

func do(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// three queues three task runs in one step.
func (s *Store) three(ctx context.Context) error {
	var batch []store.EnqueueTask
	for range 3 {
		id := pipeline.NewTaskRunID(time.Now())
		batch = append(batch, store.EnqueueTask{ID: id, Task: "a", Input: store.Input{Path: "standalone/" + string(id) + "/input.json"}})
	}
	_, err := s.EnqueueTasks(ctx, batch)
	return err
}

// holds wants so many task runs, in the rows and in the kept counts.
func holds(t *testing.T, s *Store, want int) {
	t.Helper()
	_, rows, err := s.TaskRuns(t.Context(), store.TaskRunFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.QueueStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rows != want || kept.Pending != want {
		t.Errorf("%d task runs, counted as %d; want %d", rows, kept.Pending, want)
	}
}

func TestStore_E21_connectionsEndedByAnAdministrator(t *testing.T) {
	t.Parallel()
	s, other := faulty(t, Options{MaxConns: 6})
	const end = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`

	// Idle ones cost nobody anything: the steps after find new ones.
	steps := 0
	for range 5 {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := s.three(t.Context()); err != nil {
					t.Errorf("step on an ended connection: %v", err)
				}
			})
		}
		wg.Wait()
		steps += 6
		do(t, other, end)
	}
	if _, err := s.Services(t.Context()); err != nil {
		t.Errorf("read on an ended connection: %v", err)
	}
	holds(t, s, 3*steps)

	// In the middle of steps: each is there whole or not at all, and whoever was
	// told that it is there is right.
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	taken, unsure := 0, 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := s.three(t.Context())
				mu.Lock()
				switch {
				case err == nil:
					taken++
				case errors.Is(err, store.ErrUnavailable):
					unsure++
				default:
					t.Errorf("a step failed with %v", err)
				}
				mu.Unlock()
			}
		})
	}
	for range 40 {
		do(t, other, end)
	}
	stop()
	wg.Wait()
	_, rows, err := s.TaskRuns(t.Context(), store.TaskRunFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if low, high := 3*(steps+taken), 3*(steps+taken+unsure); rows < low || rows > high || rows%3 != 0 {
		t.Errorf("%d task runs after %d steps that were confirmed and %d that were not", rows, steps+taken, unsure)
	}
	holds(t, s, rows)
}

func TestStore_E21_serializationFailuresAndDeadlocks(t *testing.T) {
	t.Parallel()
	s, _ := faulty(t, Options{})
	for _, code := range []string{"40001", "40P01"} {
		tries := 0
		raise := func(until int) func(*tx) error {
			tries = 0
			return func(t *tx) error {
				if _, err := t.exec(`update counters set pending = pending + 1 where shard = 0`); err != nil {
					return err
				}
				if tries++; tries < until {
					_, err := t.exec(fmt.Sprintf(`do $$ begin raise exception using errcode = '%s', message = 'lost'; end $$`, code))
					return err
				}
				return nil
			}
		}
		if err := s.write(t.Context(), "step", raise(4)); err != nil || tries != 4 {
			t.Errorf("%s: %v after %d tries, want success at the fourth", code, err, tries)
		}
		if err := s.write(t.Context(), "step", raise(1000)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s without an end: %v", code, err)
		}
		if err := s.write(t.Context(), "step", func(t *tx) error {
			_, err := t.exec(`update counters set pending = pending - 1 where shard = 0`)
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	holds(t, s, 0) // a try that was lost left nothing
}

func TestStore_E21_poolExhausted(t *testing.T) {
	t.Parallel()
	s, _ := faulty(t, Options{MaxConns: 1})
	s.patience = 50 * time.Millisecond
	held, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.three(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a step without a connection: %v", err)
	}
	if _, err := s.Services(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a read without a connection: %v", err)
	}
	held.Release()
	s.patience = poolPatience
	if err := s.three(t.Context()); err != nil {
		t.Error(err)
	}
	holds(t, s, 3)
}

func TestStore_E21_statementTimeout(t *testing.T) {
	t.Parallel()
	s, other := faulty(t, Options{StatementTimeout: 200 * time.Millisecond})
	do(t, other, `begin; lock table ready in access exclusive mode`) // idle in transaction, with a lock
	if err := s.three(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a step behind a lock: %v", err)
	}
	do(t, other, `rollback`)
	holds(t, s, 0)
	s2 := openAt(t, s.pool.Config().ConnString())
	if err := s2.(*Store).three(t.Context()); err != nil {
		t.Error(err)
	}
	holds(t, s, 3)
}

// A disk cannot be filled here; the server is made to say what it then says, at
// the last of the tables that a step writes.
func TestStore_E21_diskFull(t *testing.T) {
	t.Parallel()
	s, other := faulty(t, Options{})
	for _, code := range []string{"53100", "53200", "58030"} {
		do(t, other, fmt.Sprintf(`create or replace function full_disk() returns trigger language plpgsql as
			$$ begin raise exception using errcode = '%s', message = 'No space left on device'; end $$`, code))
		do(t, other, `create or replace trigger full_disk before insert on ready execute function full_disk()`)
		if err := s.three(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", code, err)
		}
		do(t, other, `drop trigger full_disk on ready`)
		holds(t, s, 0)
	}
	if err := s.three(t.Context()); err != nil {
		t.Error(err)
	}
	holds(t, s, 3)
}

// A server that was made read-only, as a standby is before it takes over.
func TestStore_E21_readOnly(t *testing.T) {
	t.Parallel()
	s, other := faulty(t, Options{})
	var name string
	if err := other.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	do(t, other, `alter database `+name+` set default_transaction_read_only = on`)
	s.pool.Reset()
	if err := s.three(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a write to a read-only server: %v", err)
	}
	if _, err := s.Services(t.Context()); err != nil {
		t.Errorf("a read from a read-only server: %v", err)
	}
	do(t, other, `set transaction_read_only = off; alter database `+name+` reset default_transaction_read_only`)
	s.pool.Reset()
	if err := s.three(t.Context()); err != nil {
		t.Error(err)
	}
	holds(t, s, 3)
}

// What the step itself did wrong is no matter of availability.
func TestIsUnavailable(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&pgconn.PgError{Code: "23505"}:                     false,
		&pgconn.PgError{Code: "42P01"}:                     false,
		&pgconn.PgError{Code: ""}:                          false,
		context.Canceled:                                   false,
		store.ErrConflict:                                  false,
		pgx.ErrNoRows:                                      false,
		context.DeadlineExceeded:                           true,
		&pgconn.PgError{Code: "57P03"}:                     true,
		&pgconn.PgError{Code: "08006"}:                     true,
		fmt.Errorf("%w: %w", errors.New("read"), errAgain): true,
		fmt.Errorf("write: %w", pgconn.ErrConnClosed):      true,
	} {
		if got := isUnavailable(err); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}
