package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/cliutil"
)

// stateStopped is the one state that only somebody else than the daemon can
// tell.
const stateStopped = "stopped"

// statusReport is what status --json prints. Members are added, never renamed.
type statusReport struct {
	State         string            `json:"state"`
	Version       string            `json:"version,omitempty"`
	PID           int               `json:"pid,omitempty"`
	URL           string            `json:"url,omitempty"`
	Home          string            `json:"home"`
	StartedAt     api.Time          `json:"startedAt"`
	UptimeSeconds int64             `json:"uptimeSeconds"`
	ControlPlanes []api.RemoteState `json:"controlPlanes"`
	Workers       []api.FusedWorker `json:"workers"`
	Health        []api.HealthItem  `json:"health"`
}

func newStatusCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon, its control planes and its workers",
		Long: `Shows what runs on this host and what needs attention. Exits with 0 when all
is well, 3 when the daemon is not running or something is not healthy, 4 when
this host has to be connected.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runStatus(ctx context.Context, d *deps, asJSON bool) error {
	report, err := gather(ctx, d)
	if err != nil {
		return err
	}
	if asJSON {
		err = cliutil.JSON(d.streams.Out, report)
	} else {
		err = printStatus(d, report)
	}
	if err != nil {
		return err
	}
	switch report.State {
	case daemon.StateRunning:
		return nil
	case daemon.StateNeedsLogin:
		return cliutil.Silent(cliutil.ExitAuth)
	default:
		return cliutil.Silent(cliutil.ExitNotRunning)
	}
}

// gather asks the daemon, or says why there is none to ask.
func gather(ctx context.Context, d *deps) (statusReport, error) {
	dir, err := d.dir()
	if err != nil {
		return statusReport{}, err
	}
	report := statusReport{
		State: stateStopped, Home: dir.Home(),
		ControlPlanes: []api.RemoteState{}, Workers: []api.FusedWorker{}, Health: []api.HealthItem{},
	}
	local, err := d.daemon(ctx)
	if err != nil {
		if !errors.Is(err, daemon.ErrNoInfo) {
			return report, err
		}
		item := api.HealthItem{
			Code: "daemon_stopped", Severity: "error", Message: "the daemon is not running",
			Fix: "start it", Command: d.command("start"),
		}
		if _, err := daemon.ReadInfo(dir); err == nil { // one that ends in order takes its word away
			item.Message = "the daemon ended without stopping its workers; they may still be running"
		}
		was, err := connected(dir)
		if err != nil {
			return report, d.explainHome(err)
		}
		if !was {
			item.Fix, item.Command = "connect this host, then start the daemon", d.command("connect --api-url <url>")
		}
		report.Health = append(report.Health, item)
		return report, nil
	}
	report.State, report.PID, report.Version = daemon.StateStarting, local.info.PID, local.info.Version
	report.StartedAt = local.info.StartedAt
	report.UptimeSeconds = int64(time.Since(local.info.StartedAt.Time).Seconds())
	report.URL = local.base()
	self, err := local.Self(ctx)
	var answer *api.Error
	if errors.As(err, &answer) && answer.Code == api.CodeNotReady {
		return report, nil
	}
	if err != nil {
		return report, err
	}
	report.State, report.Version, report.PID = self.State, self.Version, self.PID
	report.ControlPlanes, report.Health = self.ControlPlanes, self.Health
	report.Workers, err = local.Workers(ctx)
	return report, err
}

func printStatus(d *deps, r statusReport) error {
	d.printf("Daemon   %s", r.State)
	if r.PID != 0 {
		d.printf("  (pid %d, up %s, version %s)", r.PID, humanDuration(time.Duration(r.UptimeSeconds)*time.Second), r.Version)
	}
	d.printf("\nHome     %s\n", r.Home)
	if r.URL != "" {
		d.printf("Page     %s  (open: %s)\n", r.URL, d.command("dashboard --open"))
	}
	for _, p := range r.ControlPlanes {
		state := "reachable"
		switch {
		case p.Error != "" && p.LastOKAt.IsZero():
			state = "never reached"
		case p.Error != "":
			state = "not reachable; last reached " + humanDuration(time.Since(p.LastOKAt.Time)) + " ago"
		case !p.Reachable:
			state = "not asked yet"
		}
		d.printf("Control  %s  %s\n", p.APIURL, state)
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
		d.printf("%s: %s\n", item.Severity, item.Message)
		if fix := joinFix(item); fix != "" {
			d.printf("  %s\n", fix)
		}
	}
	return nil
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
