package cli

import (
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/cliutil"
)

// labelled prints a line of the status, broken to the width of the terminal.
func (d *deps) labelled(label, text string) {
	const indent = 9
	d.printf("%s\n", cliutil.Wrap(fmt.Sprintf("%-*s", indent, label)+text, d.streams.Width, indent))
}

func (d *deps) printStatus(r statusReport) error {
	state := d.paint(stateLook(r.State), r.State)
	if r.PID != 0 {
		state += fmt.Sprintf("  (pid %d, up %s, version %s)", r.PID, humanDuration(time.Duration(r.UptimeSeconds)*time.Second), r.Version)
	}
	d.labelled("Daemon", state)
	d.labelled("Home", cliutil.Printable(r.Home))
	if r.URL != "" {
		d.labelled("Page", r.URL+"  (open it: dashboard --open)")
	}
	if r.Service.Installed || r.PID != 0 {
		d.labelled("Service", cliutil.Printable(r.Service.text()))
	}
	if r.Pairing != nil {
		d.labelled("Pairing", fmt.Sprintf("%s  code %s, valid for %s", cliutil.Printable(r.Pairing.APIURL),
			cliutil.Printable(groups(r.Pairing.UserCode)), humanDuration(time.Until(r.Pairing.ExpiresAt.Time))))
	}
	for _, p := range r.ControlPlanes {
		d.labelled("Control", cliutil.Printable(p.APIURL)+"  "+planeText(p))
	}
	if len(r.Workers) > 0 {
		d.printf("\n")
		if err := printWorkers(d, r.Workers, listOptions{}); err != nil {
			return err
		}
	}
	if len(r.Health) > 0 {
		d.printf("\n")
	}
	for _, item := range r.Health {
		d.printHealth(item)
	}
	return nil
}

// printHealth says what is wrong and what helps. The command stands alone and
// whole, so that it can be copied.
func (d *deps) printHealth(item api.HealthItem) {
	look := yellow
	if item.Severity == "error" {
		look = red
	}
	const indent = 2
	d.printf("%s\n", cliutil.Wrap(d.paint(look, item.Severity+":")+" "+cliutil.Printable(item.Message), d.streams.Width, indent))
	fix := cliutil.Printable(joinFix(item))
	if fix == "" {
		return
	}
	if d.streams.Width > 0 && item.Command != "" && item.Fix != "" && indent+cliutil.Width(fix) > d.streams.Width {
		d.printf("%s\n  %s\n", cliutil.Wrap("  "+cliutil.Printable(item.Fix)+":", d.streams.Width, indent), cliutil.Printable(item.Command))
		return
	}
	if item.Command != "" {
		d.printf("  %s\n", fix)
		return
	}
	d.printf("%s\n", cliutil.Wrap("  "+fix, d.streams.Width, indent))
}

func stateLook(state string) string {
	switch state {
	case daemon.StateRunning:
		return green
	case stateError, stateStopped, daemon.StateRevoked:
		return red
	default:
		return yellow
	}
}

func planeText(p api.RemoteState) string {
	switch {
	case p.Error != "" && p.LastOKAt.IsZero():
		return "never reached"
	case p.Error != "":
		return "not reachable; last reached " + humanDuration(time.Since(p.LastOKAt.Time)) + " ago"
	case !p.Reachable:
		return "not asked yet"
	default:
		return "reachable (" + humanDuration(time.Since(p.LastOKAt.Time)) + " ago)"
	}
}

func joinFix(item api.HealthItem) string {
	switch {
	case item.Fix == "":
		return item.Command
	case item.Command == "":
		return item.Fix
	default:
		return item.Fix + ": " + item.Command
	}
}

// humanDuration is short: the two largest units.
func humanDuration(t time.Duration) string {
	t = max(t, 0).Round(time.Second)
	days, hours, minutes, seconds := int(t.Hours())/24, int(t.Hours())%24, int(t.Minutes())%60, int(t.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}
