package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every defect of the older engine is answered for, at a place that exists.
func TestDocs_Predecessors(t *testing.T) {
	t.Parallel()
	missing, err := Proofs(root(t))
	report(t, missing, err)
}

func TestProofs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := []string{"| 1 | was | is | `a/b.go`, `TestB`, `storetest.c` |", "| 2 | was | is | `a/gone.go`, `TestGone`, `storetest.gone` |",
		"| 3 | was | is | nowhere |", "| 5 | was | is | `a/b.go` |", "| 5 | was | is | `a/b.go` |", "| 200 | was | is | `a/b.go` |"}
	for n := 6; n <= defects; n++ {
		rows = append(rows, fmt.Sprintf("| %d | was | is | `a/b.go` |", n))
	}
	for n := 1; n < hostDefects; n++ {
		rows = append(rows, fmt.Sprintf("| H%d | was | is | `a/b.go` |", n))
	}
	for name, text := range map[string]string{
		"docs/predecessors.md": "# P\n\n| | before | here | where |\n| --- | --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n",
		"a/b.go":               "package a",
		"a/b_test.go":          "package a\n\nfunc TestB(t *testing.T) {}\n",
		"store/storetest/c.go": "package storetest\n\nfunc c(f *fixture) {}\n",
	} {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Proofs(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"defect 4 is there 0 times, want once",
		"defect 5 is there 2 times, want once",
		fmt.Sprintf("defect H%d is there 0 times, want once", hostDefects),
		"row 2: a/gone.go does not exist",
		"row 2: there is no test TestGone",
		"row 2: there is no test storetest.gone",
		"row 3 must have four cells, and a place in the last",
		"there is no defect 200",
	}
	if g, w := strings.Join(got, "\n"), "docs/predecessors.md: "+strings.Join(want, "\ndocs/predecessors.md: "); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}
