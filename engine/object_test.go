package engine

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/storage/local"
	"pipedai/store"
)

// two are options with two backends, of which the first is the default one.
func two(t *testing.T) Options {
	t.Helper()
	var o Options
	for _, id := range []string{"first", "second"} {
		cfg := storage.Config{ID: id, Provider: "local", Endpoint: "file://", Credentials: storage.Credentials{"basePath": t.TempDir()}}
		bucket, err := local.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bucket.Close() })
		o.Backends = append(o.Backends, Backend{Config: cfg, Bucket: bucket})
	}
	return o
}

// What a run chose holds for its input, its token and the reads of its
// objects, whatever is the default.
func TestBackend_chosenPerRun(t *testing.T) {
	t.Parallel()
	o := two(t)
	o.InlineLimit = -1
	f := newFixture(t, o)
	f.register(map[pipeline.TaskID][]pipeline.TaskID{"a": nil})
	started, err := f.Trigger(t.Context(), Trigger{Pipeline: "a", Backend: "second", Metadata: []byte(`{"team":"x","storageBackendId":"forged"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got := placementOf(started.Run.Metadata); got.Backend != "second" || len(got.InputSHA256) != 64 {
		t.Errorf("the run says %+v of its objects: %s", got, started.Run.Metadata)
	}
	if _, err := o.Backends[1].Bucket.Stat(t.Context(), started.Run.InputPath); err != nil {
		t.Errorf("the input is not in the chosen backend: %v", err)
	}
	found, err := f.Stat(t.Context(), started.Run.InputPath, "")
	if err != nil || found.Backend != "second" {
		t.Errorf("found in %q, %v", found.Backend, err)
	}
	runs, err := f.Claim(t.Context(), Pull{Owner: "w", Services: []pipeline.ServiceID{"svc"}, Max: 1, Seal: "secret"})
	if err != nil || len(runs) != 1 {
		t.Fatalf("claimed %d, %v", len(runs), err)
	}
	cfg, err := storage.Unseal("secret", runs[0].StorageToken)
	if err != nil || cfg.ID != "second" {
		t.Errorf("the token is for %q, %v", cfg.ID, err)
	}
	if runs[0].InputSHA256 != found.SHA256 || len(found.SHA256) != 64 {
		t.Errorf("dispatched with the input hash %q, want %q", runs[0].InputSHA256, found.SHA256)
	}
	_, err = f.Trigger(t.Context(), Trigger{Pipeline: "a", Backend: "third"})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Message, "third") {
		t.Errorf("a backend that is not there: got %v", err)
	}
}

// Row S4: an object that was altered or cut short since is not served.
func TestS4_stored(t *testing.T) {
	t.Parallel()
	o := two(t)
	o.InlineLimit = -1
	f := newFixture(t, o)
	f.register(map[pipeline.TaskID][]pipeline.TaskID{"a": nil})
	for name, alter := range map[string]string{"altered": `{"a":2}`, "truncated": `{"a":`} {
		started, err := f.Trigger(t.Context(), Trigger{Pipeline: "a", Input: []byte(`{"a":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		// A writer that keeps no hash, as an older worker or a restored backup.
		_, err = o.Backends[0].Bucket.Put(t.Context(), started.Run.InputPath, strings.NewReader(alter), -1, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		object, err := f.Stat(t.Context(), started.Run.InputPath, "")
		if err == nil {
			var body io.ReadCloser
			if body, err = object.Open(t.Context()); err == nil {
				got, err = io.ReadAll(body)
				_ = body.Close()
			}
		}
		if !errors.Is(err, storage.ErrAltered) || len(got) > 0 {
			t.Errorf("%s: got %q, %v; want nothing and ErrAltered", name, got, err)
		}
	}
}

// Services get the token format that they said they read.
func TestTokenFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []storage.Format{"", storage.FormatA, storage.FormatB, storage.FormatJWE} {
		want := format
		if want == "" {
			want = storage.FormatA
		}
		if got := tokenFormatOf(store.Service{Metadata: TokenFormat(format)}); got != want {
			t.Errorf("%q: got %q", format, got)
		}
	}
	if got := tokenFormatOf(store.Service{Metadata: []byte(`{"tokenFormat":"Z"}`)}); got != storage.FormatA {
		t.Errorf("an unknown one: got %q", got)
	}
	if bytes.Contains(TokenFormat(storage.FormatA), []byte("A")) {
		t.Error("the default is written down")
	}
}

// A worker stores what it made when its task ends, however long that took: the
// token must still be good then.
func TestToken_outlivesItsTask(t *testing.T) {
	t.Parallel()
	inBubble(t, "three hours", func(t *testing.T) {
		f := newFixture(t, Options{Mode: Serverless})
		f.register(edges{"a": nil}, func(r *store.Register) { r.Tasks[0].Timeout = 3 * time.Hour })
		f.trigger()
		if _, _, err := f.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.fleet.busy.Wait()
		time.Sleep(3 * time.Hour)
		if _, err := storage.Unseal(testSecret.Reveal(), f.fleet.of("a")[0].StorageToken); err != nil {
			t.Error(err)
		}
	})
}
