// Package workertest runs one handler inside a test: no server, no storage,
// assets in memory. What the handler logs goes to the test's log.
package workertest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/worker"
)

// Run does one task and returns what it left behind. The test fails at once
// when the handler does.
func Run(t testing.TB, s *worker.Set, task string, l worker.Local) *worker.Result {
	t.Helper()
	result, err := Try(t, s, task, l)
	if err != nil {
		t.Fatalf("task %s: %v", task, err)
	}
	return result
}

// Try is Run for handlers that may fail. The result holds what was there until
// then.
func Try(t testing.TB, s *worker.Set, task string, l worker.Local) (*worker.Result, error) {
	t.Helper()
	if l.Dir == "" {
		l.Dir = t.TempDir()
	}
	if l.Log == nil {
		l.Log = testLog{t}
	}
	return s.RunLocal(t.Context(), task, l)
}

// Output does one task and returns its output decoded.
func Output[Out any](t testing.TB, s *worker.Set, task string, l worker.Local) Out {
	t.Helper()
	var out Out
	if err := Run(t, s, task, l).Decode(&out); err != nil {
		t.Fatalf("task %s: %v", task, err)
	}
	return out
}

// Equal compares the output of a result with what is wanted.
func Equal[Out any](t testing.TB, result *worker.Result, want Out) {
	t.Helper()
	var got Out
	if err := result.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// testLog writes lines to a test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
