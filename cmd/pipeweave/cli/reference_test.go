package cli

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReference: the document in the repository is what the program prints.
func TestReference(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../../docs/cli/pipeweave.md")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := newShell(t).run("reference")
	if code != 0 {
		t.Fatalf("got %d %s", code, errs)
	}
	if diff := cmp.Diff(string(want), out); diff != "" {
		t.Errorf("docs/cli/pipeweave.md is stale; run `make generate` (-file +program):\n%s", diff)
	}
}
