package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/osservice"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// The states that only somebody else than the daemon can tell. The others are
// the daemon's own.
const (
	stateNotInstalled    = "not_installed"    // nobody ever set this host up
	stateStopped         = "stopped"          // it was, and no daemon runs
	statePendingApproval = "pending_approval" // a connect waits for somebody to approve
	stateUpgrading       = "upgrading"        // an upgrade is under way; workers run
	stateError           = "error"            // what is there cannot be used, or does not answer
)

// statusReport is what status --json prints. Members are added, never renamed.
type statusReport struct {
	State         string            `json:"state"`
	Version       string            `json:"version,omitempty"`
	PID           int               `json:"pid,omitempty"`
	URL           string            `json:"url,omitempty"`
	Home          string            `json:"home"`
	StartedAt     api.Time          `json:"startedAt"`
	UptimeSeconds int64             `json:"uptimeSeconds"`
	Service       serviceFacts      `json:"service"`
	Pairing       *pairingFacts     `json:"pairing"` // null: none waits for approval
	ControlPlanes []api.RemoteState `json:"controlPlanes"`
	Workers       []api.FusedWorker `json:"workers"`
	Health        []api.HealthItem  `json:"health"`
}

// pairingFacts are a pairing that waits for approval.
type pairingFacts struct {
	APIURL    string   `json:"apiUrl"`
	UserCode  string   `json:"userCode"`
	URL       string   `json:"verificationUri"`
	ExpiresAt api.Time `json:"expiresAt"`
}

type statusOptions struct {
	json, watch bool
}

func newStatusCmd(d *deps) *cobra.Command {
	o := statusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon, its control planes and its workers",
		Long: `Shows what runs on this host and what needs attention, each with what helps.

The state is one of: not_installed, stopped, starting, needs_login,
pending_approval, running, degraded, draining, upgrading, revoked, error.

Exits with 0 when all is well (running, upgrading), 4 when this host has to be
connected (needs_login, pending_approval, revoked), 3 otherwise.`,
		Example: `  pipedai-orchestrator status
  pipedai-orchestrator status --watch
  pipedai-orchestrator status --json`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.watch {
				return watchStatus(cmd.Context(), d, o.json)
			}
			return runStatus(cmd.Context(), d, o.json)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "show it again whenever it changes, until interrupted; with --json one line each")
	return cmd
}

func runStatus(ctx context.Context, d *deps, asJSON bool) error {
	report, err := d.gather(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		err = cliutil.JSON(d.streams.Out, report)
	} else {
		err = d.printStatus(report)
	}
	if err != nil {
		return err
	}
	return cliutil.Silent(report.exitCode())
}

// exitCode is how status ends: 0 is an error that says nothing, as it should.
func (r statusReport) exitCode() int {
	switch r.State {
	case daemon.StateRunning, stateUpgrading:
		return cliutil.ExitOK
	case daemon.StateNeedsLogin, daemon.StateRevoked, statePendingApproval:
		return cliutil.ExitAuth
	default:
		return cliutil.ExitNotRunning
	}
}

// watchEvery is the pace of status --watch. It asks, for it has to see a
// daemon go away and come back.
const watchEvery = 2 * time.Second

// watchStatus shows the status until ctx ends. A terminal shows one screen that
// changes; anything else gets what is new.
func watchStatus(ctx context.Context, d *deps, asJSON bool) error {
	screen := *d
	var last string
	for {
		report, err := d.gather(ctx)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		screen.streams.Out = &text
		if err := screen.printStatus(report); err != nil {
			return err
		}
		// Time that passes is no news.
		still := report
		still.UptimeSeconds = 0
		news, err := json.Marshal(still)
		if err != nil {
			return err
		}
		switch {
		case asJSON && string(news) != last:
			d.printJSON(report)
		case asJSON:
		case d.drawing():
			d.printf("\x1b[H%s\x1b[J", strings.ReplaceAll(text.String(), "\n", "\x1b[K\n"))
		case string(news) != last:
			d.printf("%s\n", text.String())
		}
		last = string(news)
		if !backoff.Sleep(ctx, watchEvery) {
			return context.Cause(ctx)
		}
	}
}

// gather finds out. It fails only when it was interrupted or there is no home
// to look at: whatever else is wrong is what status is for.
func (d *deps) gather(ctx context.Context) (statusReport, error) {
	dir, err := d.dir()
	if err != nil {
		return statusReport{}, err
	}
	report := statusReport{
		Home: dir.Home(), ControlPlanes: []api.RemoteState{}, Workers: []api.FusedWorker{}, Health: []api.HealthItem{},
	}
	var service *osservice.Service
	service, report.Service = d.serviceOf(ctx, dir)
	local, err := d.daemon(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return report, err
	case errors.Is(err, daemon.ErrNoInfo):
		d.withoutDaemon(dir, service, &report)
	case err != nil:
		report.fail("unusable", err)
	default:
		err = d.ofDaemon(ctx, local, &report)
		if errors.Is(err, context.Canceled) {
			return report, err
		}
		if err != nil {
			report.fail("daemon_unusable", err)
		}
	}
	if item, foreign := d.foreignHome(dir); foreign {
		report.Health = append(report.Health, item)
	}
	return report, nil
}

// fail turns an error into a state, with what helps.
func (r *statusReport) fail(code string, err error) {
	_, text, fix := cliutil.Explain(err)
	r.State = stateError
	r.Health = append(r.Health, api.HealthItem{Code: code, Severity: "error", Message: text, Fix: fix})
}
