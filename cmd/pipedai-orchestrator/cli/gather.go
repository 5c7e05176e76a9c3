package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"time"

	version "github.com/hashicorp/go-version"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/osservice"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

// withoutDaemon says why there is no daemon to ask, and what comes next. service
// is nil without one.
func (d *deps) withoutDaemon(dir hostdir.Dir, service *osservice.Service, report *statusReport) {
	was, err := connected(dir)
	if err != nil {
		report.fail("unusable", d.explainHome(err))
		return
	}
	report.State = stateStopped
	item := api.HealthItem{
		Code: "daemon_stopped", Severity: "error", Message: "the daemon is not running",
		Fix: "start it", Command: d.command("start"),
	}
	if service != nil {
		item = report.Service.idle(service, dir)
	}
	if _, err := daemon.ReadInfo(dir); err == nil { // one that ends in order takes its word away
		item.Message = "the daemon ended without stopping its workers; they may still be running"
	} else if _, err := os.Stat(dir.Credentials()); errors.Is(err, fs.ErrNotExist) && service == nil {
		report.State = stateNotInstalled
		item.Message = "this host is not set up"
	}
	if !was && service == nil {
		item.Fix, item.Command = "connect this host, then start the daemon", d.command("connect --api-url <url>")
	}
	if d.pairing(dir, report) {
		return
	}
	report.Health = append(report.Health, item)
}

// pairing notes a connect that waits for approval in another terminal.
func (d *deps) pairing(dir hostdir.Dir, report *statusReport) bool {
	p, waits := enroll.ReadPending(dir)
	if !waits {
		return false
	}
	report.Pairing = &pairingFacts{p.APIURL, p.UserCode, p.URL, p.ExpiresAt}
	if report.State == daemon.StateRunning || report.State == daemon.StateDegraded {
		return false // one more control plane; the host works without it
	}
	report.State = statePendingApproval
	report.Health = []api.HealthItem{{
		Code: "pending_approval", Severity: "warning",
		Message: "an operator of " + p.APIURL + " has to approve this host (code " + groups(p.UserCode) + ")",
		Fix:     "open " + p.URL + " and enter the code",
	}}
	return true
}

// ofDaemon asks the daemon.
func (d *deps) ofDaemon(ctx context.Context, local reached, report *statusReport) error {
	report.State, report.PID, report.Version = daemon.StateStarting, local.info.PID, local.info.Version
	report.StartedAt = local.info.StartedAt
	report.UptimeSeconds = int64(time.Since(local.info.StartedAt.Time).Seconds())
	report.URL = local.base()
	self, err := local.Self(ctx)
	var answer *api.Error
	if errors.As(err, &answer) && answer.Code == api.CodeNotReady {
		return nil
	}
	if err != nil {
		return d.explainDaemon(err)
	}
	report.State, report.Version, report.PID = self.State, self.Version, self.PID
	if self.ControlPlanes != nil {
		report.ControlPlanes = self.ControlPlanes
	}
	if self.Health != nil {
		report.Health = self.Health
	}
	workers, err := local.Workers(ctx)
	if err != nil {
		return d.explainDaemon(err)
	}
	if workers != nil {
		report.Workers = workers
	}
	if dir, err := d.dir(); err == nil {
		d.pairing(dir, report)
	}
	// An upgrade of the daemon leaves the installed program as it is.
	upgraded := self.Installed.Pinned == self.Version && self.Installed.Version == buildinfo.Version()
	if item, differ := d.compareVersions(self.Version, buildinfo.Version()); differ && !upgraded {
		report.Health = append(report.Health, item)
	}
	return nil
}

// compareVersions says what to do when the daemon that runs is another version
// than this program.
func (d *deps) compareVersions(running, own string) (api.HealthItem, bool) {
	r, errR := version.NewVersion(running)
	o, errO := version.NewVersion(own)
	switch {
	case running == own, errR != nil, errO != nil, r.Equal(o):
		return api.HealthItem{}, false
	case r.LessThan(o):
		return api.HealthItem{
			Code: "daemon_older", Severity: "warning",
			Message: "the daemon that runs is version " + running + ", this program is " + own,
			Fix:     "restart the daemon, workers keep running", Command: d.command("restart"),
		}, true
	default:
		return api.HealthItem{
			Code: "daemon_newer", Severity: "warning",
			Message: "the daemon that runs is version " + running + ", newer than this program (" + own + ")",
			Fix:     "use the program that the daemon was started from",
		}, true
	}
}

// explainDaemon adds what helps when a daemon of another version does not know
// what it is asked.
func (d *deps) explainDaemon(err error) error {
	var answer *api.Error
	if !errors.As(err, &answer) || d.running == "" {
		return err
	}
	item, differ := d.compareVersions(d.running, buildinfo.Version())
	unknown := answer.Status == 404 && answer.Code == api.CodeNotFound && answer.Fix == "" ||
		answer.Status == 405 || answer.Status == 502 && answer.Detail == ""
	if !differ || !unknown {
		return err
	}
	return cliutil.Failf(cliutil.ExitNotRunning, joinFix(item), "%s, and they do not understand each other here: %s", item.Message, answer.Message)
}

// foreignHome warns when the home is another user's: what this user starts or
// writes there is in the other's way.
func (d *deps) foreignHome(dir hostdir.Dir) (api.HealthItem, bool) {
	owner, foreign := foreignOwner(dir.Home())
	if !foreign {
		return api.HealthItem{}, false
	}
	return api.HealthItem{
		Code: "wrong_user", Severity: "warning",
		Message: dir.Home() + " belongs to the user " + owner,
		Fix:     "work as that user", Command: "sudo -u " + daemon.ShellQuote(owner) + " " + d.command("status"),
	}, true
}

// userName is a user's name, or the number without one.
func userName(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}
