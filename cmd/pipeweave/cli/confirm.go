package cli

import (
	"bufio"
	"context"
	"strings"

	"pipedai/internal/cliutil"
)

// confirm has a person type a word before something that cannot be undone.
// Where nobody can answer, nothing is done.
func (d *deps) confirm(ctx context.Context, yes bool, what, word string) error {
	if yes {
		return nil
	}
	if !d.InTTY {
		return cliutil.Failf(cliutil.ExitUsage, "to do it all the same, say --yes", "%s", what)
	}
	d.notef("%s\nType %s to go on: ", what, cliutil.Printable(word))
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(d.In).ReadString('\n') // what was typed before the end counts
		answers <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case answer := <-answers:
		if !strings.EqualFold(answer, word) {
			return cliutil.Failf(cliutil.ExitFailed, "", "nothing was changed")
		}
		return nil
	}
}
