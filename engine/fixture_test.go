package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/storage/local"
	"pipedai/store"
	"pipedai/store/sqlite"
)

const testSecret = secret.Text("0123456789abcdef0123456789abcdef")

// outcome is what a task of the fleet comes to. The zero value is success with
// every successor.
type outcome struct {
	next   []pipeline.TaskID // nil: all
	fail   *store.Failure
	silent bool // never heard of again
}

// fleet is every worker there is, in this process. Tasks succeed unless told
// otherwise.
type fleet struct {
	engine *Engine // whom they report to

	mu     sync.Mutex
	refuse func(ctx context.Context, d api.Dispatch) error // nil: accepted
	work   map[string]func(d api.Dispatch) outcome
	taken  []api.Dispatch // accepted ones, in order
	reply  chan reported  // every answered report, when set
	busy   sync.WaitGroup
}

type reported struct {
	wire string
	err  error
}

// Dispatch accepts a run and works on it in the background.
func (f *fleet) Dispatch(ctx context.Context, baseURL string, d api.Dispatch) error {
	f.mu.Lock()
	refuse := f.refuse
	f.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, d); err != nil {
			return err
		}
	}
	f.accept(d)
	return nil
}

func (f *fleet) accept(d api.Dispatch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, d)
	work := f.work[d.TaskID]
	f.busy.Go(func() {
		var o outcome
		if work != nil {
			o = work(d)
		}
		if o.silent {
			return
		}
		_, err := f.engine.Report(context.Background(), endOf(d, o))
		if f.reply != nil {
			f.reply <- reported{d.RunID, err}
		}
	})
}

// endOf is the report of a worker for an outcome.
func endOf(d api.Dispatch, o outcome) store.EndAttempt {
	id, attempt := pipeline.ParseWire(d.RunID)
	end := store.EndAttempt{AttemptRef: store.AttemptRef{ID: id, Attempt: attempt}, Failure: o.fail}
	if o.fail == nil {
		end.OutputPath = storage.OutputPath(d.PipelineRunID, d.RunID)
		end.AllNext = o.next == nil
		end.SelectedNext = o.next
	}
	return end
}

// tasks returns the tasks taken so far, ascending, once for each attempt.
func (f *fleet) tasks() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, d := range f.taken {
		out = append(out, d.TaskID)
	}
	slices.Sort(out)
	return out
}

// of returns the dispatches of one task so far.
func (f *fleet) of(task string) []api.Dispatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []api.Dispatch
	for _, d := range f.taken {
		if d.TaskID == task {
			out = append(out, d)
		}
	}
	return out
}

// fixture is an engine over a real database and real storage.
type fixture struct {
	*Engine
	t      testing.TB
	fleet  *fleet
	bucket storage.Bucket
	stop   func() // of Run; waits
}

// newFixture makes an engine that does not run yet, over an empty database.
func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "engine.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return newFixtureOver(t, db, o)
}

// newFixtureOver makes an engine over a store.
func newFixtureOver(t testing.TB, st store.Store, o Options) *fixture {
	t.Helper()
	cfg := storage.Config{ID: "local", Provider: "local", Credentials: storage.Credentials{"basePath": t.TempDir()}}
	bucket, err := local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	if o.PollInterval == 0 {
		o.PollInterval = time.Hour // whatever happens, happens by a wake-up
	}
	o.Secret = testSecret
	if o.Backends == nil {
		o.Backends = []Backend{{Config: cfg, Bucket: bucket}}
	}
	f := &fixture{t: t, fleet: &fleet{work: map[string]func(api.Dispatch) outcome{}}, bucket: bucket, stop: func() {}}
	f.Engine, err = New(st, f.fleet, o)
	if err != nil {
		t.Fatal(err)
	}
	f.fleet.engine = f.Engine
	return f
}

// run starts the loops; they end with the test, or with f.stop.
func (f *fixture) run() *fixture {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("run: %v", err)
		}
		f.fleet.busy.Wait()
	})
	f.t.Cleanup(f.stop)
	return f
}

// register registers service "svc" with the tasks of a graph ("a>b,c b>d").
// edit may change each task.
func (f *fixture) register(graph map[pipeline.TaskID][]pipeline.TaskID, edit ...func(*store.Register)) {
	f.t.Helper()
	r := store.Register{Service: store.Service{ID: "svc", Version: "1.0.0", BaseURL: "http://worker.test"}}
	for id, next := range graph {
		r.Tasks = append(r.Tasks, store.Task{
			ID: id, CodeHash: "hash-" + string(id), AllowedNext: next,
			Timeout: 10 * time.Minute, HeartbeatInterval: 10 * time.Second, Priority: 100,
			Retry: pipeline.RetryPolicy{Retries: 2, Backoff: pipeline.BackoffExponential, Delay: time.Second},
		})
	}
	slices.SortFunc(r.Tasks, func(a, b store.Task) int { return len(a.ID) - len(b.ID) })
	for _, e := range edit {
		e(&r)
	}
	if _, err := f.Register(f.t.Context(), r); err != nil {
		f.t.Fatal(err)
	}
}

type edges = map[pipeline.TaskID][]pipeline.TaskID

// diamond is a, then b and c, then d.
var diamond = edges{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": nil}

// trigger starts a run of pipeline "svc".
func (f *fixture) trigger(edit ...func(*Trigger)) store.PipelineRun {
	f.t.Helper()
	t := Trigger{Pipeline: "svc", Input: json.RawMessage(`{"n":1}`)}
	for _, e := range edit {
		e(&t)
	}
	started, err := f.Trigger(f.t.Context(), t)
	if err != nil {
		f.t.Fatal(err)
	}
	return started.Run
}

// ended waits until a run has ended and returns it.
func (f *fixture) ended(id pipeline.RunID) store.PipelineRun {
	f.t.Helper()
	_, events, cancel := f.Changes().Subscribe(0)
	defer cancel()
	// Far beyond every retry delay in a bubble, and not reached outside one.
	limit := time.NewTimer(time.Hour)
	defer limit.Stop()
	for {
		run, err := f.Store().PipelineRun(f.t.Context(), id)
		if err != nil {
			f.t.Fatal(err)
		}
		if run.Status.Terminal() {
			return run
		}
		select {
		case <-events:
		case <-limit.C:
			f.t.Fatalf("run %s is %s after an hour; taken: %v", id, run.Status, f.fleet.tasks())
		}
	}
}

// tellEndings sends every run whose end this engine sees to the channel, as
// any reader of the feed would: coming back when it fell behind.
func (f *fixture) tellEndings(to chan<- pipeline.RunID) {
	f.t.Helper()
	backlog, events, cancel := f.Changes().Subscribe(0)
	since := backlog[0].Seq
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				cancel()
				return
			case event, open := <-events:
				missed := []api.StreamEvent{event}
				if !open {
					cancel()
					missed, events, cancel = f.Changes().Subscribe(since)
				}
				for _, event := range missed {
					since = event.Seq
					if event.Type == "resync" {
						f.t.Error("the feed holds too little")
					}
					if event.TaskRunID == "" && pipeline.RunStatus(event.Status).Terminal() {
						to <- pipeline.RunID(event.RunID)
					}
				}
			}
		}
	})
	f.t.Cleanup(func() { stop(); wg.Wait() })
}

// taskRun finds the task run of a task in a run; nil when there is none.
func (f *fixture) taskRun(run pipeline.RunID, task pipeline.TaskID) *store.TaskRun {
	f.t.Helper()
	all, err := f.Store().TasksOfRun(f.t.Context(), run)
	if err != nil {
		f.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(t store.TaskRun) bool { return t.Task == task })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// statuses maps the tasks of a run to what became of them.
func (f *fixture) statuses(run pipeline.RunID) map[pipeline.TaskID]pipeline.TaskStatus {
	f.t.Helper()
	all, err := f.Store().TasksOfRun(f.t.Context(), run)
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[pipeline.TaskID]pipeline.TaskStatus{}
	for _, t := range all {
		if _, twice := out[t.Task]; twice {
			f.t.Errorf("task %s has two task runs", t.Task)
		}
		out[t.Task] = t.Status
	}
	return out
}

// always makes a task come to the same outcome each time.
func always(o outcome) func(api.Dispatch) outcome { return func(api.Dispatch) outcome { return o } }

// failing fails a task until the given attempt.
func failing(until int, f store.Failure) func(api.Dispatch) outcome {
	return func(d api.Dispatch) outcome {
		if d.Attempt < until {
			f := f
			f.Error = fmt.Sprintf("%s %d", f.Error, d.Attempt)
			return outcome{fail: &f}
		}
		return outcome{}
	}
}
