package worker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/storage/local"
)

// An upload is fetched by the id that the input has, and only as what it was
// stored as.
func TestUpload(t *testing.T) {
	t.Parallel()
	bucket, err := local.Open(storage.Config{ID: "local", Provider: "local", Credentials: storage.Credentials{"basePath": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	if _, err := bucket.Put(t.Context(), "temp-uploads/tmp_1/a.txt", strings.NewReader("hello"), 5, "text/plain"); err != nil {
		t.Fatal(err)
	}
	d := api.Dispatch{
		Input: []byte(`{"file":"tmp_1"}`),
		TempUploads: map[string]api.TempUpload{
			"tmp_1": {Path: "temp-uploads/tmp_1/a.txt", Size: 5, MimeType: "text/plain", Filename: "a.txt"},
			"tmp_2": {Path: "temp-uploads/tmp_1/a.txt", Size: 4},
		},
	}
	env, err := hydrate(t.Context(), bucket, d)
	if err != nil {
		t.Fatal(err)
	}
	c := newContext(t.Context(), facts{dir: filepath.Join(t.TempDir(), "x"), uploads: d.TempUploads}, env, func(logLine) {})
	up, err := c.Upload("tmp_1")
	if err != nil || up.Filename != "a.txt" || up.MimeType != "text/plain" || up.Size != 5 {
		t.Fatalf("got %+v, %v", up, err)
	}
	if data, err := os.ReadFile(up.Path); err != nil || string(data) != "hello" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := c.Upload("tmp_2"); err == nil || !strings.Contains(err.Error(), "not the 4") {
		t.Errorf("another size: got %v", err)
	}
	if _, err := c.Upload("tmp_3"); err == nil || !strings.Contains(err.Error(), "'tmp_3' not found") {
		t.Errorf("an unknown one: got %v", err)
	}
}

// A program that does its task as a command opens uploads like any other.
func TestContext_Upload_command(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tmp_1"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := one(func(ctx *Context) (any, error) {
		up, err := ctx.Upload("tmp_1")
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(up.Path)
		return map[string]any{"ids": ctx.UploadIDs(), "name": up.Filename, "type": up.MimeType, "size": up.Size, "data": string(data)}, err
	})
	env := map[string]string{EnvUpstreamAssets: dir, EnvUploads: `{"tmp_1":{"path":"/x","size":5,"mimeType":"text/plain","filename":"a.txt"}}`}
	code, out, errs := runProgram(t.Context(), t, s, env, `{}`, "exec", "work")
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatalf("got %d %q %s", code, out, errs)
	}
	want := map[string]any{"ids": []any{"tmp_1"}, "name": "a.txt", "type": "text/plain", "size": 5.0, "data": "hello"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if code, _, errs := runProgram(t.Context(), t, s, nil, `{}`, "exec", "work"); code == 0 || !strings.Contains(errs, "'tmp_1' not found") {
		t.Errorf("without any: got %d %s", code, errs)
	}
}
