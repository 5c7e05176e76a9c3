// Command bench measures the programs as their users meet them: `pipeweave
// serve` as a process of its own, on PostgreSQL and on SQLite, with a push
// service and a pull worker that do nothing in processes of their own; and the
// daemon of a host with hundreds of workers that do nothing. Beside each figure
// it prints what this machine can do at most, measured in the same run.
//
//	make bench                                     everything, three times
//	make bench QUICK=1                             everything once, short
//	go run ./tools/bench -only push,pull -store sqlite
//	go run ./tools/bench -only host                the daemon only
//
// docs/bench.md says how to read the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. The first argument may be one of the parts that
// the program starts as processes beside itself.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "push-service":
		err = runPushService(ctx, args[1:], in, out)
	case len(args) > 0 && args[0] == "pull-worker":
		err = runPullWorker(ctx, args[1:], in, out)
	case len(args) > 0 && args[0] == "echo":
		err = runEcho(ctx, in, out)
	case len(args) > 0 && args[0] == "fan-out":
		err = runFanOut(ctx, args[1:], in, out)
	default:
		var o options
		if o, err = parseOptions(args, errOut); err == nil {
			err = measure(ctx, o, out, errOut)
		}
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 2
	default:
		fmt.Fprintln(errOut, "bench:", err)
		return 1
	}
}
