package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

type logsOptions struct {
	follow bool
	tail   int
	json   bool
}

func newLogsCmd(d *deps) *cobra.Command {
	o := logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs <worker>",
		Short: "Show what a worker wrote",
		Example: `  pipedai-orchestrator logs build-box
  pipedai-orchestrator logs build-box -f`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error { return runLogs(cmd.Context(), d, args[0], o) },
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with new lines until interrupted")
	cmd.Flags().IntVarP(&o.tail, "tail", "n", 100, "how many lines to begin with, 1 to 2000")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object per line")
	return cmd
}

func runLogs(ctx context.Context, d *deps, name string, o logsOptions) error {
	if o.tail < 1 || o.tail > 2000 {
		return cliutil.UsageError("--tail %d is not between 1 and 2000", o.tail)
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	worker, err := findWorker(ctx, d, local, name)
	if err != nil {
		return err
	}
	if o.follow {
		return (&follower{d: d, id: worker.ID, o: o}).run(ctx)
	}
	lines, err := local.Logs(ctx, worker.ID, o.tail)
	if err != nil {
		return err
	}
	for _, l := range lines {
		printLine(d, o, l)
	}
	return nil
}

func printLine(d *deps, o logsOptions, l api.LogLine) {
	if o.json {
		d.printJSON(l)
		return
	}
	d.printf("%s %s %s\n", api.At(time.UnixMilli(l.TS)), l.Stream, l.Line)
}

// follower prints a worker's lines, each once. The stream is opened before the
// tail is read, so that nothing falls between; after a reconnect that could
// not be resumed it goes on behind the last line it printed.
type follower struct {
	d     *deps
	id    string
	o     logsOptions
	since int64
	began bool
	last  api.LogLine         // printed last
	ahead map[api.LogLine]int // printed from the tail, still to come by the stream
}

// run follows until ctx ends. A daemon that goes away is waited for, once
// there was one.
func (f *follower) run(ctx context.Context) error {
	pace := backoff.Policy{Base: 250 * time.Millisecond, Max: 5 * time.Second}
	for failures := 0; ; {
		local, err := f.d.daemon(ctx)
		if err == nil {
			err = local.Events(ctx, f.since, func(frame api.LocalFrame) {
				failures = 0
				f.frame(ctx, local, frame)
			})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !f.began {
			return err
		}
		if failures == 0 {
			f.d.notef("The daemon hung up; waiting for it to come back.\n")
		}
		failures++
		if !pace.Wait(ctx, failures) {
			return context.Cause(ctx)
		}
	}
}

func (f *follower) frame(ctx context.Context, local reached, frame api.LocalFrame) {
	f.since = frame.Seq
	if frame.Kind == "status" && (!f.began || frame.Reset) {
		f.began = true
		f.catchUp(ctx, local)
	}
	if frame.Kind != "log" || frame.ID != f.id {
		return
	}
	line := api.LogLine{TS: frame.TS, Stream: frame.Stream, Line: frame.Line}
	if f.ahead[line] > 0 {
		f.ahead[line]--
		return
	}
	f.print(line)
}

// catchUp prints what the file has beyond the last line printed.
func (f *follower) catchUp(ctx context.Context, local reached) {
	f.ahead = map[api.LogLine]int{}
	lines, err := local.Logs(ctx, f.id, f.o.tail)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			f.d.notef("The lines so far could not be read: %v\n", err)
		}
		return
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] == f.last {
			lines = lines[i+1:]
			break
		}
	}
	for _, l := range lines {
		f.print(l)
		f.ahead[l]++
	}
}

func (f *follower) print(l api.LogLine) {
	printLine(f.d, f.o, l)
	f.last = l
}
