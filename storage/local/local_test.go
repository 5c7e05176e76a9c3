package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/storage"
	"pipedai/storage/local"
	"pipedai/storage/storagetest"
)

func open(t testing.TB, base string) *local.Bucket {
	t.Helper()
	b, err := local.Open(storage.Config{ID: "l", Provider: "local", Credentials: storage.Credentials{"basePath": base}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestLocal(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB) storage.Bucket { return open(t, t.TempDir()) })
}

func TestOpen_needsBasePath(t *testing.T) {
	t.Parallel()
	_, err := local.Open(storage.Config{ID: "x", Provider: "local"})
	if err == nil || !strings.Contains(err.Error(), "basePath") {
		t.Errorf("got %v, want an error that names basePath", err)
	}
}

func TestOpen_relativeBaseBecomesAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	cfg := storage.Config{Provider: "local", Credentials: storage.Credentials{"basePath": "data"}}
	b, err := local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := b.Config(cfg).Credentials["basePath"]
	if !filepath.IsAbs(got) || filepath.Base(got) != "data" {
		t.Errorf("got %s, want an absolute path to data", got)
	}
	if cfg.Credentials["basePath"] != "data" {
		t.Error("the caller's config was changed")
	}
}

// A link out of the folder must not be a way out of it.
func TestLocal_S1_linkOutside(t *testing.T) {
	t.Parallel()
	outside, base := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	b := open(t, base)
	if _, _, err := b.Get(t.Context(), "link/secret"); err == nil {
		t.Error("read through a link that leaves the folder")
	}
	if _, err := b.Put(t.Context(), "link/new", strings.NewReader("x"), 1, ""); err == nil {
		t.Error("wrote through a link that leaves the folder")
	}
}

func TestLocal_S3_unfinishedWrites(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	temp := filepath.Join(base, ".incomplete")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	old, fresh := filepath.Join(temp, "old"), filepath.Join(temp, "fresh")
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	b := open(t, base)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover of a dead writer is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("the file of a live writer is gone: %v", err)
	}
	objects, err := b.List(context.Background(), "", "", 10)
	if err != nil || len(objects) != 0 {
		t.Errorf("list shows unfinished writes: %v, %v", objects, err)
	}
	if _, _, err := b.Get(t.Context(), ".incomplete/fresh"); !errors.Is(err, storage.ErrBadPath) {
		t.Errorf("get of an unfinished write: got %v, want ErrBadPath", err)
	}
}
