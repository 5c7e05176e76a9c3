package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon"
	"pipedai/daemon/localapi/localclient"
	"pipedai/daemon/osservice"
	"pipedai/internal/atomicfile"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

type installOptions struct {
	user, system, nssm bool
	port               int
	workerProgram      string
	stopGrace          time.Duration
	dryRun, json       bool
}

// installReport is what install --json prints. Members are added, never
// renamed.
type installReport struct {
	Change  osservice.Change `json:"change"`
	Manager osservice.Kind   `json:"manager"`
	Service string           `json:"service"`
	Path    string           `json:"path,omitempty"`
	Home    string           `json:"home"`
	User    string           `json:"user"`
	PID     int              `json:"pid,omitempty"`
	URL     string           `json:"url,omitempty"`
	Hint    string           `json:"hint,omitempty"`
	Unit    string           `json:"unit,omitempty"` // of a dry run
}

func newInstallCmd(d *deps) *cobra.Command {
	o := installOptions{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the daemon as a service",
		Long: `Installs the daemon as a service of this machine and starts it. On Linux that is
a systemd service: of the machine, which needs root and runs as whoever called
sudo, or with --user of one person, which needs no root. On macOS it is a launchd
agent, on Windows a Windows service. Running it again is safe.`,
		Example: `  sudo pipedai-orchestrator install
  pipedai-orchestrator install --user
  pipedai-orchestrator install --user --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.workerProgram == "" {
				o.workerProgram = d.streams.Getenv("PIPEDAI_WORKER_PROGRAM")
			}
			return runInstall(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.user, "user", false, "a service of your own; needs no root (Linux)")
	flags.BoolVar(&o.system, "system", false, "a service of the machine; needs root (Linux; the default)")
	flags.BoolVar(&o.nssm, "nssm", false, "write a batch file for NSSM instead (Windows)")
	flags.IntVar(&o.port, "port", 0, "port of the dashboard (default: as configured)")
	flags.StringVar(&o.workerProgram, "worker-program", "", "the pipedai-worker to run (default: beside this program, then on the PATH)")
	flags.DurationVar(&o.stopGrace, "stop-grace", 0, "how long a stopped worker may finish its run (default: as configured)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the unit and change nothing")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("user", "system", "nssm")
	return cmd
}

func runInstall(ctx context.Context, d *deps, o installOptions) error {
	plan, err := planInstall(ctx, d, o)
	if err != nil {
		return err
	}
	if o.dryRun || plan.kind == osservice.NSSM {
		return plan.write(d, o)
	}
	report, err := plan.carryOut(ctx, d)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, report)
	}
	printInstalled(d, report)
	return nil
}

// installation is what is to be done, decided before anything is.
type installation struct {
	kind    osservice.Kind
	account osservice.Account
	service *osservice.Service // nil for NSSM
	unit    osservice.Unit
	dir     hostdir.Dir
}

func planInstall(ctx context.Context, d *deps, o installOptions) (installation, error) {
	p := installation{}
	if o.port < 0 || o.port > 65535 {
		return p, cliutil.UsageError("--port %d is not between 1 and 65535", o.port)
	}
	if o.stopGrace < 0 {
		return p, cliutil.UsageError("--stop-grace must not be negative")
	}
	var err error
	if p.account, err = osservice.Invoking(d.streams.Getenv); err != nil {
		return p, err
	}
	if p.kind, err = d.chooseManager(o, p.account); err != nil {
		return p, err
	}
	if p.dir, err = d.homeOf(p.account); err != nil {
		return p, err
	}
	program, err := ownProgram()
	if err != nil {
		return p, err
	}
	if o.workerProgram != "" { // a service has neither our folder nor our PATH
		if o.workerProgram, err = daemon.FindWorkerProgram(o.workerProgram); err != nil {
			return p, cliutil.Fail(cliutil.ExitUsage, err, "name one that is there with --worker-program")
		}
	}
	p.unit = osservice.Unit{
		Program: program, Home: p.dir.Home(), User: p.account.Name, UserHome: p.account.Home, Port: o.port,
		WorkerProgram: o.workerProgram, StopGrace: o.stopGrace,
		Path: osservice.SearchPath(program, p.account.Home, d.streams.Getenv("PATH"), string(os.PathListSeparator)),
		Log:  filepath.Join(p.dir.Orchestrator(), "service.log"),
	}
	if p.kind == osservice.NSSM {
		return p, nil
	}
	if p.service, err = d.service(osservice.Options{Kind: p.kind, UserHome: p.account.Home}); err != nil {
		return p, err
	}
	p.unit.Subgroup = p.service.Subgroups(ctx)
	return p, nil
}

// chooseManager decides who is to run the daemon. A dry run shows a unit also
// where nobody would read it.
func (d *deps) chooseManager(o installOptions, a osservice.Account) (osservice.Kind, error) {
	system, person := d.available(d.streams.Getenv)
	switch {
	case o.nssm && (runtime.GOOS == "windows" || o.dryRun):
		return osservice.NSSM, nil
	case o.nssm:
		return "", cliutil.UsageError("--nssm is for Windows")
	case runtime.GOOS == "windows":
		if o.user {
			return "", cliutil.UsageError("--user is for Linux; a Windows service belongs to the machine")
		}
		return osservice.Windows, nil
	case runtime.GOOS == "darwin":
		if o.system {
			return "", cliutil.UsageError("--system is for Linux; on macOS the daemon is an agent of yours")
		}
		if a.Root {
			return "", cliutil.Failf(cliutil.ExitUsage, "run it without sudo: "+d.command("install"),
				"on macOS the daemon is an agent of yours, not of root")
		}
		return osservice.Launchd, nil
	}
	switch {
	case o.user && a.Sudo:
		return "", cliutil.Failf(cliutil.ExitUsage, "run it without sudo: "+d.command("install --user"),
			"a service of your own is installed by yourself")
	case o.user && person == "" && !o.dryRun:
		return "", cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("%w for you: no session of systemd", osservice.ErrNoManager),
			"log in as yourself, not through su; or as root: sudo "+d.command("install"))
	case o.user:
		return osservice.SystemdUser, nil
	case o.dryRun:
		return osservice.Systemd, nil
	case system == "":
		return "", cliutil.Fail(cliutil.ExitFailed, osservice.ErrNoManager, "run the daemon yourself: "+d.command("start"))
	case !a.Root:
		args := ""
		if dir, err := d.dir(); err == nil && (d.home != "" || d.streams.Getenv("PIPEDAI_HOME") != "") {
			args = " --home " + daemon.ShellQuote(dir.Home()) // sudo has another environment
		}
		return "", cliutil.Failf(cliutil.ExitFailed,
			"sudo "+daemon.ShellQuote(d.ownName())+args+" install\n  or, for a service of your own: "+d.command("install --user"),
			"a service of the machine can only be installed by root")
	}
	return osservice.Systemd, nil
}

// homeOf is the home that is served: below sudo the one of whoever called it,
// unless another one is named.
func (d *deps) homeOf(a osservice.Account) (hostdir.Dir, error) {
	if a.Sudo && d.home == "" && d.streams.Getenv("PIPEDAI_HOME") == "" {
		return hostdir.At(filepath.Join(a.Home, ".pipedai"))
	}
	return d.dir()
}

// write shows the unit, or leaves it as a file for NSSM, which a person runs.
func (p installation) write(d *deps, o installOptions) error {
	report := p.report()
	var err error
	if p.kind == osservice.Windows {
		report.Unit = osservice.Describe(p.unit)
	} else if report.Unit, err = osservice.Render(p.kind, p.unit); err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "")
	}
	if o.dryRun {
		if o.json {
			return cliutil.JSON(d.streams.Out, report)
		}
		if report.Path != "" {
			d.notef("This would be %s\n", report.Path)
		}
		d.printf("%s", report.Unit)
		return nil
	}
	if err := p.dir.Make(); err != nil {
		return err
	}
	report.Path = filepath.Join(p.dir.Orchestrator(), "install-service.bat")
	if err := atomicfile.Write(report.Path, []byte(report.Unit), 0o600); err != nil {
		return err
	}
	report.Change, report.Unit = osservice.Installed, ""
	if o.json {
		return cliutil.JSON(d.streams.Out, report)
	}
	d.printf("Run this as administrator: %s\n", report.Path)
	return nil
}

func (p installation) report() installReport {
	r := installReport{Manager: p.kind, Service: p.kind.Name(), Home: p.dir.Home(), User: p.account.Name}
	if p.service != nil {
		r.Path = p.service.Path()
	}
	return r
}

// carryOut installs and starts, unless somebody else looks after the home.
func (p installation) carryOut(ctx context.Context, d *deps) (installReport, error) {
	report := p.report()
	running, err := p.rival(ctx)
	if err != nil {
		return report, err
	}
	if report.Change, err = p.service.Install(ctx, p.unit); err != nil {
		return report, p.explain(d, err)
	}
	if !p.account.Sudo { // a folder that root makes would not be its owner's
		if err := p.dir.Make(); err != nil {
			return report, err
		}
	}
	if running && report.Change == osservice.Updated {
		err = p.service.Restart(ctx) // by the unit before it was started; its workers stay
	} else {
		err = p.service.Start(ctx)
	}
	if err != nil {
		return report, cliutil.Fail(cliutil.ExitFailed, err, "see why: "+p.logs())
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pace := backoff.Policy{Base: 20 * time.Millisecond, Max: 250 * time.Millisecond}
	for tries := 1; ; tries++ {
		info, ready := lookAt(waiting, p.dir)
		if ready {
			report.PID, report.URL = info.PID, info.URL()
			break
		}
		if !pace.Wait(waiting, tries) {
			return report, cliutil.Failf(cliutil.ExitTimeout, "see why: "+p.logs(), "the service was started, but the daemon does not answer")
		}
	}
	if !p.service.Lingers(ctx, p.account.Name) {
		report.Hint = "It ends when you log out. To keep it, and have it at boot: sudo loginctl enable-linger " + daemon.ShellQuote(p.account.Name)
	}
	return report, nil
}

// rival finds a daemon that runs already. true is the service's own; any other
// is in the way.
func (p installation) rival(ctx context.Context) (bool, error) {
	info, _ := lookAt(ctx, p.dir)
	state, err := p.service.State(ctx)
	if err != nil || info.PID == 0 {
		return state.Running, err
	}
	if state.Running && (state.PID == 0 || state.PID == info.PID) {
		return true, nil
	}
	return false, cliutil.Failf(cliutil.ExitConflict,
		"end it first: Ctrl-C in its terminal; or, to leave its workers running meanwhile: "+
			daemon.Command(p.dir.Home(), "detach"),
		"a daemon that is not this service looks after %s already (pid %d)", p.dir.Home(), info.PID)
}

// lookAt finds the daemon of a home that need not be ours to talk to: it asks
// for nothing but a sign of life. The zero Info is none.
func lookAt(ctx context.Context, dir hostdir.Dir) (_ daemon.Info, ready bool) {
	info, err := daemon.PeekInfo(dir)
	if err != nil {
		return daemon.Info{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	health, err := localclient.New(info.URL(), "").Health(ctx)
	if err != nil || health.PID != info.PID {
		return daemon.Info{}, false
	}
	return info, health.Ready
}

func (p installation) explain(d *deps, err error) error {
	switch {
	case errors.Is(err, osservice.ErrOtherHome):
		return cliutil.Fail(cliutil.ExitConflict, err, "there is one service only; remove it first: "+d.command("uninstall"))
	case errors.Is(err, osservice.ErrForeign):
		return cliutil.Fail(cliutil.ExitConflict, err, "")
	case errors.Is(err, os.ErrPermission) && runtime.GOOS == "windows":
		return cliutil.Fail(cliutil.ExitFailed, err, "run it as administrator")
	}
	return err
}

// logs words how to see what the service said.
func (p installation) logs() string { return p.kind.LogCommand(daemon.ShellQuote(p.unit.Log)) }

func printInstalled(d *deps, r installReport) {
	switch r.Change {
	case osservice.Already:
		d.printf("The service %s is already installed and runs (pid %d).\n", r.Service, r.PID)
	case osservice.Updated:
		d.printf("The service %s was changed and runs (pid %d).\n", r.Service, r.PID)
	default:
		d.printf("The service %s is installed and runs (pid %d).\n", r.Service, r.PID)
	}
	if r.Path != "" {
		d.printf("  unit  %s\n", r.Path)
	}
	d.printf("  home  %s\n  user  %s\n", cliutil.Printable(r.Home), r.User)
	if r.Hint != "" {
		d.printf("%s\n", r.Hint)
	}
	d.printf("Next: %s\n", strings.TrimSpace(d.command("dashboard --open")))
}
