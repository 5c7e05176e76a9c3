package postgres

import (
	"testing"
	"time"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// Slots change hands in the step that frees them, and no claim is needed; what
// waits for no slot is left to one. That nothing is lost or exceeded is for the
// cases that both stores share.
func TestEndAndClaim_slotsOnly(t *testing.T) {
	t.Parallel()
	s := openAt(t, testkit.PostgresLike(t, "migrated", migrate)).(*Store)
	if _, err := s.Register(t.Context(), store.Register{Service: store.Service{ID: "svc", BaseURL: "http://worker.test"}, Tasks: []store.Task{
		{ID: "limited", CodeHash: "h", Timeout: time.Minute, HeartbeatInterval: time.Minute, Concurrency: 2},
		{ID: "free", CodeHash: "h", Timeout: time.Minute, HeartbeatInterval: time.Minute},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, task := range []pipeline.TaskID{"limited", "free"} {
		if _, err := s.EnqueueTasks(t.Context(), batch(task, 5)); err != nil {
			t.Fatal(err)
		}
	}
	p := store.ClaimTasks{Owner: "w", Limit: 10, AcceptWithin: time.Minute}
	running, err := s.ClaimTasks(t.Context(), p)
	if err != nil || len(running) != 7 {
		t.Fatalf("claimed %d and %v, want 2 limited ones and 5 others", len(running), err)
	}
	if _, err := s.EnqueueTasks(t.Context(), batch("free", 5)); err != nil {
		t.Fatal(err)
	}
	ends := make([]store.EndAttempt, len(running))
	for i, c := range running {
		ends[i] = store.EndAttempt{AttemptRef: store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt}, AllNext: true}
	}
	p.SlotsOnly = true
	_, next, err := s.EndAndClaim(t.Context(), ends, p)
	if err != nil || len(next) != 2 || next[0].Task.ID != "limited" || next[1].Task.ID != "limited" {
		t.Fatalf("took over: %+v and %v, want two limited ones", next, err)
	}
	var used, freed int
	if err := s.pool.QueryRow(t.Context(), `select (select used from slots), (select count(*) from freed)`).Scan(&used, &freed); err != nil {
		t.Fatal(err)
	}
	if used != 2 || freed != 0 {
		t.Errorf("%d slots are counted and %d rows give some back, want 2 and none", used, freed)
	}
}
