package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"pipedai/internal/bounded"
)

// command is a program that is run within limits and never through a shell.
type command struct {
	path  string
	args  []string
	dir   string
	env   []string // wins over ours
	limit time.Duration
	keep  int // bytes of each output that are kept
}

// output is what it said.
type output struct{ stdout, stderr string }

// errTooLong says that a program took longer than it may.
var errTooLong = errors.New("it took too long and was ended")

// run runs c to its end, or ends it with everything it started.
func run(ctx context.Context, c command) (output, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("%w (%v)", errTooLong, c.limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.WaitDelay = c.dir, 2*time.Second
	cmd.Env = withoutSecrets(os.Environ(), c.env)
	stdout, stderr := &bounded.Head{Limit: c.keep}, &bounded.Tail{Limit: c.keep}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	asGroup(cmd)
	err := cmd.Run()
	out := output{stdout.String(), stderr.String()}
	if err == nil {
		return out, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return out, cause
	}
	said := strings.TrimSpace(out.stderr)
	if said == "" {
		said = strings.TrimSpace(out.stdout)
	}
	return out, fmt.Errorf("%s ended with %w: %.2000s", filepath.Base(c.path), err, said)
}

// withoutSecrets is an environment without what is ours alone, and with more.
func withoutSecrets(env, more []string) []string {
	var out []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "PIPEDAI_") && !strings.HasPrefix(name, "PIPEWEAVE_") && name != "NOTIFY_SOCKET" {
			out = append(out, entry)
		}
	}
	return append(out, more...) // exec takes the last of a name
}
