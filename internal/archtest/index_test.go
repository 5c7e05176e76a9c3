package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nobody finds a page that no index names.
func TestDocs_Index(t *testing.T) {
	t.Parallel()
	unlisted, err := Unlisted(root(t))
	report(t, unlisted, err)
}

func TestUnlisted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"docs/README.md":      "[a](a.md#part) [up](../README.md)\n",
		"docs/a.md":           "",
		"docs/b.md":           "",
		"docs/adr/README.md":  "[1](0001-x.md)\n",
		"docs/adr/0001-x.md":  "",
		"docs/adr/0002-y.md":  "",
		"elsewhere/README.md": "",
	} {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Unlisted(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range got {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	if g := strings.Join(names, " "); g != "docs/adr/0002-y.md docs/adr/README.md docs/b.md" {
		t.Errorf("unlisted: %s", g)
	}
}
