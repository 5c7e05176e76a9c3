package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDocs_Images(t *testing.T) {
	t.Parallel()
	found, err := Images(root(t))
	report(t, found, err)
}

func TestImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README.md": `<picture><source srcset="docs/images/a-dark.png"><img src="docs/images/a.png" alt="A page"></picture>` +
			"\n![another](docs/images/b.png) ![far](https://example.org/x.png)\n```\n<img src=\"docs/images/no.png\">\n```\n",
		"docs/page.md":          `<img src="images/gone.png">`,
		"docs/images/a.png":     "1",
		"docs/images/b.png":     strings.Repeat("x", mostImage+1),
		"docs/images/alone.png": "1",
		"other/c.md":            `<img src="nothing.png">`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Images(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{
		"README.md shows docs/images/a-dark.png, which is not there: make screenshots",
		"docs/images/alone.png is shown by no page",
		"docs/images/b.png has 122881 bytes, more than 122880",
		"docs/page.md has a picture without alt text",
		"docs/page.md shows images/gone.png, which is not there: make screenshots",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}
