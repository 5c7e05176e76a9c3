package cli

import (
	"context"
	"runtime"

	"pipedai/daemon/osservice"
)

// installUnasked makes the connected host a service where nobody has to be
// asked: for the usual home, and by a service manager that runs. Otherwise it
// says why not, in a few words.
func (d *deps) installUnasked(ctx context.Context, o connectOptions) (_ *installReport, why string) {
	switch {
	case o.noInstall:
		return nil, "--no-install was given"
	case d.home != "" || d.streams.Getenv("PIPEDAI_HOME") != "":
		return nil, "this is not the usual home"
	}
	account, err := osservice.Invoking(d.streams.Getenv)
	if err != nil {
		return nil, err.Error()
	}
	system, person := d.available(d.streams.Getenv)
	choice := installOptions{workerProgram: d.streams.Getenv("PIPEDAI_WORKER_PROGRAM")}
	switch {
	case system == "" && person == "":
		return nil, osservice.ErrNoManager.Error()
	case runtime.GOOS == "linux" && account.Sudo:
		// What was connected is root's home, not that of whoever called sudo.
		return nil, "connect was run by sudo"
	case runtime.GOOS == "linux" && !account.Root:
		choice.user = true
	}
	plan, err := planInstall(ctx, d, choice)
	if err != nil {
		return nil, err.Error()
	}
	report, err := plan.carryOut(ctx, d)
	if err != nil {
		return nil, err.Error()
	}
	return &report, ""
}

// served tells how the daemon runs from now on.
func (p *presenter) served(report *installReport, why string) {
	switch {
	case p.o.json && report != nil:
		p.event(map[string]any{"event": "service", "installed": true, "change": report.Change, "manager": report.Manager, "pid": report.PID})
	case p.o.json:
		p.event(map[string]any{"event": "service", "installed": false, "reason": why})
	case report == nil:
		p.d.printf("\nNo service is installed (%s): the daemon runs while its terminal does.\nNext: %s\n", why, p.d.command("start"))
	default:
		p.d.printf("\n")
		printInstalled(p.d, *report)
	}
}

// openDashboard shows the page of a daemon that has just become ready; when
// nobody can be shown it, its address was printed.
func (d *deps) openDashboard(ctx context.Context) {
	if local, err := d.daemon(ctx); err == nil {
		_ = d.open(local.dashboardURL())
	}
}
