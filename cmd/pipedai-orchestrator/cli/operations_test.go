package cli

import (
	"testing"
)

func TestOperationsAndEvents_usage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"operations", "--limit", "0"}, {"operations", "a", "b"}, {"operations", "cancel"},
		{"events", "--since", "-1"}, {"events", "-n", "0"}, {"build", "x"}, {"build", "--token-stdin", "--token-file", "f"},
	} {
		newTerminal(t).run(t, args...).want(t, 2)
	}
	for _, args := range [][]string{{"operations"}, {"operations", "op_1"}, {"events"}, {"build", "--api-url", "https://a.test"}} {
		newTerminal(t).run(t, args...).want(t, 3)
	}
	tm := newTerminal(t)
	tm.stdin = ""
	tm.run(t, "build", "--token-stdin").want(t, 2, "holds no registration token")
}
