// Package cli is the command line of pipedai-orchestrator: one file per
// command, each an options struct filled from flags and a run function.
package cli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/connectivity"
	"pipedai/daemon/launch"
	"pipedai/daemon/localapi/localclient"
	"pipedai/daemon/osservice"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

const program = api.ProgramOrchestrator

//go:generate sh -c "go run .. reference >../../../docs/cli/pipedai-orchestrator.md"

// Main runs the program and returns its exit code. The first interrupt ends
// what is under way in order, the second at once.
func Main(ctx context.Context, args []string, s cliutil.Streams) int {
	ctx, stop := cliutil.Signals(ctx)
	defer stop()
	d := newDeps(s)
	d.args = args
	run := func(ctx context.Context) int { return execute(ctx, d, args) }
	if origin, stands := launch.ReadOrigin(s.Getenv); stands {
		d.standsFor = origin
		ctx, end := tied(ctx)
		defer end()
		return run(ctx) // the installed program is the one that a service manager talks to
	}
	return osservice.Serve(ctx, run)
}

// execute runs one command line.
func execute(ctx context.Context, d *deps, args []string) int {
	code := cliutil.Run(ctx, newRoot(d), d.streams, args, d.explainDaemon)
	if code == cliutil.ExitOK {
		d.tellOfUpdate(ctx, args)
	}
	return code
}

// deps is what commands share. Costly things are functions, so that a command
// that does not need them does not pay for them, and tests can replace them.
type deps struct {
	streams cliutil.Streams
	home    string              // --home
	noColor bool                // --no-color
	running string              // version of the daemon that was reached last
	spoken  *localclient.Client // how it was; nil when none was
	args    []string            // the command line, for a daemon that starts itself anew
	// open shows a URL in the person's browser.
	open func(url string) error
	// pipeWait is how long standard input that nobody named may take to end.
	pipeWait time.Duration
	// proxy and roots are what checks of the network use; nil is the
	// environment's and the system's.
	proxy connectivity.ProxyFunc
	roots *x509.CertPool
	// replace makes this process run the program anew; it returns only when
	// that failed, or, where processes cannot do so, the exit code of the new one.
	replace func(args []string) (int, error)
	// become makes this process run another program, as replace does.
	become func(ctx context.Context, program string, args []string, env ...string) (int, error)
	// standsFor is the installed program when this is another version in its place.
	standsFor launch.Origin
	// available tells which service managers run here, service speaks to one.
	available func(getenv func(string) string) (system, person osservice.Kind)
	service   func(osservice.Options) (*osservice.Service, error)
}

func newDeps(s cliutil.Streams) *deps {
	d := &deps{streams: s, open: openBrowser(s.Getenv), pipeWait: pipeWait, become: becomeProgram,
		available: osservice.Available, service: osservice.New}
	d.replace = func(args []string) (int, error) {
		installed, err := d.installedProgram()
		if err != nil {
			return 0, err
		}
		return d.become(context.Background(), installed, args)
	}
	return d
}

// dir resolves where this host keeps its files: --home, else PIPEDAI_HOME,
// else ~/.pipedai.
func (d *deps) dir() (hostdir.Dir, error) {
	if d.home != "" {
		return hostdir.At(d.home)
	}
	return hostdir.Resolve(d.streams.Getenv)
}

// printf writes for people. A terminal that is gone is nobody to tell.
func (d *deps) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(d.streams.Out, format, args...)
}

// printJSON writes one JSON object on a line of its own, for programs that
// read as it comes.
func (d *deps) printJSON(v any) {
	if data, err := json.Marshal(v); err == nil { // what we print always encodes
		d.printf("%s\n", data)
	}
}

// notef writes what is not the result: hints, warnings, progress.
func (d *deps) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(d.streams.Err, format, args...)
}

// command words a command line of this program, with the --home the person
// used, so that it can be pasted.
func (d *deps) command(args string) string {
	return daemon.Command(d.home, args)
}

// The groups of the help.
const (
	groupHost     = "host"
	groupWorkers  = "workers"
	groupDiagnose = "diagnose"
	groupService  = "service"
)

func newRoot(d *deps) *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Look after the workers of this host",
		Long: `Connects this host to a control plane, keeps its workers running, and serves
a dashboard on this machine.`,
		Example: `  pipedai-orchestrator connect --api-url https://api.example.com
  pipedai-orchestrator start
  pipedai-orchestrator status`,
		Version:           buildinfo.Version(),
		Args:              cobra.NoArgs,
		DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.printf("%s\nNext: %s\n", shortHelp(cmd), d.nextStep(cmd.Context()))
			return nil
		},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.PersistentFlags().StringVar(&d.home, "home", "", "folder of this host's files (default $PIPEDAI_HOME, or ~/.pipedai)")
	root.PersistentFlags().BoolVar(&d.noColor, "no-color", false, "no bold or coloured text")
	root.AddGroup(
		&cobra.Group{ID: groupHost, Title: "Host"},
		&cobra.Group{ID: groupWorkers, Title: "Workers"},
		&cobra.Group{ID: groupDiagnose, Title: "Diagnose"},
		&cobra.Group{ID: groupService, Title: "Service"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupHost, newConnectCmd(d), newStartCmd(d), newDashboardCmd(d), newLoginCmd(d), newLogoutCmd(d), newTokensCmd(d),
		newTokenCmd(d), newKeysCmd(d), newVersionsCmd(d), newConfigCmd(d))
	add(groupWorkers, newListCmd(d), newWorkersCmd(d), newBuildCmd(d), newLogsCmd(d), newRunsCmd(d), newOperationsCmd(d),
		newAdoptCmd(d), newUpgradeCmd(d))
	add(groupWorkers, workerVerbs(d)...)
	add(groupDiagnose, newStatusCmd(d), newEventsCmd(d), newConnectivityCmd(d), newInfoCmd(d), newSupportBundleCmd(d))
	add(groupService, newInstallCmd(d), newUninstallCmd(d), newRestartCmd(d), newDetachCmd(d), newManifestCmd(d))
	root.AddCommand(newVersionCmd(d), exitCodesTopic(), environmentTopic(), cliutil.NewReferenceCmd(d.streams))
	cliutil.Look(root, "Learn more: "+program+" help exit-codes|environment|config")
	return root
}

// shortHelp is for somebody who typed nothing but the name.
func shortHelp(root *cobra.Command) string {
	out := root.Short + ".\n\n"
	for _, group := range cliutil.CommandGroups(root) {
		var names []string
		for _, c := range group.Commands {
			names = append(names, c.Name())
		}
		out += cliutil.Wrap(fmt.Sprintf("  %-10s", group.Title)+strings.Join(names, ", "), 79, 12) + "\n"
	}
	return out + "\nAll of it:  " + root.Name() + " --help\nOf one:     " + root.Name() + " <command> --help\n"
}

// nextStep is what most helps now.
func (d *deps) nextStep(ctx context.Context) string {
	if _, err := d.daemon(ctx); err == nil {
		return d.command("dashboard --open")
	}
	dir, err := d.dir()
	if err == nil {
		if was, err := connected(dir); err == nil && was {
			return d.command("start")
		}
	}
	return d.command("connect --api-url <url>")
}

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit codes mean",
		Long: `Exit codes of every command:

    0  done
    1  failed
    2  the command line was wrong
    3  the daemon is not running, or something is not healthy
    4  pairing or signing in is needed, or was denied
    5  timed out waiting
    6  another instance, a busy port or a lock is in the way
   75  start, as a service: start me again (restart, upgrade)
  130  interrupted`,
	}
}

func environmentTopic() *cobra.Command {
	return &cobra.Command{
		Use: "environment", Short: "Which environment variables are read",
		Long: `Flags go before the environment, the environment before the configuration file,
that before defaults.

  PIPEDAI_HOME            folder of this host's files (default ~/.pipedai)
  PIPEDAI_CONFIG          configuration file of the daemon
  PIPEDAI_HOST            loopback address the daemon listens on
  PIPEDAI_PORT            port the daemon listens on
  PIPEDAI_WORKER_PROGRAM  the pipedai-worker to run
  PIPEDAI_STOP_GRACE      how long a stopped worker may finish its run
  PIPEDAI_VERBOSE         true: the daemon logs more
  PIPEDAI_LOG_FILE        true: the daemon keeps its own log in a file
  PIPEDAI_LOG_MAX_SIZE    MiB at which the log of a worker is rotated
  PIPEDAI_LOG_BACKUPS     rotated logs kept of each worker
  PIPEDAI_LOG_BUDGET      MiB of all workers' logs together
  PIPEDAI_RUN_DAYS        days for which the events of a run are kept
  PIPEDAI_RUN_BUDGET      MiB of all runs' events together
  PIPEDAI_KEEP_VERSIONS   installed versions kept of each program
  PIPEDAI_NPM_REGISTRY    registry of Node packages
  PIPEDAI_NPM_PACKAGE     Node package of pipedai-worker
  PIPEDAI_NPM_SCRIPTS     true: Node packages run their install scripts
  PIPEDAI_API_URL         control plane that connect talks to
  PIPEDAI_CONNECT_TOKEN   enrolment code for connect
  PIPEDAI_OPERATOR_TOKEN  token for login
  PIPEDAI_PROBE_INTERNET  URLs that the daemon probes besides control planes, or off
  PIPEDAI_SERVICE         set by the service unit: the service manager's name
  PIPEDAI_ACCESSIBLE      1: no drawing, no line that changes
  PIPEDAI_DEBUG           api: show every request and answer, without secrets
  PIPEDAI_NO_UPDATE_NOTIFIER  1: say nothing of newer versions (nor where CI is set)
  NO_COLOR                no bold or coloured text
  CLICOLOR_FORCE          colour even where no person looks`,
	}
}
