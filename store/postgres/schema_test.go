package postgres

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"pipedai/internal/sqlitefile"
	"pipedai/internal/testkit"
	"pipedai/store"
	"pipedai/store/sqlite"
)

// strings1 reads one column of text.
func (s *Store) strings1(t *testing.T, query string, args ...any) []string {
	t.Helper()
	out := []string{}
	rows, err := s.pool.Query(t.Context(), query, args...)
	if err := each(rows, err, func(row scanner) error {
		out = append(out, "")
		return row.Scan(&out[len(out)-1])
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// Both sets of migrations must lead to the same tables and columns, but for
// what only the loops look at, which each store keeps in its own way.
func TestSchema_SameAsSQLite(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	got := s.strings1(t, `select table_name || '.' || column_name from information_schema.columns
		where table_schema = 'public' and table_name not in ('engine_migrations', 'ready', 'lease', 'timer', 'broken', 'freed') order by 1`)

	path := filepath.Join(t.TempDir(), "engine.db")
	lite, err := sqlite.Open(t.Context(), path, sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lite.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lite.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := slices.DeleteFunc(columns(t, db.Reader), func(name string) bool {
		return slices.Contains([]string{"since", "due", "queue", "lane", "owner", "slot", "until", "deadline", "window_ms", "timeout_seconds", "cancel", "lifted", "place"},
			strings.TrimPrefix(name, "task_runs."))
	})
	if diff := cmp.Diff(want, got, cmp.Transformer("set", func(in []string) map[string]bool {
		out := map[string]bool{}
		for _, v := range in {
			out[v] = true
		}
		return out
	})); diff != "" {
		t.Errorf("columns (-sqlite +postgres):\n%s", diff)
	}
}

func columns(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `select m.name || '.' || c.name from sqlite_master m join pragma_table_info(m.name) c
		where m.type = 'table' and m.name not like 'sqlite_%' and m.name not in ('engine_migrations', 'ready', 'lease', 'timer', 'broken', 'freed')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// What other programs rely on by name.
func TestSchema_Contract(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	wantRows := []string{
		"000 migration_tracking 47949e3ddde295a1fb054b563810ad0704db212a18aede25a774641c31e8de58",
		"001 initial_schema e6d6c11d0cfa1cd052976cc1857b94912cb6a9663359755a570820450aef44aa",
		"002 input_schemas_and_temp_uploads c4985514d2aca505d722b23b0085f3e3bab10cf41cc4b8d24152609e37fa0480",
	}
	if diff := cmp.Diff(wantRows, s.strings1(t, `select version || ' ' || name || ' ' || checksum from schema_migrations order by version`)); diff != "" {
		t.Errorf("schema_migrations (-want +got):\n%s", diff)
	}
	wantTriggers := []string{"count_deleted_dead_letters", "count_retried_dead_letters", "delete_runs_of_deleted_pipelines", "delete_runs_of_deleted_tasks", "delete_tasks_of_deleted_runs", "forget_deleted_task_runs",
		"update_orchestrator_state_updated_at", "update_pipelines_updated_at", "update_tasks_updated_at"}
	if diff := cmp.Diff(wantTriggers, s.strings1(t, `select tgname from pg_trigger where not tgisinternal order by 1`)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	// As the older CLI calls them.
	if _, err := s.pool.Exec(t.Context(), `select cleanup_expired_idempotency_cache(); select * from cleanup_expired_temp_uploads()`); err != nil {
		t.Error(err)
	}
	// Dead letters deleted behind our back are not counted any more.
	if _, err := s.pool.Exec(t.Context(), `insert into dlq (id, task_id, task_run_id, attempts, error, code_hash, code_version, previous_attempts)
		values ('dlq_1', 'a', 'trun_1', 1, 'x', 'h', 1, '[]'); update counters set dead_letters = 1 where shard = 3; delete from dlq`); err != nil {
		t.Fatal(err)
	}
	if got, err := s.QueueStatus(t.Context()); err != nil || got.DeadLetters != 0 {
		t.Errorf("status %+v, %v", got, err)
	}
}

// A database that the older tools prepared is upgraded in place and keeps its
// rows; standalone work that was waiting runs.
func TestMigrate_OlderDatabase(t *testing.T) {
	t.Parallel()
	s := older(t)
	const documented = `select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
		from information_schema.columns where table_schema = 'public' order by 1`
	before := s.strings1(t, documented)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if problems, err := s.Validate(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("after the upgrade: %q, %v", problems, err)
	}
	after := s.strings1(t, documented)
	for _, column := range before {
		if !slices.Contains(after, column) {
			t.Errorf("the upgrade changed %s", column)
		}
	}

	// Standalone work goes on; a pipeline run cannot, and says so.
	got, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "w", Limit: 10, Accepted: true})
	if err != nil || len(got) != 1 || got[0].TaskRun.ID != "trun_alone" {
		t.Errorf("claimed %+v, %v", got, err)
	}
	// Tools that watch the rows learn when the run counts as lost.
	if got := s.strings1(t, `select (r.heartbeat_timeout_ms = 2 * k.heartbeat_interval_ms)::text from task_runs r join tasks k on k.id = r.task_id
		where r.id = 'trun_alone'`); !slices.Equal(got, []string{"true"}) {
		t.Errorf("heartbeat_timeout_ms is two intervals: %v", got)
	}
	if run, err := s.PipelineRun(t.Context(), "prun_open"); err != nil || run.Status != "cancelled" || !strings.Contains(run.Error, "older engine") {
		t.Errorf("run %+v, %v", run, err)
	}
	if run, err := s.PipelineRun(t.Context(), "prun_done"); err != nil || run.Status != "completed" || run.FailureMode != "continue" {
		t.Errorf("run %+v, %v", run, err)
	}
	if tasks, err := s.TasksOfRun(t.Context(), "prun_done"); err != nil || len(tasks) == 0 {
		t.Errorf("tasks %+v, %v", tasks, err)
	}
	if st, err := s.QueueStatus(t.Context()); err != nil || st.Completed != 3 || st.Running != 1 || st.Pending != 1 || st.Failed != 1 || st.DeadLetters != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if task, err := s.Task(t.Context(), "extract"); err != nil || task.CodeVersion != 4 || task.InputSchema == nil {
		t.Errorf("task %+v, %v", task, err)
	}
	if again, err := s.RetryDeadLetters(t.Context(), []string{"dlq_open", "dlq_retried"}); err != nil || again[0].Err != nil || again[1].Err == nil {
		t.Errorf("its dead letters, of which one is open: %+v, %v", again, err)
	}
}

// TestMigrate_OlderTools: what the older command line does in SQL still works
// after the upgrade, and the engine notices it.
func TestMigrate_OlderTools(t *testing.T) {
	t.Parallel()
	s := older(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.strings1(t, `select cleanup_expired_idempotency_cache()::text`); !slices.Equal(got, []string{"1"}) {
		t.Errorf("expired keys: got %v, want 1", got)
	}
	if _, err := s.pool.Exec(t.Context(), `delete from dlq where failed_at < now() + interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	if st, err := s.QueueStatus(t.Context()); err != nil || st.DeadLetters != 0 {
		t.Errorf("status %+v, %v", st, err)
	}
	if _, err := s.pool.Exec(t.Context(), `update orchestrator_state set mode = 'waiting_for_maintenance', pending_tasks_count = 1 where id = 'singleton'`); err != nil {
		t.Fatal(err)
	}
	mode, err := s.Mode(t.Context())
	if err != nil || mode.Mode != store.ModeWaiting || mode.ChangedAt.IsZero() {
		t.Errorf("mode %+v, %v", mode, err)
	}
	_, err = s.EnqueueTasks(t.Context(), []store.EnqueueTask{{ID: "trun_new", Task: "scan"}})
	if !errors.Is(err, store.ErrMaintenance) {
		t.Errorf("enqueue while somebody else asked for maintenance: %v", err)
	}
}

// older is a database as the older engine left it.
func older(t *testing.T) *Store {
	t.Helper()
	s := open(t).(*Store)
	script, err := os.ReadFile("testdata/older.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), string(script)); err != nil {
		t.Fatal(err)
	}
	return s
}

// A role that may not alter the tables hears what to do, not only an SQLSTATE.
func TestMigrate_NotOwner(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	owner, err := Open(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	contract, err := migrations.ReadFile("migrations/00001_contract.sql")
	if err != nil {
		t.Fatal(err)
	}
	role := "app_" + strings.ReplaceAll(owner.target[strings.LastIndex(owner.target, "/")+1:], "-", "_")
	if _, err := owner.pool.Exec(t.Context(), string(contract)+`; create role `+role+` login;
		grant all on schema public to `+role+`; grant all on all tables in schema public to `+role); err != nil {
		t.Fatal(err)
	}
	app, err := Open(t.Context(), strings.Replace(dsn, "user=postgres", "user="+role, 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	_, err = app.Migrate(t.Context())
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !strings.Contains(err.Error(), "owner") {
		t.Errorf("got %v, want a sentence about the owner", err)
	}
}
