// Package cli is the command line of pipedai-orchestrator: one file per
// command, each an options struct filled from flags and a run function.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

const program = "pipedai-orchestrator"

// Main runs the program and returns its exit code. The first interrupt ends
// what is under way in order, the second at once.
func Main(ctx context.Context, args []string, s cliutil.Streams) int {
	ctx, stop := cliutil.Signals(ctx)
	defer stop()
	d := newDeps(s)
	d.args = args
	return cliutil.Run(ctx, newRoot(d), s, args)
}

// deps is what commands share. Costly things are functions, so that a command
// that does not need them does not pay for them, and tests can replace them.
type deps struct {
	streams cliutil.Streams
	home    string   // --home
	args    []string // the command line, for a daemon that starts itself anew
	// open shows a URL in the person's browser.
	open func(url string) error
	// pipeWait is how long standard input that nobody named may take to end.
	pipeWait time.Duration
	// replace makes this process run the program anew; it returns only when
	// that failed, or, where processes cannot do so, the exit code of the new one.
	replace func(args []string) (int, error)
}

func newDeps(s cliutil.Streams) *deps {
	return &deps{streams: s, open: openBrowser(s.Getenv), pipeWait: pipeWait, replace: replaceProgram}
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

func newRoot(d *deps) *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Look after the workers of this host",
		Long: `Connects this host to a control plane, keeps its workers running, and serves
a dashboard on this machine.`,
		Example: `  pipedai-orchestrator connect --api-url https://api.example.com
  pipedai-orchestrator start
  pipedai-orchestrator status`,
		Version: buildinfo.Version(),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			d.printf("\nNext: %s\n", d.nextStep(cmd.Context()))
			return nil
		},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.PersistentFlags().StringVar(&d.home, "home", "", "folder of this host's files (default $PIPEDAI_HOME, or ~/.pipedai)")
	root.AddCommand(
		newConnectCmd(d), newStartCmd(d), newRestartCmd(d), newStatusCmd(d), newDashboardCmd(d),
		newWorkersCmd(d), newLogsCmd(d), newLoginCmd(d), newLogoutCmd(d), newTokensCmd(d), newVersionCmd(d),
		exitCodesTopic(), environmentTopic(),
	)
	return root
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
		Long: `Flags go before the environment, the environment before defaults.

  PIPEDAI_HOME            folder of this host's files (default ~/.pipedai)
  PIPEDAI_API_URL         control plane that connect talks to
  PIPEDAI_CONNECT_TOKEN   enrolment code for connect
  PIPEDAI_OPERATOR_TOKEN  token for login
  PIPEDAI_WORKER_PROGRAM  the pipedai-worker to run
  PIPEDAI_PROBE_INTERNET  URLs that the daemon probes besides control planes, or off
  PIPEDAI_SERVICE         set by the service unit: the service manager's name
  PIPEDAI_ACCESSIBLE      1: no drawing, no line that changes
  NO_COLOR                no bold or coloured text`,
	}
}
