package pipeline_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pipedai/pipeline"
)

func TestNewIDs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]string{
		"prun": string(pipeline.NewRunID(now)),
		"trun": string(pipeline.NewTaskRunID(now)),
		"dlq":  string(pipeline.NewDeadLetterID(now)),
	}
	for prefix, id := range tests {
		if !regexp.MustCompile(`^` + prefix + `_[0-9a-z]{16}$`).MatchString(id) {
			t.Errorf("got %q", id)
		}
	}
}

func TestNewRunID_sortsByTime(t *testing.T) {
	t.Parallel()
	var ids []pipeline.RunID
	for _, at := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(1), time.UnixMilli(35), time.UnixMilli(36),
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 1e6, time.UTC),
		time.Date(2058, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		ids = append(ids, pipeline.NewRunID(at))
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not ascending: %v", ids)
	}
}

func TestRandom(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 16, 100} {
		got := pipeline.Random(n)
		if !regexp.MustCompile(`^[0-9a-z]*$`).MatchString(got) || len(got) != n {
			t.Errorf("Random(%d): got %q", n, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		id := pipeline.Random(16)
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
}

func TestTaskRunID_Wire(t *testing.T) {
	t.Parallel()
	const id = pipeline.TaskRunID("trun_0123456789abcdef")
	for attempt, want := range map[int]string{
		0: string(id), 1: string(id), 2: "trun_0123456789abcdef.2", 17: "trun_0123456789abcdef.17",
	} {
		if got := id.Wire(attempt); got != want {
			t.Errorf("attempt %d: got %q, want %q", attempt, got, want)
		}
	}
}

func TestParseWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire    string
		id      pipeline.TaskRunID
		attempt int
	}{
		{"trun_a", "trun_a", 1},
		{"trun_a.2", "trun_a", 2},
		{"trun_a.10", "trun_a", 10},
		{"", "", 1},
		// What Wire never makes is an id that nobody has, not another attempt.
		{"trun_a.1", "trun_a.1", 1},
		{"trun_a.0", "trun_a.0", 1},
		{"trun_a.-2", "trun_a.-2", 1},
		{"trun_a.x", "trun_a.x", 1},
		{"trun_a.2.3", "trun_a.2.3", 1},
		{"trun_a.", "trun_a.", 1},
		{"trun_a.02", "trun_a.02", 1},
		{"trun_a.+2", "trun_a.+2", 1},
		{"trun_a.99999999999999999999", "trun_a.99999999999999999999", 1},
	}
	for _, tt := range tests {
		id, attempt := pipeline.ParseWire(tt.wire)
		if id != tt.id || attempt != tt.attempt {
			t.Errorf("%q: got %q, %d, want %q, %d", tt.wire, id, attempt, tt.id, tt.attempt)
		}
	}
}

func TestParseWire_undoesWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := pipeline.NewTaskRunID(time.Now())
		attempt := rapid.IntRange(1, 1<<40).Draw(t, "attempt")
		gotID, got := pipeline.ParseWire(id.Wire(attempt))
		if gotID != id || got != attempt {
			t.Fatalf("got %q, %d, want %q, %d", gotID, got, id, attempt)
		}
	})
}

// TestValidID holds what a URL path segment can hold.
func TestValidID(t *testing.T) {
	t.Parallel()
	good := []string{"a", "extract-text", "a.b_c~1", "x:y@z", "A+B"}
	bad := []string{"", ".", "..", "a/b", "a b", "a%20", "ü", "a?b", "a#b", strings.Repeat("x", 256), "a\x00"}
	for _, id := range slices.Concat(good, bad) {
		if got, want := pipeline.ValidID(id), slices.Contains(good, id); got != want {
			t.Errorf("%q: got %v, want %v", id, got, want)
		}
	}
}
