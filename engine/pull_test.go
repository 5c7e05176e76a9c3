package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

const workerToken = secret.Text("wkt_abcdefghijklmnopqrstuvwxyz0123456789")

func pulled(r *store.Register) { r.Service.BaseURL = "" }

func pull(wait time.Duration) Pull {
	return Pull{Owner: "wrk_1", Services: []pipeline.ServiceID{"svc"}, Max: 10, Wait: wait, Seal: workerToken}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	type answer struct {
		runs []api.Dispatch
		err  error
		took time.Duration
	}
	// claim starts a long poll; the answer comes on the channel.
	claim := func(ctx context.Context, f *fixture, p Pull) <-chan answer {
		out := make(chan answer, 1)
		began := time.Now()
		go func() {
			runs, err := f.Claim(ctx, p)
			out <- answer{runs, err, time.Since(began)}
		}()
		synctest.Wait() // it waits
		return out
	}
	inBubble(t, "a trigger wakes the long poll", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(diamond, pulled)
		polling := claim(t.Context(), f, pull(time.Minute))
		run := f.trigger()
		got := <-polling
		if got.err != nil || len(got.runs) != 1 || got.took != 0 {
			t.Fatalf("got %+v", got)
		}
		d := got.runs[0]
		if cfg, err := storage.Unseal(workerToken.Reveal(), d.StorageToken); err != nil || cfg.Provider != "local" {
			t.Errorf("the token does not open with the worker's own: %v", err)
		}
		if _, err := storage.Unseal(testSecret.Reveal(), d.StorageToken); err == nil {
			t.Error("the token opens with the shared secret")
		}
		// A completion wakes it just so, for both successors and then the join.
		for _, want := range []int{2, 1} {
			polling = claim(t.Context(), f, pull(time.Minute))
			for _, d := range got.runs {
				if _, err := f.Report(t.Context(), endOf(d, outcome{})); err != nil {
					t.Fatal(err)
				}
			}
			if got = <-polling; got.err != nil || got.took != 0 || len(got.runs) == 0 {
				t.Fatalf("got %+v", got)
			}
			if len(got.runs) < want { // the poll was quicker than the second insert
				rest, err := f.Claim(t.Context(), pull(0))
				if err != nil {
					t.Fatal(err)
				}
				got.runs = append(got.runs, rest...)
			}
			if len(got.runs) != want {
				t.Fatalf("got %d runs, want %d", len(got.runs), want)
			}
		}
		if _, err := f.Report(t.Context(), endOf(got.runs[0], outcome{})); err != nil {
			t.Fatal(err)
		}
		if got := f.ended(run.ID); got.Status != pipeline.RunCompleted {
			t.Errorf("got %s", got.Status)
		}
	})
	inBubble(t, "a retry wakes the long poll when it is due", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		f.trigger()
		runs, err := f.Claim(t.Context(), pull(0))
		if err != nil || len(runs) != 1 {
			t.Fatalf("got %d, %v", len(runs), err)
		}
		polling := claim(t.Context(), f, pull(time.Minute))
		if _, err := f.Report(t.Context(), endOf(runs[0], outcome{fail: &store.Failure{Error: "try"}})); err != nil {
			t.Fatal(err)
		}
		got := <-polling
		if got.err != nil || len(got.runs) != 1 || got.runs[0].Attempt != 2 || got.took < time.Second || got.took > 1100*time.Millisecond {
			t.Errorf("got %+v", got)
		}
	})
	inBubble(t, "answers with nothing when the wait is over", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		for _, wait := range []time.Duration{0, 20 * time.Second} {
			got := <-claim(t.Context(), f, pull(wait))
			if got.err != nil || got.runs == nil || len(got.runs) != 0 || got.took != wait {
				t.Errorf("got %+v, want an empty list after %s", got, wait)
			}
		}
	})
	inBubble(t, "a worker that asks is a service heard of", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		time.Sleep(time.Hour)
		if _, err := f.Claim(t.Context(), pull(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * liveEvery) // stored together with whatever else is heard
		service, err := f.Store().Service(t.Context(), "svc")
		if err != nil || time.Since(service.LastHeartbeat) > time.Minute {
			t.Errorf("last heard of %s ago, %v", time.Since(service.LastHeartbeat), err)
		}
	})
	inBubble(t, "only its own services", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		other := pull(10 * time.Second)
		other.Services = []pipeline.ServiceID{"other"}
		polling := claim(t.Context(), f, other)
		f.trigger()
		if got := <-polling; len(got.runs) != 0 {
			t.Errorf("got %+v", got.runs)
		}
	})
	inBubble(t, "a service that is pulled is not pushed to", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		f.trigger()
		synctest.Wait()
		if got := f.fleet.tasks(); len(got) != 0 {
			t.Errorf("pushed %v", got)
		}
	})
	inBubble(t, "the end of the engine answers", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		polling := claim(t.Context(), f, pull(time.Minute))
		f.stop()
		if got := <-polling; got.err != nil || len(got.runs) != 0 || got.took != 0 {
			t.Errorf("got %+v", got)
		}
		f.trigger()
		if runs, err := f.Claim(t.Context(), pull(time.Minute)); err != nil || len(runs) != 0 {
			t.Errorf("a stopped engine hands out %d, %v", len(runs), err)
		}
	})
	inBubble(t, "a worker that left gets nothing", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, pulled)
		ctx, leave := context.WithCancel(t.Context())
		polling := claim(ctx, f, pull(time.Minute))
		leave()
		if got := <-polling; !errors.Is(got.err, context.Canceled) {
			t.Errorf("got %+v", got)
		}
		run := f.trigger()
		if task := f.taskRun(run.ID, "a"); task.Status != pipeline.TaskPending {
			t.Errorf("got %s", task.Status)
		}
	})
	inBubble(t, "a run claimed for a worker that is gone is given back", func(t *testing.T) {
		base := newFixture(t, Options{})
		ctx, leave := context.WithCancel(t.Context())
		f := newFixtureOver(t, &leaving{Store: base.Store(), leave: leave}, Options{})
		f.register(edges{"a": nil}, pulled)
		run := f.trigger()
		if runs, err := f.Claim(ctx, pull(0)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %d, %v", len(runs), err)
		}
		if task := f.taskRun(run.ID, "a"); task.Status != pipeline.TaskPending || task.Attempt != 1 {
			t.Errorf("got %s on attempt %d", task.Status, task.Attempt)
		}
		if runs, err := f.Claim(t.Context(), pull(0)); err != nil || len(runs) != 1 {
			t.Errorf("the next worker gets %d, %v", len(runs), err)
		}
	})
	t.Run("refuses nonsense", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{})
		for _, edit := range []func(*Pull){
			func(p *Pull) { p.Services = nil }, func(p *Pull) { p.Max = 0 }, func(p *Pull) { p.Seal = "" },
		} {
			p := pull(0)
			edit(&p)
			var invalid *InvalidError
			if _, err := f.Claim(t.Context(), p); !errors.As(err, &invalid) {
				t.Errorf("%+v: got %v", p, err)
			}
		}
	})
}

// leaving is a store during whose claim the worker goes away.
type leaving struct {
	store.Store
	leave context.CancelFunc
}

func (l *leaving) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	claimed, err := l.Store.ClaimTasks(ctx, p)
	l.leave()
	return claimed, err
}

// read opens an input through the engine.
func (f *fixture) read(path string) string {
	f.t.Helper()
	object, err := f.Stat(f.t.Context(), path, "")
	if err != nil {
		f.t.Fatal(err)
	}
	r, err := object.Open(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	if err != nil || object.Size != int64(len(data)) {
		f.t.Fatalf("%d bytes of %d, %v", len(data), object.Size, err)
	}
	return string(data)
}

// stored reports whether storage holds the object.
func (f *fixture) stored(path string) bool {
	f.t.Helper()
	r, _, err := f.bucket.Get(f.t.Context(), path)
	if errors.Is(err, storage.ErrNotFound) {
		return false
	}
	if err != nil {
		f.t.Fatal(err)
	}
	_ = r.Close()
	return true
}

func TestInput(t *testing.T) {
	t.Parallel()
	const exact = `{"big":12345678901234567890.10, "b" : [1.0]}` // not to be re-encoded
	input := func(text string) func(*Trigger) {
		return func(t *Trigger) { t.Input = json.RawMessage(text) }
	}
	t.Run("small: in the row until a worker needs it", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{})
		f.register(edges{"a": {"b"}, "b": nil})
		run := f.trigger(input(exact))
		if f.stored(run.InputPath) {
			t.Error("written to storage before anybody needs it")
		}
		if got := f.read(run.InputPath); got != exact {
			t.Errorf("got %s", got)
		}
		f.run()
		f.ended(run.ID)
		if !f.stored(run.InputPath) {
			t.Error("not in storage for the worker")
		}
		if got := f.read(run.InputPath); got != exact {
			t.Errorf("got %s", got)
		}
	})
	t.Run("small: inside the dispatch where the worker takes it", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": nil}, func(r *store.Register) { r.Service.InlineInput = true })
		run := f.ended(f.trigger(input(exact)).ID)
		if got := string(f.fleet.of("a")[0].Input); got != exact {
			t.Errorf("got %s", got)
		}
		if f.stored(run.InputPath) {
			t.Error("written to storage for nobody")
		}
		if got := f.read(run.InputPath); got != exact {
			t.Errorf("got %s", got)
		}
	})
	t.Run("large: in storage before the run is visible", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{InlineLimit: 10})
		f.register(edges{"a": nil}, func(r *store.Register) { r.Service.InlineInput = true })
		run := f.trigger(input(exact))
		if !f.stored(run.InputPath) || f.read(run.InputPath) != exact {
			t.Error("not in storage")
		}
		f.run()
		f.ended(run.ID)
		if d := f.fleet.of("a")[0]; d.Input != nil || d.InputPath != run.InputPath {
			t.Errorf("got %s", d.Input)
		}
	})
	t.Run("none is an empty object", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{})
		f.register(edges{"a": nil})
		if got := f.read(f.trigger(input("")).InputPath); got != "{}" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("storage that cannot be written costs an attempt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.backends["local"] = Backend{Config: f.backend.Config, Bucket: brokenBucket{f.bucket}}
			f.register(edges{"a": nil})
			f.run()
			run := f.ended(f.trigger().ID)
			task := f.taskRun(run.ID, "a")
			if task.Status != pipeline.TaskFailed || task.ErrorCode != api.CodeDispatchFailed || !strings.Contains(task.Error, "no space left") {
				t.Errorf("got %s: %s %s", task.Status, task.ErrorCode, task.Error)
			}
		})
	})
	t.Run("what is not there", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, Options{})
		for path, want := range map[string]error{
			"runs/none/output.json":   storage.ErrNotFound,
			"pipelines/no/input.json": storage.ErrNotFound,
			"../engine.db":            storage.ErrBadPath,
		} {
			if _, err := f.Stat(t.Context(), path, ""); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", path, err, want)
			}
		}
		if _, err := f.Stat(t.Context(), "a/b.json", "elsewhere"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown backend: got %v", err)
		}
	})
}

type brokenBucket struct{ storage.Bucket }

func (brokenBucket) Put(context.Context, string, io.Reader, int64, string) (storage.Object, error) {
	return storage.Object{}, errors.New("no space left on device")
}
