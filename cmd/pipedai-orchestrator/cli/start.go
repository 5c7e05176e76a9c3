package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon"
	"pipedai/daemon/connectivity"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
	"pipedai/web"
)

type startOptions struct {
	host          string
	port          int
	workerProgram string
	stopGrace     time.Duration
	probeInternet string
	verbose       bool
}

func newStartCmd(d *deps) *cobra.Command {
	o := startOptions{}
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run the daemon in this terminal",
		Long: `Runs the daemon until it is interrupted: it keeps the workers of this host
running and serves the dashboard on this machine. An interrupt lets workers
finish the runs they have in hand; a second one ends the daemon at once and
leaves the workers running. "restart" replaces the daemon, in this terminal, and
leaves them running, too.`,
		Example: `  pipedai-orchestrator start
  pipedai-orchestrator start --port 0    # any free port`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.workerProgram == "" {
				o.workerProgram = d.streams.Getenv("PIPEDAI_WORKER_PROGRAM")
			}
			if !cmd.Flags().Changed("probe-internet") {
				o.probeInternet = cmp.Or(d.streams.Getenv("PIPEDAI_PROBE_INTERNET"), o.probeInternet)
			}
			return runStart(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.host, "host", daemon.DefaultHost, "loopback address to listen on")
	flags.IntVar(&o.port, "port", daemon.DefaultPort, "port to listen on; 0 takes any free one")
	flags.StringVar(&o.workerProgram, "worker-program", "", "the pipedai-worker to run (default: beside this program, then on the PATH)")
	flags.DurationVar(&o.stopGrace, "stop-grace", 5*time.Minute, "how long a stopped worker may finish its run")
	flags.StringVar(&o.probeInternet, "probe-internet", strings.Join(connectivity.DefaultInternet, ","),
		"URLs, separated by commas, that tell an outage of the network from one of a control plane; off asks nobody")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return cmd
}

func runStart(ctx context.Context, d *deps, o startOptions) error {
	if o.port < 0 || o.port > 65535 {
		return cliutil.UsageError("--port %d is not between 0 and 65535", o.port)
	}
	if o.stopGrace <= 0 {
		return cliutil.UsageError("--stop-grace must be more than 0")
	}
	internet, err := connectivity.ParseInternet(o.probeInternet)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "name URLs with --probe-internet, separated by commas, or: --probe-internet off")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	manager := serviceManager(d.streams.Getenv)
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	err = daemon.Run(ctx, daemon.Options{
		Dir: dir, Host: o.host, Port: o.port, WorkerProgram: o.workerProgram, StopGrace: o.stopGrace,
		Internet: internet, ServiceManager: manager,
		Dashboard: web.Dashboard(),
		Log:       slog.New(slog.NewTextHandler(d.streams.Err, &slog.HandlerOptions{Level: level})),
		Listening: func(url string) {
			d.printf("Listening on %s\nOpen the dashboard: %s\n", url, d.command("dashboard --open"))
		},
		Ready: func() {
			if was, err := connected(dir); err == nil && !was {
				d.printf("This host is not connected yet: %s\n", d.command("connect --api-url <url>"))
			}
		},
		Draining: func(workers int) {
			if workers > 0 {
				d.printf("Stopping: waiting for %d worker(s) to finish. Interrupt again to leave them running.\n", workers)
			}
		},
	})
	var left *daemon.LeftError
	if errors.As(err, &left) {
		return leave(d, left, manager)
	}
	return explainStart(d, o, err)
}

// serviceManager names who started this daemon and starts it again; empty in a
// terminal. Only our units set the variable. It and the socket that the manager
// listens on are this process's business and must not reach workers.
func serviceManager(getenv func(string) string) string {
	manager := getenv(serviceEnv)
	_ = os.Unsetenv(serviceEnv) // a name that is set can be unset
	return manager
}

// serviceEnv is set by the units.
const serviceEnv = "PIPEDAI_SERVICE"

// leave ends a daemon whose workers run on, the way its successor comes: by the
// service manager, which knows the exit code, or in this very process.
func leave(d *deps, left *daemon.LeftError, manager string) error {
	switch {
	case !left.ComeBack:
		d.printf("The workers run on without a daemon. Take them up again: %s\n", d.command("start"))
		return nil
	case manager != "":
		return cliutil.Silent(cliutil.ExitRestart)
	}
	d.printf("Restarting: %s\n", cliutil.Printable(left.Reason))
	// The page that somebody has open finds the new daemon where the old one was.
	code, err := d.replace(append(slices.Clone(d.args), "--port", strconv.Itoa(left.Port)))
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("start the new daemon: %w", err),
			"the workers run on; start it yourself: "+d.command("start"))
	}
	return cliutil.Silent(code)
}

// explainStart adds what helps to the ways a daemon cannot start.
func explainStart(d *deps, o startOptions, err error) error {
	var running *daemon.RunningError
	var busy *localnet.BusyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &running):
		return cliutil.Fail(cliutil.ExitConflict, err, "look at it: "+d.command("status"))
	case errors.As(err, &busy):
		return cliutil.Fail(cliutil.ExitConflict, err, "stop that program, or choose another port: "+d.command("start --port 0"))
	case errors.Is(err, localnet.ErrNotLoopback):
		return cliutil.Fail(cliutil.ExitUsage, err, "the daemon serves this machine only: leave --host out")
	}
	return d.explainHome(err)
}
