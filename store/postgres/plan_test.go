package postgres

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// What a step costs must not grow with what lies behind. PostgreSQL keeps a
// plan that it made while the tables were small, and only it can say what a
// plan walks; so this is a test of this store alone.
func TestStore_HistoryCostsNothing(t *testing.T) {
	t.Parallel()
	s := openAt(t, testkit.PostgresLike(t, "migrated", migrate)).(*Store)
	plans := explained(t, s)
	def := func(id pipeline.TaskID, next ...pipeline.TaskID) store.Task {
		return store.Task{ID: id, CodeHash: "h", AllowedNext: next, Timeout: time.Minute, HeartbeatInterval: time.Minute,
			Retry: pipeline.RetryPolicy{Retries: 1}}
	}
	limited := def("b", "d")
	limited.Concurrency = 3
	if _, err := s.Register(t.Context(), store.Register{
		Service: store.Service{ID: "svc", BaseURL: "http://worker.test"},
		Tasks:   []store.Task{def("a", "b", "c"), limited, def("c", "d"), def("d")},
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // a plan is kept from the sixth use on
		lives(t, s)
	}
	for _, fill := range []string{
		`insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version)
			select 'old'||i, 'svc', 'completed', '{}', '1' from generate_series(1, 5000) i`,
		`insert into run_state (pipeline_run_id, failure_mode, entry_tasks, open) select 'old'||i, 'fail-fast', '{a}', 0 from generate_series(1, 5000) i`,
		`insert into joins (pipeline_run_id, task_id, fired) select 'old'||i, 'd', 2 from generate_series(1, 5000) i`,
		`insert into inputs (path, data) select 'old'||i, '{}' from generate_series(1, 5000) i`,
		`insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, code_hash, code_version)
			select 'old'||i||k, k, 'old'||i, 'completed', 3, 'h', 1 from generate_series(1, 5000) i, unnest('{a,b,c,d}'::text[]) k`,
	} {
		if _, err := s.pool.Exec(t.Context(), fill); err != nil {
			t.Fatal(err)
		}
	}
	plans.take()
	lives(t, s)
	walked := regexp.MustCompile(`Rows Removed by [A-Za-z ]+: (\d+)|Seq Scan on (?:task_runs|pipeline_runs|run_state|joins|inputs|ready|lease|timer) `)
	seen := plans.take()
	if len(seen) < 10 {
		t.Fatalf("%d plans were explained", len(seen))
	}
	for _, plan := range seen {
		for _, hit := range walked.FindAllStringSubmatch(plan, -1) {
			if n, _ := strconv.Atoi(hit[1]); n > 1000 || hit[1] == "" {
				t.Errorf("%s in\n%s", hit[0], plan)
			}
		}
	}
}

// notices collects the plans that a pool's statements were run by.
type notices struct {
	mu   sync.Mutex
	seen []string
}

func (n *notices) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.seen
	n.seen = nil
	return out
}

// explained makes s explain every statement.
func explained(t *testing.T, s *Store) *notices {
	t.Helper()
	var n notices
	cfg := s.pool.Config().Copy()
	cfg.MaxConns = 1 // the plans that are kept belong to a connection
	for name, value := range map[string]string{
		"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
		"auto_explain.log_level": "notice", "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off",
	} {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	cfg.ConnConfig.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.seen = append(n.seen, notice.Message)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.pool.Close()
	s.pool = pool
	return &n
}

// lives takes runs through every step of the hot path, to their ends.
func lives(t *testing.T, s *Store) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	var runs []store.StartRun
	for range 8 {
		id := pipeline.NewRunID(time.Now())
		runs = append(runs, store.StartRun{ID: id, Pipeline: "svc", Input: store.Input{Path: string(id), Data: []byte("{}")}})
	}
	_, err := s.StartRuns(ctx, runs)
	must(err)
	for round := 0; ; round++ {
		claimed, err := s.ClaimTasks(ctx, store.ClaimTasks{Owner: "x", Limit: 8, MaxRunning: 100, AcceptWithin: time.Minute})
		must(err)
		if len(claimed) == 0 {
			break
		}
		var refs []store.AttemptRef
		var beats []store.Heartbeat
		var ends []store.EndAttempt
		for i, c := range claimed {
			ref := store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt}
			refs, beats = append(refs, ref), append(beats, store.Heartbeat{AttemptRef: ref, Message: "x"})
			end := store.EndAttempt{AttemptRef: ref, AllNext: true, OutputPath: "o"}
			if i == 0 {
				end.Failure = &store.Failure{Error: "x", Final: round%2 == 1}
			}
			ends = append(ends, end)
		}
		must(s.AcceptAttempts(ctx, refs))
		_, err = s.ExtendLeases(ctx, beats)
		must(err)
		if len(refs) > 1 {
			must(s.ReleaseAttempts(ctx, refs[len(refs)-1:]))
		}
		_, err = s.Rescue(ctx, store.Rescue{Limit: 100})
		must(err)
		_, err = s.EndAttempts(ctx, ends)
		must(err)
		_, _, err = s.PromoteDue(ctx, 100)
		must(err)
	}
	_, err = s.QueueStatus(ctx)
	must(err)
}

// A page that is left open asks for the counts of the last day, over and over.
func TestStore_CountRunsReadsItsSpanOnly(t *testing.T) {
	t.Parallel()
	s := openAt(t, testkit.PostgresLike(t, "migrated", migrate)).(*Store)
	plans := explained(t, s)
	for _, fill := range []string{
		`insert into pipelines (id, name, entry_tasks, structure, version) values ('p', 'p', '{}', '{}', '1')`,
		`insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version, created_at)
			select 'r'||i, 'p', case when i % 9 = 0 then 'failed' else 'completed' end, '{}', '1', now() - i * interval '1 minute'
			from generate_series(1, 20000) i`,
		`analyze pipeline_runs`,
	} {
		if _, err := s.pool.Exec(t.Context(), fill); err != nil {
			t.Fatal(err)
		}
	}
	for what, p := range map[string]struct{ span, most, walked int }{
		"a day":       {span: 24 * 60, most: 50_000, walked: 24 * 60},
		"a busy week": {span: 7 * 24 * 60, most: 500, walked: 500},
	} {
		plans.take()
		to := time.Now().Add(time.Minute)
		got, err := s.CountRuns(t.Context(), store.CountRuns{
			From: to.Add(-time.Duration(p.span) * time.Minute), To: to, Part: time.Hour, Most: p.most,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Counted > p.walked || got.Counted < p.walked-2 || len(got.Failed) != 1 {
			t.Errorf("%s: %d counted, %d failed", what, got.Counted, len(got.Failed))
		}
		plan := strings.Join(plans.take(), "\n")
		if !strings.Contains(plan, "idx_pipeline_runs_created_at") || strings.Contains(plan, "Seq Scan on pipeline_runs") ||
			strings.Contains(plan, "Rows Removed") {
			t.Errorf("%s walks more than its span:\n%s", what, plan)
		}
	}
}
