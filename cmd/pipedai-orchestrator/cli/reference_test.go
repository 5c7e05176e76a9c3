package cli

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The document in the repository is what the program prints.
func TestReference_C14_markdown(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../../docs/cli/pipedai-orchestrator.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newTerminal(t).run(t, "reference")
	code, out, errs := r.code, r.out, r.err
	if code != 0 {
		t.Fatalf("got %d %s", code, errs)
	}
	if diff := cmp.Diff(string(want), out); diff != "" {
		t.Errorf("docs/cli/pipedai-orchestrator.md is stale; run `make generate` (-file +program):\n%s", diff)
	}
}
