package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon"
	"pipedai/daemon/osservice"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

type uninstallOptions struct {
	user, system bool
	keepWorkers  bool
	dryRun       bool
	json         bool
}

// uninstallReport is what uninstall --json prints.
type uninstallReport struct {
	Removed bool           `json:"removed"` // false: there was no service, or it was a dry run
	DryRun  bool           `json:"dryRun,omitempty"`
	Manager osservice.Kind `json:"manager,omitempty"`
	Path    string         `json:"path,omitempty"`
	Workers string         `json:"workers,omitempty"` // "stopped" or "kept"
}

func newUninstallCmd(d *deps) *cobra.Command {
	o := uninstallOptions{}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the service",
		Long: `Stops the service, which lets workers finish the runs they have in hand, and
removes it. With --keep-workers they run on without a daemon, until one is
started. Nothing of this host's folder is removed.`,
		Example: `  sudo pipedai-orchestrator uninstall
  pipedai-orchestrator uninstall --keep-workers
  pipedai-orchestrator uninstall --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUninstall(cmd.Context(), d, o) },
	}
	cmd.Flags().BoolVar(&o.user, "user", false, "the service of your own (Linux)")
	cmd.Flags().BoolVar(&o.system, "system", false, "the service of the machine (Linux)")
	cmd.Flags().BoolVar(&o.keepWorkers, "keep-workers", false, "leave the workers running")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be removed and change nothing")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("user", "system")
	return cmd
}

func runUninstall(ctx context.Context, d *deps, o uninstallOptions) error {
	if o.keepWorkers && runtime.GOOS == "windows" {
		return cliutil.UsageError("--keep-workers: on Windows workers end with their daemon")
	}
	account, err := osservice.Invoking(d.streams.Getenv)
	if err != nil {
		return err
	}
	s, home, err := d.installedService(ctx, account, o)
	if err != nil {
		return err
	}
	report := uninstallReport{}
	if s != nil {
		report.Manager, report.Path, report.Workers = s.Kind(), s.Path(), "stopped"
		if o.keepWorkers {
			report.Workers = "kept"
		}
		if o.dryRun {
			report.DryRun = true
			return d.printRemoval(report, o, home)
		}
		if s.Kind() == osservice.Systemd && !account.Root {
			return cliutil.Failf(cliutil.ExitFailed, "sudo "+daemon.ShellQuote(d.ownName())+" uninstall",
				"a service of the machine can only be removed by root")
		}
		if o.keepWorkers {
			if err := d.detachService(ctx, s, account, home); err != nil {
				return err
			}
		}
		if report.Removed, err = s.Uninstall(ctx); err != nil {
			if errors.Is(err, os.ErrPermission) {
				return cliutil.Fail(cliutil.ExitFailed, err, "run it as administrator")
			}
			return err
		}
	}
	return d.printRemoval(report, o, home)
}

func (d *deps) printRemoval(report uninstallReport, o uninstallOptions, home string) error {
	if o.json {
		return cliutil.JSON(d.streams.Out, report)
	}
	switch {
	case report.DryRun:
		d.printf("This would stop and remove the service %s (%s), which looks after %s. Workers would be %s.\n",
			report.Manager.Name(), report.Manager.Title(), cliutil.Printable(home), report.Workers)
	case !report.Removed:
		d.printf("No service is installed.\n")
	case o.keepWorkers:
		d.printf("The service was removed. Its workers run on; take them up again: %s\n", d.command("start"))
	default:
		d.printf("The service was removed, and its workers were stopped. The files of this host stay in %s\n", cliutil.Printable(home))
	}
	return nil
}

// installedService finds the one that is installed: of the machine, or of the
// person. nil when there is none.
func (d *deps) installedService(ctx context.Context, a osservice.Account, o uninstallOptions) (*osservice.Service, string, error) {
	for _, kind := range d.kinds() {
		if o.user && kind == osservice.Systemd || o.system && kind == osservice.SystemdUser {
			continue
		}
		s, err := d.service(osservice.Options{Kind: kind, UserHome: a.Home})
		if err != nil {
			return nil, "", err
		}
		home, err := s.Home(ctx)
		if err != nil {
			return nil, "", cliutil.Fail(cliutil.ExitConflict, err, "")
		}
		if home != "" {
			return s, home, nil
		}
	}
	return nil, "", nil
}

// kinds are the service managers that may know of us, whoever runs.
func (d *deps) kinds() []osservice.Kind {
	var kinds []osservice.Kind
	system, person := d.available(d.streams.Getenv)
	for _, kind := range []osservice.Kind{person, system} {
		if kind != "" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// detachService has the daemon of a service end without its workers, and waits
// for that. A daemon that is away already has done so. Its token is its owner's
// only, so below sudo it is the owner who asks.
func (d *deps) detachService(ctx context.Context, s *osservice.Service, a osservice.Account, home string) error {
	dir, err := hostdir.At(home)
	if err != nil {
		return err
	}
	info, _ := lookAt(ctx, dir)
	if info.PID == 0 {
		return nil
	}
	if a.Sudo {
		cmd := exec.CommandContext(ctx, d.ownName(), "--home", home, "detach")
		asUser(cmd, a)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("have the daemon leave its workers: %w: %s", err, strings.TrimSpace(string(out)))
		}
	} else {
		d2 := *d
		d2.home, d2.streams.Out = home, io.Discard
		if err := runDetach(ctx, &d2, false); err != nil {
			return err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	pace := backoff.Policy{Base: 20 * time.Millisecond, Max: 250 * time.Millisecond}
	for tries := 1; ; tries++ {
		if state, err := s.State(waiting); err == nil && !state.Running {
			return nil
		}
		if !pace.Wait(waiting, tries) {
			return cliutil.Failf(cliutil.ExitTimeout, "", "the daemon (pid %d) did not end", info.PID)
		}
	}
}

func (d *deps) ownName() string {
	own, err := ownProgram()
	if err != nil {
		return program
	}
	return own
}
