package sqlite

import (
	"io/fs"
	"testing"

	"github.com/pressly/goose/v3"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/migration"
)

// Work that an earlier version left goes on: what was queued, under lease and
// waiting for its time were tables of their own then.
func TestMigrate_workUnderWay(t *testing.T) {
	t.Parallel()
	s := open(t).(*Store)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	old, err := goose.NewProvider(goose.DialectSQLite3, s.db.Writer, files,
		goose.WithTableName(migration.Table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, stmt := range []string{
		`insert into services (id, base_url, version) values ('svc', 'http://worker.test', '1')`,
		`insert into tasks (id, service_id, allowed_next, code_hash, concurrency) values ('a', 'svc', '["b"]', 'h', 2), ('b', 'svc', '[]', 'h', 0)`,
		`insert into slots (task_id, queue, cap, used) values ('a', 'svc', 2, 1)`,
		`insert into pipelines (id, name, entry_tasks, structure) values ('p', 'p', '["a"]', '{}')`,
		`insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version)
			values ('r', 'p', 'running', '{"a":{"allowedNext":["b"]},"b":{"allowedNext":[]}}', '1')`,
		`insert into run_state (pipeline_run_id, failure_mode, entry_tasks, open) values ('r', 'fail-fast', '["a"]', 1)`,
		`insert into joins (pipeline_run_id, task_id, fired) values ('r', 'b', 1)`,
		`insert into inputs (path, data) values ('in', 'x')`,
		`insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, code_hash, code_version, seq, input_path, scheduled_for) values
			('done', 'b', null, 'failed', 3, 'h', 1, 1, null, null), ('held', 'a', 'r', 'running', 3, 'h', 1, 2, 'in', null),
			('first', 'b', null, 'pending', 3, 'h', 1, 3, null, null), ('second', 'b', null, 'pending', 3, 'h', 1, 4, null, null),
			('due', 'b', null, 'pending', 3, 'h', 1, 5, null, 1000)`,
		`insert into ready (queue, priority, seq, task_run_id, task_id) values ('svc', 100, 4, 'second', 'b'), ('svc', 100, 3, 'first', 'b')`,
		`insert into timer (task_run_id, due) values ('due', 1000)`,
		`insert into lease (task_run_id, attempt, task_id, pipeline_run_id, owner, slot, claimed_at, accepted_at, until, deadline, window_ms, timeout_seconds)
			values ('held', 1, 'a', 'r', 'w', 1, 1, 1, 9000000000000000, 9000000000000000, 1000, 300)`,
		`insert into temp_uploads (id, storage_backend_id, storage_path, expires_at, claimed_by_run_id) values ('u', 'b', 'p', 1, 'held')`,
		`update counters set pending = 3, running = 1, failed = 1`,
	} {
		if _, err := s.db.Writer.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var broken int
	if err := s.db.Reader.QueryRowContext(t.Context(), `select count(*) from pragma_foreign_key_check`).Scan(&broken); err != nil || broken != 0 {
		t.Errorf("%d rows refer to nothing, %v", broken, err)
	}
	var upload string
	if err := s.db.Reader.QueryRowContext(t.Context(), `select claimed_by_run_id from temp_uploads`).Scan(&upload); err != nil || upload != "held" {
		t.Errorf("the upload belongs to %q, %v", upload, err)
	}
	ended, err := s.EndAttempts(t.Context(), []store.EndAttempt{{AttemptRef: store.AttemptRef{ID: "held", Attempt: 1, Owner: "w"}, AllNext: true}})
	if err != nil || ended[0].Err != nil || len(ended[0].Queued) != 1 {
		t.Fatalf("the attempt under way ended as %+v, %v", ended, err)
	}
	if promoted, _, err := s.PromoteDue(t.Context(), 10); err != nil || promoted != 1 {
		t.Errorf("%d were due, %v", promoted, err)
	}
	claimed, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "w", Limit: 10, Accepted: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []pipeline.TaskRunID
	for _, c := range claimed {
		got = append(got, c.TaskRun.ID)
	}
	if len(got) != 4 || got[0] != "first" || got[1] != "second" || got[2] != "due" {
		t.Errorf("claimed %v", got)
	}
	if _, total, err := s.TaskRuns(t.Context(), store.TaskRunFilter{Status: pipeline.TaskFailed}); err != nil || total != 1 {
		t.Errorf("%d failed, %v", total, err)
	}
}
