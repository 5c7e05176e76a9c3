package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"pipedai/internal/sqlitefile"
	"pipedai/pipeline"
	"pipedai/store"
)

// These are about one file with one writer, so about this store alone.

// hold keeps the writer busy until the function it returns is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	c := <-s.w.turn
	return func() { s.w.turn <- c }
}

// queued waits until n steps stand in line.
func queued(t *testing.T, s *Store, n int) {
	t.Helper()
	until := time.Now().Add(10 * time.Second)
	for {
		s.w.mu.Lock()
		have := len(s.w.line)
		s.w.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d steps are in line, want %d", have, n)
		}
		runtime.Gosched()
	}
}

func addEvent(t *tx, name string) error {
	return t.run(`insert into worker_events (worker_id, type) values ('w', ?)`, name)
}

// events makes a worker to note events of, and reads them.
func events(t *testing.T, s *Store) (read func() []string) {
	t.Helper()
	if err := s.write(t.Context(), "add worker", func(t *tx) error {
		return t.run(`insert into workers (id, workspace_id, hostname) values ('w', 'ws_default', 'h')`)
	}); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		all, err := s.WorkerEvents(t.Context(), "w", 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, e := range all {
			out = append(out, e.Type)
		}
		return out
	}
}

// Steps that share a transaction fail alone.
func TestWriter_group(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	read := events(t, s)
	boom := errors.New("boom")
	steps := []struct {
		name string
		err  error
	}{{"a", nil}, {"b", boom}, {"c", nil}, {"d", boom}, {"e", nil}}
	release := hold(t, s)
	var wg sync.WaitGroup
	for i, step := range steps {
		wg.Go(func() {
			err := s.write(t.Context(), "note", func(t *tx) error {
				return errors.Join(addEvent(t, step.name), step.err)
			})
			if !errors.Is(err, step.err) {
				t.Errorf("step %s: %v, want %v", step.name, err, step.err)
			}
		})
		queued(t, s, i+1)
	}
	release()
	wg.Wait()
	if got := fmt.Sprint(read()); got != "[a c e]" {
		t.Errorf("%s is stored, want a, c and e in that order", got)
	}
}

// A transaction that SQLite undid by itself takes all of its steps with it.
func TestWriter_broken(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	read := events(t, s)
	release := hold(t, s)
	var wg sync.WaitGroup
	for i, fn := range []func(*tx) error{
		func(t *tx) error { return addEvent(t, "a") },
		func(t *tx) error { return errors.Join(t.run("rollback"), errors.New("the disk is full")) },
	} {
		wg.Go(func() {
			if err := s.write(t.Context(), "note", fn); err == nil {
				t.Errorf("step %d was confirmed and is not there", i)
			}
		})
		queued(t, s, i+1)
	}
	release()
	wg.Wait()
	if got := read(); len(got) != 0 {
		t.Errorf("%v is stored", got)
	}
	if err := s.write(t.Context(), "note", func(t *tx) error { return addEvent(t, "after") }); err != nil {
		t.Errorf("the writer is lost after it: %v", err)
	}
}

// A step whose caller gave up while it waited is not taken.
func TestWriter_gaveUp(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.write(ctx, "never", func(*tx) error {
			t.Error("the step ran")
			return nil
		})
	}()
	queued(t, s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if err := s.write(t.Context(), "next", func(*tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// E22: writers wait in line for each other, whatever is read meanwhile, here
// and by another program.
func TestStore_E22_sixteenWritersAndALongReader(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	register(t, s, def("a"))
	other, err := sqlitefile.Open(t.Context(), s.path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	long, err := other.Reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var before int
	if err := long.QueryRowContext(t.Context(), `select count(*) from task_runs`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	const writers, each = 16, 30
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			owner := fmt.Sprint("writer ", i)
			for range each {
				if _, err := s.EnqueueTasks(t.Context(), batch(1, "a")); err != nil {
					t.Errorf("enqueue: %v", err)
				}
				claimed, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: owner, Limit: 1, Accepted: true})
				if err != nil || len(claimed) != 1 {
					t.Errorf("claimed %d, %v", len(claimed), err)
					return
				}
				ref := store.AttemptRef{ID: claimed[0].TaskRun.ID, Attempt: 1, Owner: owner}
				ended, err := s.EndAttempts(t.Context(), []store.EndAttempt{{AttemptRef: ref, AllNext: true}})
				if err != nil || ended[0].Err != nil {
					t.Errorf("end: %v, %+v", err, ended)
				}
			}
		})
	}
	wg.Wait()
	st, err := s.QueueStatus(t.Context())
	if err != nil || st.Completed != writers*each || st.Pending+st.Running != 0 {
		t.Errorf("%+v, %v: writes were lost", st, err)
	}
	if _, total, err := s.TaskRuns(t.Context(), store.TaskRunFilter{Status: pipeline.TaskCompleted}); err != nil || total != writers*each {
		t.Errorf("%d rows, %v", total, err)
	}
	var still int
	if err := long.QueryRowContext(t.Context(), `select count(*) from task_runs`).Scan(&still); err != nil || still != before {
		t.Errorf("the long reader saw %d, then %d, %v", before, still, err)
	}
	_ = long.Rollback()
}

// E22: readers that overlap without end do not let the log grow without end,
// and one of another program does only for as long as it reads.
func TestStore_E22_logIsCutBack(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	s.w.large = 1 << 20
	register(t, s, def("a"))
	other, err := sqlitefile.Open(t.Context(), s.path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	long, err := other.Reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := long.QueryRowContext(t.Context(), `select count(*) from task_runs`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := s.TaskRuns(ctx, store.TaskRunFilter{Limit: 500}); err != nil && ctx.Err() == nil {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	defer readers.Wait()
	defer stop()
	grown := int64(0)
	size := func() int64 {
		info, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	write := func() {
		if _, err := s.EnqueueTasks(t.Context(), batch(500, "a")); err != nil {
			t.Fatal(err)
		}
	}
	for grown < 2*s.w.large {
		write()
		grown = size()
	}
	_ = long.Rollback()
	for until := time.Now().Add(20 * time.Second); size() > s.w.large/2; write() {
		if time.Now().After(until) {
			t.Fatalf("the log has %d bytes, and was to be cut back from %d", size(), s.w.large)
		}
	}
}
