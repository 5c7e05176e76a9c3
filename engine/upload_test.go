package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/storage/local"
	"pipedai/store"
)

func (f *fixture) upload(name, content string) store.Upload {
	f.t.Helper()
	u, err := f.Upload(f.t.Context(), NewUpload{Filename: name, MimeType: "text/plain", By: "me", Body: strings.NewReader(content)})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// Every task of a run that names an upload is told where it is; a worker that
// knows no uploads finds it as an asset.
func TestUpload_dispatch(t *testing.T) {
	t.Parallel()
	for _, knows := range []bool{true, false} {
		f := newFixture(t, Options{InlineLimit: 64}).run()
		f.register(edges{"a": {"b"}, "b": nil}, func(r *store.Register) { r.Service.InlineInput = knows })
		u := f.upload("note.txt", "hello")
		for _, pad := range []string{"", strings.Repeat("x", 100)} { // in the row, and in storage
			input := json.RawMessage(fmt.Sprintf(`{"file":%q,"pad":%q}`, u.ID, pad))
			run := f.trigger(func(tr *Trigger) { tr.Input = input })
			f.ended(run.ID)
			for _, task := range []string{"a", "b"} {
				all := f.fleet.of(task)
				d := all[len(all)-1]
				want := map[string]api.TempUpload{u.ID: {Path: u.Path, Size: 5, MimeType: "text/plain", Filename: "note.txt"}}
				if diff := cmp.Diff(want, d.TempUploads); diff != "" {
					t.Errorf("task %s (-want +got):\n%s", task, diff)
				}
				var refs map[string]api.UpstreamRef
				if err := json.Unmarshal(d.UpstreamRefs, &refs); err != nil {
					t.Fatal(err)
				}
				ref, there := refs["tempUploads"]
				if there == knows {
					t.Errorf("task %s of a worker that knows uploads (%t) has upstream %s", task, knows, d.UpstreamRefs)
				}
				if there {
					body, _, err := f.bucket.Get(t.Context(), ref.OutputPath)
					if err != nil {
						t.Fatal(err)
					}
					about, _ := io.ReadAll(body)
					_ = body.Close()
					if !strings.Contains(string(about), `"filename":"note.txt"`) || ref.Assets[u.ID].Path != u.Path || ref.Assets[u.ID].Type != "binary" {
						t.Errorf("ref %+v, about %s", ref, about)
					}
				}
			}
		}
		if got, err := f.Store().Upload(t.Context(), u.ID); err != nil || got.ClaimedBy == "" {
			t.Errorf("upload %+v, %v", got, err)
		}
		f.stop()
	}
}

// stuckBucket cannot delete some objects.
type stuckBucket struct {
	storage.Bucket
	broken string
}

func (b *stuckBucket) Delete(ctx context.Context, path string) error {
	if path == b.broken {
		return errors.New("the disk is on fire")
	}
	return b.Bucket.Delete(ctx, path)
}

// Expired uploads go, whatever happens to one of them; claimed ones stay, and
// so does an object whose upload was never finished only until it expires.
func TestExpireUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.register(edges{"a": nil})
	first, second, kept := f.upload("1", "x"), f.upload("2", "x"), f.upload("3", "x")
	if _, err := f.Enqueue(t.Context(), []Enqueue{{Task: "a", Input: json.RawMessage(`["` + kept.ID + `"]`)}}); err != nil {
		t.Fatal(err)
	}
	died := store.Upload{ID: "tmp_died", Backend: "local", Path: "temp-uploads/tmp_died/x", ExpiresAt: time.Now().Add(-time.Second)}
	if err := f.Store().StartUpload(t.Context(), died); err != nil {
		t.Fatal(err)
	}
	if _, err := f.bucket.Put(t.Context(), died.Path, strings.NewReader("x"), 1, ""); err != nil {
		t.Fatal(err)
	}
	for _, u := range []store.Upload{first, second} {
		if _, err := f.Store().ExpireUpload(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	broken := &stuckBucket{Bucket: f.bucket, broken: first.Path}
	b := f.backends["local"]
	b.Bucket = broken
	f.backends["local"] = b
	for _, want := range []int{2, 0} {
		if removed, _, err := f.expireUploads(t.Context()); err != nil || removed != want {
			t.Errorf("removed %d, %v; want %d", removed, err, want)
		}
	}
	broken.broken = ""
	if removed, _, err := f.expireUploads(t.Context()); err != nil || removed != 1 {
		t.Errorf("removed %d, %v after the repair", removed, err)
	}
	left, err := f.bucket.List(t.Context(), "temp-uploads/", "", 10)
	if err != nil || len(left) != 1 || left[0].Path != kept.Path {
		t.Errorf("storage holds %v, %v", left, err)
	}
}

// A write that fails leaves nothing to be found.
func TestUpload_fails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	_, err := f.Upload(t.Context(), NewUpload{Filename: "x", Body: io.MultiReader(strings.NewReader("some"), failingReader{})})
	if err == nil {
		t.Fatal("stored")
	}
	stats, err := f.Store().UploadStats(t.Context())
	left, listErr := f.bucket.List(t.Context(), "temp-uploads/", "", 10)
	if err != nil || listErr != nil || stats.Total != 0 || len(left) != 0 {
		t.Errorf("left %+v %v, %v %v", stats, left, err, listErr)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("gone") }

func TestFileName(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"": "", ".": "", "..": "", "/": "", "a.pdf": "a.pdf", "/etc/passwd": "passwd", `C:\temp\a.pdf`: "a.pdf", "a/../b.txt": "b.txt",
		"a\x00b\n.txt": "a_b_.txt", "a\u202efdp.exe": "a_fdp.exe", "trailing. ": "trailing", "ü.pdf": "ü.pdf", `a<b>:"|?*.c`: "a_b______.c",
		strings.Repeat("é", 200) + ".pdf": strings.Repeat("é", 98) + ".pdf", "bad\xff.txt": "bad.txt",
	} {
		if got := fileName(sent); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
		if _, err := storage.CleanPath("temp-uploads/tmp_x/" + fileName(sent)); err != nil && fileName(sent) != "" {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

// A run whose objects are elsewhere gets its uploads there, once.
func TestBringUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	u := f.upload("a.txt", "hello")
	bucket, err := local.Open(storage.Config{ID: "other", Provider: "local", Credentials: storage.Credentials{"basePath": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	other := Backend{Config: storage.Config{ID: "other"}, Bucket: bucket}
	for range 2 {
		if err := f.bringUpload(t.Context(), u, other); err != nil {
			t.Fatal(err)
		}
		if object, err := bucket.Stat(t.Context(), u.Path); err != nil || object.Size != 5 {
			t.Errorf("got %+v, %v", object, err)
		}
		if err := f.bucket.Delete(t.Context(), u.Path); err != nil { // the second time nobody looks
			t.Fatal(err)
		}
	}
}
