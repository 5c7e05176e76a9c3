package sqlite

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"pipedai/store"
)

// What a step costs must not grow with what lies behind: no statement of one
// walks a table of the history, or an index of all of it. Only SQLite can say
// what a plan walks; so this is a test of this store alone.
func TestStore_HistoryCostsNothing(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	limited := def("b", "d")
	limited.Concurrency = 3
	register(t, s, def("a", "b", "c"), limited, def("c", "d"), def("d"), def("e"))
	everyStep(t, s)

	// Small indexes over what is open; all others hold every row there ever was.
	small := []string{"idx_task_runs_ready", "idx_task_runs_leased", "idx_task_runs_due", "idx_task_runs_scheduled"}
	walks := regexp.MustCompile(`^SCAN (t|task_runs|r|pipeline_runs|rs|run_state|joins|inputs|i|n)\b(.* INDEX (\w+))?`)
	seen := 0
	for _, query := range prepared(t, s) {
		if !regexp.MustCompile(`^\s*(select|insert|update|delete|with)`).MatchString(query) {
			continue
		}
		rows, err := s.db.Writer.QueryContext(t.Context(), "explain query plan "+query, nulls(query)...)
		err = each(rows, err, func(row scanner) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			if m := walks.FindStringSubmatch(detail); m != nil && !slices.Contains(small, m[3]) {
				t.Errorf("%s\n%s", detail, query)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d plans were looked at", seen)
	}
}

// nulls are arguments for every parameter of a query.
func nulls(query string) []any {
	n := 0
	for _, m := range regexp.MustCompile(`\?(\d*)`).FindAllStringSubmatch(query, -1) {
		if at, err := strconv.Atoi(m[1]); err == nil {
			n = max(n, at)
		} else {
			n++
		}
	}
	return make([]any, n)
}

// prepared is what the writer has prepared so far, and the reads that every
// page and every probe asks for. The connection goes back to its pool.
func prepared(t *testing.T, s *Store) []string {
	t.Helper()
	var out []string
	if err := s.w.do(t.Context(), 1, func(c *conn) error {
		for query := range c.stmts {
			out = append(out, query)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.w.alone(t.Context(), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return append(out, queueQuery, modeQuery, glanceQuery, countRunsQuery)
}

func everyStep(t *testing.T, s *Store) {
	t.Helper()
	start(t, s, "a", 3)
	items := batch(3, "e")
	items[2].ScheduledFor = time.Now().Add(time.Millisecond)
	if _, err := s.EnqueueTasks(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	claim := func() []store.Claimed {
		claimed, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "w", Limit: 100, MaxRunning: 100, AcceptWithin: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return claimed
	}
	first := claim()
	refs := make([]store.AttemptRef, len(first))
	for i, c := range first {
		refs[i] = store.AttemptRef{ID: c.TaskRun.ID, Attempt: 1, Owner: "w"}
	}
	if err := s.ReleaseAttempts(t.Context(), refs[:1]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExtendLeases(t.Context(), []store.Heartbeat{{AttemptRef: refs[1], Message: "half"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EndAttempts(t.Context(), []store.EndAttempt{{AttemptRef: refs[2], Failure: &store.Failure{Error: "x", Final: true}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rescue(t.Context(), store.Rescue{Now: time.Now().Add(time.Hour), Limit: 100}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PromoteDue(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	work(t, s, 10)
	runs, _, err := s.PipelineRuns(t.Context(), store.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if !r.Status.Terminal() {
			if _, err := s.CancelRun(t.Context(), r.ID, "enough"); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A version without one task, and another limit.
	again := def("b", "d")
	again.Concurrency = 1
	if _, err := s.EnqueueTasks(t.Context(), batch(3, "e")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(t.Context(), store.Register{
		Service: store.Service{ID: "svc", Version: "2.0.0", BaseURL: "http://worker.test"},
		Tasks:   []store.Task{def("a", "b", "c"), again, def("c", "d"), def("d")},
	}); err != nil {
		t.Fatal(err)
	}
}
