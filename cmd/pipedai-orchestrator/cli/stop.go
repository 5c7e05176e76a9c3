package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon/osservice"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// stopOptions add the daemon to what can be stopped.
type stopOptions struct {
	verbOptions
	daemon bool
}

func newStopCmd(d *deps) *cobra.Command {
	o := stopOptions{verbOptions: verbOptions{verb: verbStop}}
	cmd := &cobra.Command{
		Use: "stop [worker...]", Short: verbStop.short, Long: verbStop.long + namesText,
		Example: `  pipedai-orchestrator stop build-box
  pipedai-orchestrator stop --all --wait --timeout 10m
  pipedai-orchestrator stop --daemon`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			if o.daemon {
				return runStopDaemon(cmd.Context(), d, o)
			}
			return runVerb(cmd.Context(), d, o.verbOptions)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.daemon, "daemon", false, "the daemon, after all its workers; they start with it again")
	cmd.MarkFlagsMutuallyExclusive("daemon", "all")
	cmd.MarkFlagsMutuallyExclusive("daemon", "json")
	return cmd
}

// runStopDaemon asks the daemon to end as an interrupt in its terminal does,
// and stays until it has.
func runStopDaemon(ctx context.Context, d *deps, o stopOptions) error {
	switch {
	case len(o.names) > 0:
		return cliutil.UsageError("--daemon stops all workers: name none")
	case o.timeout < 0:
		return cliutil.UsageError("--timeout must not be negative")
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	service, facts := d.serviceOf(ctx, dir)
	served := facts.Running && (facts.PID == 0 || facts.PID == local.info.PID)
	waiting := ctx
	if o.timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	asked := make(chan error, 1)
	go func() { asked <- d.askToStop(waiting, local, service, served) }()
	began, told := time.Now(), time.Now()
	for {
		health, err := local.Health(waiting)
		if waiting.Err() == nil && (err != nil || health.PID != local.info.PID) {
			if asked != nil {
				select {
				case err := <-asked: // the manager has seen it, too
					if err != nil {
						d.notef("stop: %v\n", err)
					}
				case <-waiting.Done():
				}
			}
			d.saidStopped(service, facts)
			return nil
		}
		select {
		case err := <-asked:
			if err != nil && waiting.Err() == nil {
				return err
			}
			asked = nil // it is ending; nobody answers twice
		default:
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			d.notef("stop: the daemon waits for its workers (%s).\n", humanDuration(time.Since(began)))
		}
		if !backoff.Sleep(waiting, 50*time.Millisecond) {
			break
		}
	}
	code, why := cliutil.ExitTimeout, "not over in time"
	if ctx.Err() != nil {
		code, why = cliutil.ExitInterrupted, "interrupted"
	}
	return cliutil.Failf(code, "look again: "+d.command("status"), "%s; the daemon goes on stopping", why)
}

// saidStopped tells that the daemon has ended, and what would start it.
func (d *deps) saidStopped(service *osservice.Service, facts serviceFacts) {
	d.printf("The daemon has stopped.\n")
	if facts.Installed && facts.Enabled {
		d.notef("Its service starts it again at the next boot, or log-in. Now: %s; never again: %s\n", service.StartCommand(), d.command("uninstall"))
	}
}

// askToStop has the daemon end in order: through its service manager, which
// would otherwise not know that it is meant, or by a signal.
func (d *deps) askToStop(ctx context.Context, local reached, service *osservice.Service, served bool) error {
	if served && (service.Kind() != osservice.Systemd || os.Geteuid() == 0) {
		return service.Stop(ctx)
	}
	if runtime.GOOS == "windows" {
		return cliutil.Failf(cliutil.ExitFailed, "interrupt it in its terminal",
			"on Windows no program can ask another one to end in order")
	}
	// The daemon that answered just now has this pid: it is no other's. To
	// systemd an end of its own with code 0 is a stop too.
	process, err := os.FindProcess(local.info.PID)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if errors.Is(err, os.ErrPermission) {
		return cliutil.Failf(cliutil.ExitConflict, "do it as that user", "the daemon (pid %d) runs as another user", local.info.PID)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	return nil
}
