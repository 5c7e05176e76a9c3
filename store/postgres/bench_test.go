package postgres

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/internal/pgserver"
	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/storetest"
)

// The cluster of the tests runs without fsync: an upper bound.
func BenchmarkLifeCycle(b *testing.B) { storetest.BenchmarkLifeCycle(b, open) }

// BenchmarkDurable measures the hot path against a server whose commits reach
// the disk, from eight connections. Read pg-us/run and go-us/run, the CPU time
// of the server and of this process: they hold on a machine that does other
// things as well. The wall clock is there too.
func BenchmarkDurable(b *testing.B) {
	s := durable(b)
	for _, size := range []int{1, 50, 200} {
		b.Run(fmt.Sprintf("life/batch=%d", size), func(b *testing.B) {
			measured(b, s, 8, func(ctx context.Context) (int, error) { return lifeCycles(ctx, s, size) })
		})
	}
	for _, size := range []int{1, 50} {
		b.Run(fmt.Sprintf("diamond/batch=%d", size), func(b *testing.B) {
			measured(b, s, 8, func(ctx context.Context) (int, error) { return diamonds(ctx, s, size) })
			finish(b, s)
		})
	}
	b.Run("snapshot/batch=50", func(b *testing.B) {
		// Somebody else looks at the database and does not let go: what was deleted
		// since stays in the way. Give it time with -benchtime=60s.
		tx, err := other(b, s).BeginTx(b.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err == nil {
			_, err = tx.Exec(b.Context(), `select count(*) from ready`)
		}
		if err != nil {
			b.Fatal(err)
		}
		measured(b, s, 8, func(ctx context.Context) (int, error) { return lifeCycles(ctx, s, 50) })
	})
	for _, limit := range []int{0, 40} {
		b.Run(fmt.Sprintf("limit=%d/replicas=4", limit), func(b *testing.B) { limited(b, s, limit) })
	}
	b.Run("enqueue/batch=10000", func(b *testing.B) {
		measured(b, s, 2, func(ctx context.Context) (int, error) {
			_, err := s.EnqueueTasks(ctx, batch("a", 10_000))
			return 10_000, err
		})
	})
	b.Run("copy/batch=10000", func(b *testing.B) {
		measured(b, s, 2, func(ctx context.Context) (int, error) { return 10_000, copied(ctx, s, 10_000) })
	})
}

// other is a connection beside the store's.
func other(b *testing.B, s *Store) *pgx.Conn {
	b.Helper()
	c, err := pgx.ConnectConfig(b.Context(), s.pool.Config().ConnConfig)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(context.WithoutCancel(b.Context())) })
	return c
}

// limited works off one task with a concurrency limit from four stores, each
// of which claims as an engine does: what fits, again and again. 40 are under
// way at most with and without the limit, so it is the limit that is measured.
func limited(b *testing.B, s *Store, limit int) {
	task := pipeline.TaskID(fmt.Sprintf("limit%d", limit))
	if _, err := s.Register(b.Context(), store.Register{Service: store.Service{ID: pipeline.ServiceID(task)}, Tasks: []store.Task{
		{ID: task, CodeHash: "h", Timeout: time.Minute, HeartbeatInterval: time.Minute, Concurrency: limit},
	}}); err != nil {
		b.Fatal(err)
	}
	for range max(1, b.N*5/2000) {
		if _, err := s.EnqueueTasks(b.Context(), batch(task, 2000)); err != nil {
			b.Fatal(err)
		}
	}
	replicas := make(chan *Store, 8)
	for range 4 {
		replica, err := Open(b.Context(), other(b, s).Config().ConnString(), Options{MaxConns: 2})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = replica.Close() })
		replicas <- replica
		replicas <- replica
	}
	measured(b, s, 8, func(ctx context.Context) (int, error) {
		replica := <-replicas
		defer func() { replicas <- replica }()
		for range 100 {
			if n, err := work(ctx, replica, pipeline.ServiceID(task), 5); n > 0 || err != nil {
				return n, err
			}
		}
		return 0, nil
	})
}

// durable is a migrated store with a service that has a diamond and a task by
// itself.
func durable(b *testing.B) *Store {
	b.Helper()
	server, err := pgserver.Start(pgserver.Options{Durable: true, Settings: []string{
		"shared_buffers=512MB", "max_wal_size=4GB",
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Stop)
	s, err := Open(b.Context(), server.DSN("postgres"), Options{MaxConns: 8})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	def := func(id pipeline.TaskID, next ...pipeline.TaskID) store.Task {
		return store.Task{ID: id, CodeHash: "h", AllowedNext: next, Timeout: time.Minute, HeartbeatInterval: time.Minute}
	}
	for _, service := range []store.Register{
		{Service: store.Service{ID: "one", BaseURL: "http://worker.test"}, Tasks: []store.Task{def("a")}},
		{Service: store.Service{ID: "diamond", BaseURL: "http://worker.test"}, Tasks: []store.Task{
			def("d1", "d2", "d3"), def("d2", "d4"), def("d3", "d4"), def("d4"),
		}},
	} {
		if _, err := s.Register(b.Context(), service); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// measured runs fn from some goroutines at once until the benchmark has had
// its time, and reports what a run cost.
func measured(b *testing.B, s *Store, workers int, fn func(context.Context) (runs int, err error)) {
	b.Helper()
	pids := serverProcesses(b, s)
	server, own := cpuOf(b, pids...), cpuOf(b, os.Getpid())
	var done atomic.Int64
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				n, err := fn(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				done.Add(int64(n))
			}
		})
	}
	group.Wait()
	b.StopTimer()
	runs := float64(max(1, done.Load()))
	b.ReportMetric(runs/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(float64((cpuOf(b, pids...)-server).Microseconds())/runs, "pg-us/run")
	b.ReportMetric(float64((cpuOf(b, os.Getpid())-own).Microseconds())/runs, "go-us/run")
}

// serverProcesses makes every connection of the pool and returns the processes
// of the server.
func serverProcesses(b *testing.B, s *Store) (pids []int) {
	b.Helper()
	var held []interface{ Release() }
	for range s.pool.Config().MaxConns {
		c, err := s.pool.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		held = append(held, c)
	}
	for _, c := range held {
		c.Release()
	}
	rows, err := s.pool.Query(b.Context(), `select pid from pg_stat_activity`)
	if err == nil {
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if err != nil {
		b.Fatal(err)
	}
	return pids
}

// cpuOf sums the CPU time of processes. Elsewhere than on Linux it is 0.
func cpuOf(b *testing.B, pids ...int) (sum time.Duration) {
	b.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // a vacuum that is over
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		for _, field := range fields[11:13] { // utime and stime, in 1/100 s
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}

func batch(task pipeline.TaskID, n int) []store.EnqueueTask {
	out := make([]store.EnqueueTask, n)
	for i := range out {
		id := pipeline.NewTaskRunID(time.Now())
		out[i] = store.EnqueueTask{ID: id, Task: task, Input: store.Input{
			Path: "queue/" + string(id) + "/input.json", Data: []byte(`{"documents":["invoice-2026-11.pdf"],"language":"en"}`),
		}}
	}
	return out
}

// lifeCycles takes n standalone task runs through their lives.
func lifeCycles(ctx context.Context, s *Store, n int) (int, error) {
	if _, err := s.EnqueueTasks(ctx, batch("a", n)); err != nil {
		return 0, err
	}
	return work(ctx, s, "one", n)
}

// work claims, accepts and completes up to n task runs.
func work(ctx context.Context, s *Store, service pipeline.ServiceID, n int) (int, error) {
	claimed, err := s.ClaimTasks(ctx, store.ClaimTasks{Owner: "b", Services: []pipeline.ServiceID{service}, Limit: n, AcceptWithin: time.Minute})
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	refs, ends := make([]store.AttemptRef, len(claimed)), make([]store.EndAttempt, len(claimed))
	for i, c := range claimed {
		refs[i] = store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt}
		ends[i] = store.EndAttempt{AttemptRef: refs[i], AllNext: true, OutputPath: "runs/" + string(c.TaskRun.ID) + "/output.json", OutputSize: 321}
	}
	if err := s.AcceptAttempts(ctx, refs); err != nil {
		return 0, err
	}
	_, err = s.EndAttempts(ctx, ends)
	return len(claimed), err
}

// diamonds starts n pipeline runs and works off as many tasks as they have.
// Runs are what it counts.
func diamonds(ctx context.Context, s *Store, n int) (int, error) {
	runs := make([]store.StartRun, n)
	for i := range runs {
		id := pipeline.NewRunID(time.Now())
		runs[i] = store.StartRun{ID: id, Pipeline: "diamond", Input: store.Input{Path: "runs/" + string(id) + "/input.json", Data: []byte(`{"a":1}`)}}
	}
	if _, err := s.StartRuns(ctx, runs); err != nil {
		return 0, err
	}
	for range 4 {
		if _, err := work(ctx, s, "diamond", n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// finish works off what is left of the diamonds.
func finish(b *testing.B, s *Store) {
	b.Helper()
	for {
		switch n, err := work(b.Context(), s, "diamond", 200); {
		case err != nil:
			b.Fatal(err)
		case n == 0:
			return
		}
	}
}

// copied writes the rows that an enqueue writes with COPY, which is the least
// that PostgreSQL can do for them.
func copied(ctx context.Context, s *Store, n int) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		items := batch("a", n)
		now := time.Now()
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"task_runs"}, []string{"id", "task_id", "status", "max_retries", "priority", "code_hash", "code_version", "input_path", "created_at"},
			pgx.CopyFromSlice(n, func(i int) ([]any, error) {
				return []any{string(items[i].ID), "a", "pending", 3, 100, "h", 1, items[i].Input.Path, now}, nil
			})); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"inputs"}, []string{"path", "data"},
			pgx.CopyFromSlice(n, func(i int) ([]any, error) { return []any{items[i].Input.Path, items[i].Input.Data}, nil })); err != nil {
			return err
		}
		var first int64
		if err := tx.QueryRow(ctx, `select nextval('task_runs_seq')`).Scan(&first); err != nil {
			return err
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"ready"}, []string{"queue", "lane", "priority", "seq", "task_run_id", "task_id"},
			pgx.CopyFromSlice(n, func(i int) ([]any, error) {
				return []any{"copied", string(items[i].ID), 100, first, string(items[i].ID), "a"}, nil
			}))
		return err
	})
}
