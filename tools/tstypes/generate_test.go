package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The pages are checked against the committed file; it must be what the
// structs say today.
func TestGenerate_CommittedFileIsFresh(t *testing.T) {
	t.Parallel()
	want, err := Generate("../../api")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../web/src/api/types.ts")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("web/src/api/types.ts is not what api says; run make generate (-generated +committed):\n%s", diff)
	}
}

// The reference shows the comments of the structs.
func TestComments_CommittedFileIsFresh(t *testing.T) {
	t.Parallel()
	want, err := Comments("../../api")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../internal/openapi/comments.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("internal/openapi/comments.json is not what api says; run make generate (-generated +committed):\n%s", diff)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	got, err := Generate(source(t, `
// Worker is one worker.
// It has two lines.
type Worker struct {
	ID     string            `+"`json:\"id\" validate:\"required\"`"+`
	State  string            `+"`json:\"state\"` // \"on\" or \"off\""+`
	Kind   string            `+"`json:\"kind,omitempty\" validate:\"omitempty,oneof=a b\"`"+`
	Mode   string            `+"`json:\"mode\"` // \"x\" in most cases, or \"y\""+`
	Run    *string           `+"`json:\"run\"`"+`
	Size   *int64            `+"`json:\"size,omitempty\"` // bytes"+`
	Tags   []string          `+"`json:\"tags\"`"+`
	Items  []Item            `+"`json:\"items,omitzero\"`"+`
	Next   map[string][]Item `+"`json:\"next\"`"+`
	At     Time              `+"`json:\"at\"`"+`
	Raw    json.RawMessage   `+"`json:\"raw,omitempty\"`"+`
	Sig    []byte            `+"`json:\"sig\"`"+`
	Hidden int               `+"`json:\"-\"`"+`
}

// Item is more than a worker.
type Item struct {
	Worker
	Ready bool `+"`json:\"ready\"`"+`
}

// Time spells itself.
type Time struct{}

func (Time) MarshalJSON() ([]byte, error) { return nil, nil }

const State = "on"

type hidden struct{ odd chan int }
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `
/**
 * Worker is one worker.
 * It has two lines.
 */
export interface Worker {
  id: string;
  state: "on" | "off";
  kind?: "a" | "b";
  mode: string; // "x" in most cases, or "y"
  run: string | null;
  size?: number; // bytes
  tags: string[] | null;
  items?: Item[];
  next: Record<string, Item[] | null> | null;
  at: Time;
  raw?: Json;
  sig: string | null;
}

/** Item is more than a worker. */
export interface Item extends Worker {
  ready: boolean;
}
`
	if diff := cmp.Diff(want, strings.TrimPrefix(got, head)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What it cannot translate it must not guess.
func TestGenerate_Refuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a channel":         "type A struct{ C chan int `json:\"c\"` }",
		"no json name":      "type A struct{ C int }",
		"a foreign type":    "type A struct{ C time.Duration `json:\"c\"` }",
		"a foreign base":    "type A struct{ pkg.B }",
		"not a struct":      "type A []string",
		"a private struct":  "type A struct{ C b `json:\"c\"` }",
		"not a Go file":     "struct A",
		"options, no name":  "type A struct{ C int `json:\",omitempty\"` }",
		"two in one line":   "type A struct{ C, D int `json:\"c\"` }",
		"a function member": "type A struct{ C func() `json:\"c\"` }",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text, err := Generate(source(t, body)); err == nil {
				t.Errorf("took it:\n%s", text)
			}
		})
	}
	if _, err := Generate(t.TempDir()); err == nil {
		t.Error("took an empty folder")
	}
}

func source(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api.go"), []byte("package api\n\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
