package postgres

import (
	"fmt"
	"testing"
	"time"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// A store remembers results of tasks, and forgets them when another one makes
// them void.
func TestOutputs_voidElsewhere(t *testing.T) {
	t.Parallel()
	dsn := testkit.PostgresLike(t, "migrated", migrate)
	s, other := openAt(t, dsn).(*Store), openAt(t, dsn).(*Store)
	def := func(id pipeline.TaskID, next ...pipeline.TaskID) store.Task {
		return store.Task{ID: id, CodeHash: "h", AllowedNext: next, Timeout: time.Minute, HeartbeatInterval: time.Minute}
	}
	if _, err := s.Register(t.Context(), store.Register{Service: store.Service{ID: "svc", BaseURL: "http://worker.test"}, Tasks: []store.Task{
		def("a", "x", "y"), def("x", "d"), def("y", "d"), def("d", "e"), def("e", "f"), def("f"),
	}}); err != nil {
		t.Fatal(err)
	}
	run := pipeline.NewRunID(time.Now())
	if _, err := s.StartRuns(t.Context(), []store.StartRun{{
		ID: run, Pipeline: "svc", FailureMode: pipeline.PartialMerge, Input: store.Input{Path: "in", Data: []byte(`{}`)},
	}}); err != nil {
		t.Fatal(err)
	}
	// lap works off what there is and returns what f was given of d.
	lap := func(n int, failing ...pipeline.TaskID) (given string) {
		t.Helper()
		for {
			claimed, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "w", Limit: 1, AcceptWithin: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if len(claimed) == 0 {
				return given
			}
			c := claimed[0].TaskRun
			end := store.EndAttempt{AttemptRef: store.AttemptRef{ID: c.ID, Attempt: c.Attempt}, AllNext: true, OutputPath: fmt.Sprint(c.Task, n)}
			for _, task := range failing {
				if c.Task == task {
					end.Failure = &store.Failure{Error: "x", Final: true}
				}
			}
			for _, up := range c.UpstreamRefs {
				if c.Task == "f" && up.Task == "d" {
					given = up.OutputPath
				}
			}
			if ended, err := s.EndAttempts(t.Context(), []store.EndAttempt{end}); err != nil || ended[0].Err != nil {
				t.Fatal(err, ended)
			}
		}
	}
	if given := lap(1, "x", "f"); given != "d1" {
		t.Fatalf("at first f was given %q", given)
	}
	if known, ok := s.outputs.get(runTask{run, "d"}); !ok || known.OutputPath != "d1" {
		t.Fatal("the result of d is not remembered: the test proves nothing")
	}
	if _, err := other.ReplayRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if given := lap(2); given != "d2" {
		t.Errorf("after the replay f was given %q", given)
	}
}
