package flow

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

func TestAnnounce(t *testing.T) {
	t.Parallel()
	old := Task{Task: store.Task{ID: "a", Service: "svc", CodeHash: "one", CodeVersion: 3}}
	for _, tt := range []struct {
		name                string
		hash                string
		limit               int
		service             pipeline.ServiceID
		known               bool
		version             int
		record, moved, diff bool
	}{
		{"new", "one", 0, "svc", false, 1, true, false, false},
		{"new with a limit", "one", 2, "svc", false, 1, true, true, false},
		{"the same", "one", 0, "svc", true, 3, false, false, false},
		{"other code", "two", 0, "svc", true, 4, true, false, true},
		{"a limit", "one", 2, "svc", true, 3, false, true, false},
		{"another service", "one", 0, "other", true, 3, false, true, false},
	} {
		got := Announce(store.Task{ID: "a", CodeHash: tt.hash, Concurrency: tt.limit}, tt.service, old, tt.known)
		if got.CodeVersion != tt.version || got.Version != tt.record || got.Moved != tt.moved || (got.Change != nil) != tt.diff ||
			got.Service != tt.service || got.New == tt.known {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestRemoved(t *testing.T) {
	t.Parallel()
	stored := []store.Task{{ID: "a"}, {ID: "b"}, {ID: "c", Removed: true}}
	if got := Removed("1", "1", stored, nil); got != nil {
		t.Errorf("the same version removed %v", got)
	}
	if diff := cmp.Diff([]pipeline.TaskID{"b"}, Removed("1", "2", stored, []store.Task{{ID: "a"}})); diff != "" {
		t.Error(diff)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	services := []store.Service{{ID: "one", Version: "1"}, {ID: "two", Version: "1"}, {ID: "idle"}}
	tasks := []store.Task{
		{ID: "a", Service: "one", AllowedNext: []pipeline.TaskID{"b"}}, {ID: "b", Service: "two"}, {ID: "two", Service: "two"},
		{ID: "gone", Service: "one", Removed: true},
	}
	derived := Derive(services, tasks)
	var got []string
	for _, p := range derived {
		got = append(got, fmt.Sprintf("%s %s %v of %d", p.ID, p.Source, p.EntryTasks, len(p.Structure)))
	}
	// A task named like a service makes no pipeline of its own.
	if diff := cmp.Diff([]string{"one service [a] of 2", "two service [two] of 1", "a task [a] of 2"}, got); diff != "" {
		t.Fatalf("derived (-want +got):\n%s", diff)
	}
	stored := []store.Pipeline{
		derived[0],
		Explicit(store.Pipeline{ID: "two"}),
		{ID: "old", Source: SourceTask},
		Explicit(store.Pipeline{ID: "mine"}),
		Explicit(store.Pipeline{ID: "grown", Name: "Grown", EntryTasks: []pipeline.TaskID{"a"}, Structure: pipeline.Structure{"a": {}}}),
		{ID: "dropped", Source: SourceRemoved},
	}
	put, gone := Renew(stored, services, tasks)
	if len(put) != 2 || put[0].ID != "a" || put[1].ID != "grown" || put[1].Name != "Grown" || len(put[1].Structure) != 2 {
		t.Errorf("put %+v", put)
	}
	if diff := cmp.Diff([]pipeline.ID{"old", "dropped"}, gone); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int64{
		-time.Second: 0, 0: 0, time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, math.MaxInt64: math.MaxInt32,
	} {
		if got := Seconds(d); got != want {
			t.Errorf("%s: %d, want %d", d, got, want)
		}
	}
}
