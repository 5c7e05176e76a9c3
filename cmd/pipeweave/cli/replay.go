package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type replayOptions struct {
	remote  remote
	run     string
	dryRun  bool
	wait    bool
	timeout time.Duration
	json    bool
}

func newReplayCmd(d *deps) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use: "replay RUN", Short: "Run again what broke in a run, and keep the rest", Args: cobra.ExactArgs(1),
		Long: `Run again what broke in a failed, partial or cancelled run. What completed stays;
a merge that was made without a task that broke is made again. With --wait, the
exit code tells how the run ended, as that of trigger does.`,
		Example: "  pipeweave replay prun_0abc... --dry-run\n  pipeweave replay prun_0abc... --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			switch {
			case o.dryRun && o.wait:
				return cliutil.UsageError("--dry-run and --wait cannot be given together")
			case o.timeout < 0:
				return cliutil.UsageError("--timeout must not be negative")
			}
			return runReplay(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "only show what would run again")
	flags.BoolVarP(&o.wait, "wait", "w", false, "wait for the end of the run")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait, such as 5m (default: no limit)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runReplay(ctx context.Context, d *deps, o replayOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	act, verb := c.Replay, "run"
	if o.dryRun {
		act, verb = c.ReplayPlan, "would run"
	}
	did, err := act(ctx, o.run)
	if err != nil {
		return named(conflicting(err, "pipeweave status "+o.run), "run", o.run, "pipeweave runs")
	}
	if !o.wait {
		if o.json {
			return cliutil.JSON(d.Out, did)
		}
		if err := d.printReplay(did, verb); err != nil {
			return err
		}
		if o.dryRun {
			return d.printf("Next: pipeweave replay %s --wait\n", o.run)
		}
		return d.printf("Next: pipeweave status %s\n", o.run)
	}
	run, err := d.await(ctx, c, o.run, o.timeout)
	if errors.Is(err, errWaitOver) {
		return cliutil.Failf(exitWaitOver, "it goes on; look again with: pipeweave status "+o.run, "run %s did not end within %s", o.run, o.timeout)
	}
	if err != nil {
		return err
	}
	if o.json {
		err = cliutil.JSON(d.Out, run)
	} else {
		err = d.printOutcome(ctx, c, run)
	}
	if err != nil {
		return err
	}
	return runExit(run.Status)
}

func (d *deps) printReplay(r api.Replay, verb string) error {
	if err := d.printf("%d completed task runs stay. These %s again: %s\n", r.Kept, verb, strings.Join(r.Queued, ", ")); err != nil {
		return err
	}
	if len(r.Later) > 0 {
		return d.printf("After them, made without them before: %s\n", strings.Join(r.Later, ", "))
	}
	return nil
}

// runExit is the exit code of a command that waited for a run.
func runExit(status string) error {
	switch status {
	case "completed":
		return nil
	case "partial":
		return cliutil.Silent(exitRunPartial)
	default:
		return cliutil.Silent(exitRunFailed)
	}
}
