package all_test

import (
	"path/filepath"
	"strings"
	"testing"

	"pipedai/storage"
	"pipedai/storage/all"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	cfg := storage.Config{ID: "main", Provider: "local", Credentials: storage.Credentials{"basePath": base}}
	b, err := all.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := all.Absolute(cfg, b).Credentials["basePath"]; !filepath.IsAbs(got) {
		t.Errorf("got %s, want an absolute path", got)
	}
}

func TestOpen_unknownProvider(t *testing.T) {
	t.Parallel()
	_, err := all.Open(t.Context(), storage.Config{ID: "x", Provider: "ftp"})
	if err == nil || !strings.Contains(err.Error(), `"ftp"`) || !strings.Contains(err.Error(), "local") {
		t.Errorf("got %v, want an error that names the provider and the supported ones", err)
	}
}
