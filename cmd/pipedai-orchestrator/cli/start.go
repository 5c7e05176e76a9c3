package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/connectivity"
	"pipedai/daemon/osservice"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
	"pipedai/internal/rotate"
	"pipedai/internal/settings"
	"pipedai/upgrade"
	"pipedai/web"
)

type startOptions struct {
	config        api.HostConfig
	host          string
	port          int
	workerProgram string
	stopGrace     time.Duration
	killRevoked   bool
	upgradeLimit  time.Duration
	drainLimit    time.Duration
	denyRollouts  bool
	probeInternet string
	verbose       bool
	logFile       bool
	logs          daemon.LogLimits
	runs          daemon.RunLimits
	keepVersions  int
	npm           upgrade.NPM
}

func newStartCmd(d *deps) *cobra.Command {
	workers := verbOptions{verb: verbStart}
	table := daemonSettings()
	cmd := &cobra.Command{
		Use:   "start [worker...]",
		Short: "Run the daemon in this terminal, or start workers",
		Long: `Without workers, runs the daemon until it is interrupted: it keeps the workers of
this host running and serves the dashboard on this machine. An interrupt lets
workers finish the runs they have in hand; a second one ends the daemon at once
and leaves the workers running. "restart" replaces the daemon, in this terminal,
and leaves them running, too.

With workers, or --all, asks the running daemon to keep them running. A worker is
named by its id, its label, or the beginning of either.`,
		Example: `  pipedai-orchestrator start
  pipedai-orchestrator start --port 0    # any free port
  pipedai-orchestrator start build-box   # a worker that was stopped`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			workers.names = args
			if len(args) > 0 || workers.all {
				for _, s := range table {
					if s.Key != keyHome && cmd.Flags().Changed(s.Flag) {
						return cliutil.UsageError("--%s is for the daemon: leave the workers out", s.Flag)
					}
				}
				return runVerb(cmd.Context(), d, workers)
			}
			if workers.json {
				return cliutil.UsageError("--json is for workers: name some, or say --all")
			}
			all, err := d.resolve(cmd.Flags())
			if err != nil {
				return err
			}
			o := startFrom(all)
			file, _, err := d.configFile(cmd.Flags())
			if err != nil {
				return err
			}
			o.config = shownConfig(all, file)
			return runStart(cmd.Context(), d, o)
		},
	}
	table.Bind(cmd.Flags())
	cmd.Flags().Lookup("verbose").Shorthand = "v"
	workers.bind(cmd)
	return cmd
}

// startFrom makes what start needs of the settings, which were checked.
func startFrom(all settings.Choices) startOptions {
	o := startOptions{
		host: all[keyHost].Value, workerProgram: all[keyWorkerProgram].Value, verbose: all[keyVerbose].On(),
		probeInternet: all[keyProbeInternet].Value, logFile: all[keyLogFile].On(),
	}
	megabytes := func(key string) int64 {
		n, _ := strconv.ParseInt(all[key].Value, 10, 64)
		return n << 20
	}
	o.logs.MaxBytes, o.logs.Budget = megabytes(keyLogMaxSize), megabytes(keyLogBudget)
	o.logs.Backups, _ = strconv.Atoi(all[keyLogBackups].Value)
	days, _ := strconv.Atoi(all[keyRunDays].Value)
	o.runs = daemon.RunLimits{Age: time.Duration(days) * 24 * time.Hour, Bytes: megabytes(keyRunBudget)}
	o.keepVersions, _ = strconv.Atoi(all[keyKeepVersions].Value)
	o.npm = upgrade.NPM{
		Registry: all[keyNPMRegistry].Value, AllowScripts: all[keyNPMScripts].On(),
		Packages: map[string]string{api.ProgramWorker: all[keyNPMPackage].Value},
	}
	o.port, _ = strconv.Atoi(all[keyPort].Value)
	o.killRevoked = all[keyWhenRevoked].Value == whenRevokedKill
	o.denyRollouts = all[keyRollouts].Value == rolloutsDeny
	o.stopGrace, _ = time.ParseDuration(all[keyStopGrace].Value)
	o.upgradeLimit, _ = time.ParseDuration(all[keyUpgradeLimit].Value)
	o.drainLimit, _ = time.ParseDuration(all[keyDrainLimit].Value)
	return o
}

// How much is kept of the daemon's own log.
const (
	daemonLogBytes   = 5 << 20
	daemonLogBackups = 3
)

func runStart(ctx context.Context, d *deps, o startOptions) error {
	internet, err := connectivity.ParseInternet(o.probeInternet)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "name URLs with --probe-internet, separated by commas, or: --probe-internet off")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	trial := isTrial(d.streams.Getenv)
	if d.standsFor.Program == "" && !trial {
		if became, err := d.launchPinned(ctx, dir); became || err != nil {
			return err
		}
	}
	notify := managerEnv(d.streams.Getenv)
	manager := serviceManager(d.streams.Getenv)
	notifier := osservice.NewNotifier(d.streams.Getenv)
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := d.streams.Err
	if o.logFile {
		if err := dir.Make(); err != nil {
			return d.explainHome(err)
		}
		file, err := rotate.Open(dir.DaemonLog(), daemonLogBytes, daemonLogBackups)
		if err != nil {
			return d.explainHome(err)
		}
		defer func() { _ = file.Close() }()
		log = file
	}
	options := daemon.Options{
		Dir: dir, Host: o.host, Port: o.port, WorkerProgram: o.workerProgram, StopGrace: o.stopGrace, KillRevoked: o.killRevoked, DenyRollouts: o.denyRollouts,
		VerifyLimit: o.upgradeLimit, DrainLimit: o.drainLimit, Internet: internet, ServiceManager: manager, Origin: d.standsFor,
		Restarting: func(ctx context.Context) bool { return osservice.Restarting(ctx, osservice.Kind(manager)) },
		Dashboard:  web.Dashboard(), Config: o.config, Logs: o.logs, Runs: o.runs, KeepVersions: o.keepVersions, NPM: o.npm,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})),
		Listening: func(url string) {
			d.printf("Listening on %s\nOpen the dashboard: %s\n", url, d.command("dashboard --open"))
		},
		Ready: func() {
			tell(d, notifier.Ready(buildinfo.Version()))
			if was, err := connected(dir); err == nil && !was {
				d.printf("This host is not connected yet: %s\n", d.command("connect --api-url <url>"))
			}
		},
		Draining: func(workers int, within time.Duration) {
			tell(d, notifier.Stopping(workers, within))
			if workers > 0 {
				d.printf("Stopping: waiting for %d worker(s) to finish. Interrupt again to leave them running.\n", workers)
			}
		},
	}
	if trial {
		options.Listening, options.Ready, options.Draining = nil, nil, nil
		return d.runTrial(ctx, options)
	}
	return d.serve(ctx, options, notify, func(err error) error { return explainStart(d, o, err) })
}

// managerEnv is what a program needs in its environment to go on as the service
// that this one is.
func managerEnv(getenv func(string) string) []string {
	var out []string
	for _, name := range []string{osservice.NotifySocket, serviceEnv} {
		if value := getenv(name); value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// serviceManager names who started this daemon and starts it again; empty in a
// terminal. Only our units set the variable. It and the socket that the manager
// listens on are this process's business and must not reach workers.
func serviceManager(getenv func(string) string) string {
	manager := getenv(serviceEnv)
	_ = os.Unsetenv(serviceEnv) // a name that is set can be unset
	return manager
}

// tell notes that the service manager could not be told something. It then does
// what it does with a program that says nothing.
func tell(d *deps, err error) {
	if err != nil {
		d.notef("%v\n", err)
	}
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
	case manager != "", !becomes && d.standsFor.Program != "":
		return cliutil.Silent(cliutil.ExitRestart) // whoever started it starts it again
	}
	d.printf("Restarting: %s\n", cliutil.Printable(left.Reason))
	code, err := d.replace(d.again(left.Port))
	return startedAnew(d, code, err)
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
