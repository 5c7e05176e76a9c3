package cli

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// restartPatience is how long the command waits for a new daemon.
const restartPatience = time.Minute

type restartOptions struct {
	timeout time.Duration
	json    bool
}

// restartReport is what restart --json prints. Members are added, never
// renamed.
type restartReport struct {
	PID        int      `json:"pid"`
	WasPID     int      `json:"wasPid"`
	Version    string   `json:"version"`
	WasVersion string   `json:"wasVersion"`
	URL        string   `json:"url"`
	Kept       int      `json:"kept"`    // workers with the process they had
	Changed    []string `json:"changed"` // labels of those with another one, or none
}

func newRestartCmd(d *deps) *cobra.Command {
	workers := verbOptions{verb: verbRestart}
	cmd := &cobra.Command{
		Use:   "restart [worker...]",
		Short: "Restart the daemon, workers do not notice; or restart workers",
		Long: `Without workers, replaces the running daemon by a new one and waits until that
answers, a minute at most or as --timeout says. The workers keep running all the
time, and no line of their output is lost. On Windows workers cannot outlive
their daemon: there they are stopped first and started again.

With workers, or --all, the daemon stays, and those workers finish the runs they
have in hand and start anew.` + namesText,
		Example: `  pipedai-orchestrator restart             # the daemon
  pipedai-orchestrator restart build-box   # a worker
  pipedai-orchestrator restart --all --wait`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			workers.names = args
			if len(args) > 0 || workers.all {
				return runVerb(cmd.Context(), d, workers)
			}
			if workers.now {
				return cliutil.UsageError("--now is for workers: name some, or say --all")
			}
			o := restartOptions{timeout: restartPatience, json: workers.json}
			if cmd.Flags().Changed("timeout") {
				o.timeout = workers.timeout
			}
			return runRestart(cmd.Context(), d, o)
		},
	}
	workers.bind(cmd)
	return cmd
}

func runRestart(ctx context.Context, d *deps, o restartOptions) error {
	if o.timeout <= 0 {
		return cliutil.UsageError("--timeout must be more than 0")
	}
	before, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	had, err := before.Workers(ctx)
	if err != nil {
		return err
	}
	if _, err := before.Restart(ctx, api.LeaveRequest{Reason: "restart on the command line"}); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	after, err := d.awaitDaemon(patience, func(r reached) bool { return !r.info.StartedAt.Equal(before.info.StartedAt.Time) })
	if errors.Is(err, context.DeadlineExceeded) {
		return cliutil.Failf(cliutil.ExitTimeout, "look at it: "+d.command("status"), "the new daemon did not answer within %s", o.timeout)
	}
	if err != nil {
		return err
	}
	have, err := after.Workers(ctx)
	if err != nil {
		return err
	}
	report := restartReport{
		PID: after.info.PID, WasPID: before.info.PID, Version: after.info.Version, WasVersion: before.info.Version,
		URL: after.base(), Changed: []string{},
	}
	report.Kept, report.Changed = kept(had, have)
	if o.json {
		return cliutil.JSON(d.streams.Out, report)
	}
	d.printf("The daemon was restarted (pid %d, version %s).\n", report.PID, report.Version)
	d.printf("%s\n", keptSentence(report.Kept))
	for _, label := range report.Changed {
		d.printf("%s has another process than before.\n", cliutil.Printable(label))
	}
	return nil
}

// kept compares the processes of workers before and after.
func kept(before, after []api.FusedWorker) (same int, changed []string) {
	now := map[string]int{}
	for _, w := range after {
		now[w.ID] = pidOf(w)
	}
	changed = []string{}
	for _, w := range before {
		switch pid := pidOf(w); {
		case pid == 0:
		case now[w.ID] == pid:
			same++
		default:
			changed = append(changed, w.Label)
		}
	}
	return same, changed
}

func keptSentence(n int) string {
	switch n {
	case 0:
		return "No worker was running."
	case 1:
		return "1 worker kept running, with the same process."
	default:
		return strconv.Itoa(n) + " workers kept running, with the same processes."
	}
}

func pidOf(w api.FusedWorker) int {
	if w.Local == nil || w.Local.PID == nil {
		return 0
	}
	return *w.Local.PID
}

// awaitDaemon waits until a daemon of this home is ready that is the one
// asked for, or ctx ends.
func (d *deps) awaitDaemon(ctx context.Context, wanted func(reached) bool) (reached, error) {
	pace := backoff.Policy{Base: 20 * time.Millisecond, Max: 250 * time.Millisecond}
	for tries := 1; ; tries++ {
		r, err := d.daemon(ctx)
		switch {
		case err == nil && r.ready && wanted(r):
			return r, nil
		case err != nil && !errors.Is(err, daemon.ErrNoInfo) && ctx.Err() == nil:
			return r, err
		}
		if !pace.Wait(ctx, tries) {
			return reached{}, ctx.Err()
		}
	}
}
