package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"pipedai/daemon/osservice"
)

// becomes says that a process cannot become another program here.
const becomes = false

// becomeProgram runs a program in the same console and waits for it. An interrupt
// reaches every process of a console, so that one sees to it and we only wait;
// what else ends ctx, the service manager say, it hears of by the end of its
// input. So it does when this process is killed.
func becomeProgram(ctx context.Context, path string, args []string, env ...string) (int, error) {
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // the installed program, or one whose digest was checked
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), env...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = input.Close() })()
	err = cmd.Wait()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// tied ends with the process that this one stands in for.
func tied(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}

// asUser does nothing: there is no sudo here.
func asUser(*exec.Cmd, osservice.Account) {}
