package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

func (f *fixture) mode(from, to store.Mode) {
	f.t.Helper()
	if _, err := f.Store().SetMode(f.t.Context(), []store.Mode{from}, to, store.ModeReason{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) nothingQueued() {
	f.t.Helper()
	got, err := f.Store().QueueStatus(f.t.Context())
	if err != nil || got.Pending+got.Running+got.Completed != 0 {
		f.t.Errorf("got %+v, %v, want nothing queued", got, err)
	}
}

func TestTrigger_refusals(t *testing.T) {
	t.Parallel()
	var (
		invalid *InvalidError
		broken  *InvalidPipelineError
	)
	f := newFixture(t, Options{InlineLimit: 10})
	f.register(edges{"a": {"b"}, "b": {"not-registered"}, "fine": nil})

	if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "nobody"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown pipeline: got %v", err)
	}
	_, err := f.Trigger(t.Context(), Trigger{Pipeline: "a"})
	if !errors.As(err, &broken) {
		t.Fatalf("invalid pipeline: got %v", err)
	}
	if diff := cmp.Diff([]string{"Task 'b' references non-existent task 'not-registered' in allowedNext"}, broken.Validation.Errors); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(err.Error(), "pipeline validation failed: Task 'b'") {
		t.Errorf("got %q", err)
	}
	for _, bad := range []Trigger{
		{Pipeline: "fine", FailureMode: "sometimes"},
		{Pipeline: "fine", Input: json.RawMessage(`{"half":`)},
	} {
		if _, err := f.Trigger(t.Context(), bad); !errors.As(err, &invalid) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	f.nothingQueued()

	// Maintenance comes before every other reason, and leaves nothing behind.
	f.mode(store.ModeRunning, store.ModeWaiting)
	for _, pipe := range []pipeline.ID{"nobody", "a", "fine"} {
		_, err := f.Trigger(t.Context(), Trigger{Pipeline: pipe, Input: json.RawMessage(`{"larger than":"the limit"}`)})
		if !errors.Is(err, store.ErrMaintenance) {
			t.Errorf("%s in maintenance: got %v", pipe, err)
		}
	}
	if _, err := f.Enqueue(t.Context(), []Enqueue{{Task: "fine", Input: json.RawMessage(`{"larger than":"the limit"}`)}}); !errors.Is(err, store.ErrMaintenance) {
		t.Errorf("enqueue in maintenance: got %v", err)
	}
	left, err := f.bucket.List(t.Context(), "", "", 10)
	if err != nil || len(left) != 0 {
		t.Errorf("storage holds %v, %v", left, err)
	}
	f.nothingQueued()
	if plan, err := f.Plan(t.Context(), "fine", nil); err != nil || !plan.Validation.Valid() || len(plan.Steps) != 1 {
		t.Errorf("a dry run in maintenance: got %+v, %v", plan, err)
	}
}

// A pipeline becomes runnable when the missing service registers, and stops
// being so when a task is gone, whatever was remembered about it.
func TestTrigger_followsRegistrations(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	other := func(r *store.Register) { r.Service.ID = "other" }
	f.register(edges{"a": {"b"}})
	if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "a"}); err == nil {
		t.Error("runs without its second task")
	}
	f.register(edges{"b": nil, "c": nil}, other)
	if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "a"}); err != nil {
		t.Errorf("with both services: %v", err)
	}
	f.register(edges{"c": nil}, other, func(r *store.Register) { r.Service.Version = "2.0.0" })
	if _, err := f.Trigger(t.Context(), Trigger{Pipeline: "a"}); err == nil {
		t.Error("runs though its second task is gone")
	}
}

func TestTrigger_passesEverythingOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.register(edges{"a": nil, "b": nil})
	seven := 7
	later := time.Now().Add(time.Hour)
	got, err := f.Trigger(t.Context(), Trigger{
		Pipeline: "svc", FailureMode: pipeline.Continue, Priority: &seven,
		Metadata: json.RawMessage(`{"by":"me"}`), ScheduledFor: later,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Run.FailureMode != pipeline.Continue || len(got.Entries) != 2 || len(got.Run.EntryTasks) != 2 {
		t.Errorf("got %+v", got)
	}
	for i, entry := range got.Entries {
		if entry.Task != got.Run.EntryTasks[i] || entry.Priority != 7 || entry.Run != got.Run.ID {
			t.Errorf("entry %d: got %+v", i, entry)
		}
	}
	if n, _, err := f.Tick(t.Context()); n != 0 || err != nil {
		t.Errorf("%d runs of the future were taken, %v", n, err)
	}
}

func TestTrigger_scheduled(t *testing.T) {
	t.Parallel()
	inBubble(t, "starts when its time comes", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil})
		began := time.Now()
		run := f.ended(f.trigger(func(t *Trigger) { t.ScheduledFor = began.Add(90 * time.Second) }).ID)
		if took := time.Since(began); run.Status != pipeline.RunCompleted || took < 90*time.Second || took > 91*time.Second {
			t.Errorf("got %s after %s", run.Status, took)
		}
	})
}

func TestEnqueue(t *testing.T) {
	t.Parallel()
	inBubble(t, "runs outside any pipeline", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": {"b"}, "b": nil})
		f.fleet.reply = make(chan reported, 10)
		queued, err := f.Enqueue(t.Context(), []Enqueue{{Task: "a"}, {Task: "a", Input: json.RawMessage("[1]")}})
		if err != nil || len(queued) != 2 {
			t.Fatalf("got %+v, %v", queued, err)
		}
		for range queued {
			if got := <-f.fleet.reply; got.err != nil {
				t.Error(got.err)
			}
		}
		if diff := cmp.Diff([]string{"a", "a"}, f.fleet.tasks()); diff != "" {
			t.Errorf("nothing follows a standalone run: %s", diff)
		}
		for i, d := range f.fleet.of("a") {
			want := storage.StandaloneInputPath(d.RunID)
			if d.PipelineRunID != "" || d.InputPath != want {
				t.Errorf("dispatch %d: got %+v", i, d)
			}
		}
		if got := f.read(queued[1].Run.InputPath); got != "[1]" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("all or none", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{})
		f.register(edges{"a": nil})
		if _, err := f.Enqueue(t.Context(), []Enqueue{{Task: "a"}, {Task: "nobody"}}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		var invalid *InvalidError
		if _, err := f.Enqueue(t.Context(), []Enqueue{{Task: "a"}, {Task: "a", Input: json.RawMessage("nonsense")}}); !errors.As(err, &invalid) {
			t.Errorf("got %v", err)
		}
		f.nothingQueued()
		large := newFixtureOver(t, f.Store(), Options{InlineLimit: -1})
		if _, err := large.Enqueue(t.Context(), []Enqueue{{Task: "a", Input: json.RawMessage("[]")}, {Task: "nobody"}}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if left, err := large.bucket.List(t.Context(), "", "", 10); err != nil || len(left) != 0 {
			t.Errorf("a refused batch left %v, %v in storage", left, err)
		}
		if got, err := f.Enqueue(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("nothing at all: got %v, %v", got, err)
		}
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.register(diamond, func(r *store.Register) {
		for i := range r.Tasks {
			if r.Tasks[i].ID == "b" {
				r.Tasks[i].Concurrency = 2
			}
		}
	})
	plan, err := f.Plan(t.Context(), "svc", nil)
	if err != nil || !plan.Validation.Valid() || len(plan.Steps) != 3 || plan.Steps[2].Type != pipeline.StepEnd || plan.Limits["b"] != 2 {
		t.Errorf("got %+v, %v", plan, err)
	}
	if diff := cmp.Diff([]string{"Task 'b' has concurrency limit of 2"}, plan.Validation.Warnings); diff != "" {
		t.Error(diff)
	}
	if _, err := f.Plan(t.Context(), "nobody", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	f.register(edges{"x": {"missing"}}, func(r *store.Register) { r.Service.ID = "other" })
	plan, err = f.Plan(t.Context(), "x", nil)
	if err != nil || plan.Validation.Valid() || plan.Steps == nil || len(plan.Steps) != 0 {
		t.Errorf("an invalid pipeline: got %+v, %v", plan, err)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{MaxRetryDelay: time.Minute, IdempotencyTTL: 2 * time.Hour})
	register := func(ids ...pipeline.TaskID) error {
		r := store.Register{Service: store.Service{ID: "svc", Version: "1"}}
		for _, id := range ids {
			r.Tasks = append(r.Tasks, store.Task{ID: id, CodeHash: "x", Timeout: time.Minute, HeartbeatInterval: time.Minute, Retry: pipeline.RetryPolicy{Delay: time.Second}})
		}
		_, err := f.Register(t.Context(), r)
		return err
	}
	var invalid *InvalidError
	for _, id := range []pipeline.TaskID{
		"", ".", "..", "a/b", "a b", "a%2Fb", "a?b", "a#b", "ä", "a\n", `a"b`, "a\\b", pipeline.TaskID(strings.Repeat("x", 256)),
	} {
		if err := register("fine", id); !errors.As(err, &invalid) {
			t.Errorf("%q: got %v", id, err)
		}
	}
	if err := register("same", "same"); !errors.As(err, &invalid) {
		t.Errorf("the same id twice: got %v", err)
	}
	if _, err := f.Register(t.Context(), store.Register{}); !errors.As(err, &invalid) {
		t.Errorf("no service id: got %v", err)
	}
	if all, err := f.Store().Tasks(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("refused registrations left %v, %v", all, err)
	}
	if err := register("Resize_v2.1", "a:b@c", "x-~!$&'()*+,;=", pipeline.TaskID(strings.Repeat("x", 255))); err != nil {
		t.Error(err)
	}
	task, err := f.Store().Task(t.Context(), "a:b@c")
	if err != nil || task.Retry.MaxDelay != time.Minute || task.IdempotencyTTL != 2*time.Hour {
		t.Errorf("defaults of the engine: got %+v, %v", task, err)
	}
}

// Task ids are global: whoever takes one from another service is told of, once.
func TestRegister_takesATaskOver(t *testing.T) {
	t.Parallel()
	var told bytes.Buffer
	f := newFixture(t, Options{Log: slog.New(slog.NewTextHandler(&told, nil))})
	as := func(id pipeline.ServiceID) func(*store.Register) {
		return func(r *store.Register) { r.Service.ID = id }
	}
	f.register(edges{"a": nil}, as("one"))
	f.register(edges{"a": nil}, as("two"))
	f.register(edges{"a": nil}, as("two"))
	if n := strings.Count(told.String(), "task=a service=two from=one"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &told)
	}
}

func TestNew_options(t *testing.T) {
	t.Parallel()
	fine := Options{Secret: testSecret, Backends: []Backend{{Config: storage.Config{ID: "a", Provider: "local", Credentials: storage.Credentials{"basePath": "relative"}}}}}
	tests := []struct {
		name string
		edit func(*Options)
		want string
	}{
		{"no secret", func(o *Options) { o.Secret = "" }, "secret is empty"},
		{"no backend", func(o *Options) { o.Backends = nil }, "at least one storage backend must be configured"},
		{"same backend twice", func(o *Options) { o.Backends = append(o.Backends, o.Backends[0]) }, "duplicate storage backend ID: a"},
		{"unknown default", func(o *Options) { o.DefaultBackend = "b" }, "default storage backend 'b' not found"},
		{"unknown mode", func(o *Options) { o.Mode = "turbo" }, `mode is "turbo"`},
		{"negative concurrency", func(o *Options) { o.MaxConcurrency = -1 }, "max concurrency is negative"},
	}
	for _, tt := range tests {
		o := fine
		tt.edit(&o)
		if _, err := New(nopStore{}, nil, o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	e, err := New(nopStore{}, nil, fine)
	if err != nil {
		t.Fatal(err)
	}
	// The worker has another working folder.
	if base := e.backend.Config.Credentials["basePath"]; !strings.HasPrefix(base, "/") || !strings.HasSuffix(base, "/relative") {
		t.Errorf("the token would name %q", base)
	}
	if fine.Backends[0].Config.Credentials["basePath"] != "relative" {
		t.Error("the caller's options were changed")
	}
}

// nopStore is a store for an engine that is not used.
type nopStore struct{ store.Store }
