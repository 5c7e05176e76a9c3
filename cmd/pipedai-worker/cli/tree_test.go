package cli

import (
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// Help is there for every command, with examples before the usage; what is
// wrong with a command line is exit code 2, and nobody is waited for.
func TestTree_C2(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"register", "run", "version"} {
		code, out, errs := execute(t, "", nil, command, "--help")
		if example := strings.Index(out, "\nExamples:"); code != 0 || errs != "" || example < 0 || example > strings.Index(out, "\nUsage:") {
			t.Errorf("%s --help: %d\n%s%s", command, code, out, errs)
		}
		for _, wrong := range [][]string{{command, "--no-such-flag"}, {command, "surplus"}} {
			if code, out, errs := execute(t, "", nil, wrong...); code != cliutil.ExitUsage || out != "" || errs == "" {
				t.Errorf("%q: %d %s%s", wrong, code, out, errs)
			}
		}
	}
	if code, _, errs := execute(t, "", nil, "registr"); code != cliutil.ExitUsage || !strings.Contains(errs, "did you mean register?") {
		t.Errorf("a typo: %d %s", code, errs)
	}
	if code, out, errs := execute(t, "", nil); code != 0 || errs != "" || !strings.Contains(out, "register") {
		t.Errorf("no command: %d %s%s", code, out, errs)
	}
}
