package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type upgradeOptions struct {
	name      string // of the worker
	all       bool
	self      bool // the daemon itself
	apiURL    string
	version   string
	fromLocal string
	rollback  bool
	timeout   time.Duration
	drain     time.Duration
	noWait    bool
	json      bool

	api.UpgradeOptions
}

func newUpgradeCmd(d *deps) *cobra.Command {
	var o upgradeOptions
	cmd := &cobra.Command{
		Use:   "upgrade [worker]",
		Short: "Put workers, or the daemon itself, on another version",
		Long: `Puts a worker on another version of its program: the newest, or the one that is
named. The version is fetched, checked and laid beside the others first. Then the
worker gets no more work, finishes the run it has in hand and starts from the new
version, which has to prove itself: its process stays up, its control plane hears
from it, and it reports the version that was asked for. If it does not, the worker
is put back as it was, and the version is not tried on it again by itself.

With --all every worker that is not at the version is upgraded, one after the
other; the first is the canary, and the first that fails ends it.

With --self the daemon itself becomes another version; no worker stops. The new
version has to do all that a daemon does first, in a process of its own. If it does
not, the daemon goes on as it was.

The daemon does the work, also when this command or the daemon itself is killed.
An interrupt takes the upgrade back.`,
		Example: `  pipedai-orchestrator upgrade build-box
  pipedai-orchestrator upgrade build-box --version 1.4.0 --dry-run
  pipedai-orchestrator upgrade --all
  pipedai-orchestrator upgrade build-box --rollback
  pipedai-orchestrator upgrade --self`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			if o.self {
				return runUpgradeSelf(cmd.Context(), d, o)
			}
			if o.apiURL != "" {
				return cliutil.UsageError("--api-url goes with --self: a worker has a control plane of its own")
			}
			return runUpgrade(cmd.Context(), d, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "all workers of this host, one after the other")
	f.BoolVar(&o.self, "self", false, "the daemon itself; workers keep running")
	f.StringVar(&o.apiURL, "api-url", "", "with --self: whose releases are meant; default: the control plane that this host has")
	f.StringVar(&o.version, "version", "", "an exact version; default: the newest of the channel")
	f.StringVar(&o.fromLocal, "from-local", "", "a program, a folder with one, or a package on this machine instead")
	f.BoolVar(&o.rollback, "rollback", false, "go back to what the worker ran before its last upgrade")
	f.StringVar(&o.Channel, "channel", "", "the channel of releases; default: stable")
	f.BoolVar(&o.NPM, "npm", false, "take the version from the registry of Node packages instead of a release")
	f.DurationVar(&o.timeout, "timeout", 0, "how long the new version may take to prove itself; default: the daemon's, 1m")
	f.DurationVar(&o.drain, "drain-timeout", 0, "how long to wait for the run in hand before going back; default: the daemon's, 30m")
	f.BoolVar(&o.Force, "force", false, "try a version that failed here before; after the drain timeout go on, the run has the stop grace")
	f.BoolVar(&o.AllowDowngrade, "allow-downgrade", false, "fetch an older version than the one that runs")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&o.noWait, "no-wait", false, "do not stay until it is over")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (o *upgradeOptions) validate() error {
	said := 0
	for _, given := range []bool{o.version != "", o.fromLocal != "", o.rollback} {
		if given {
			said++
		}
	}
	switch {
	case o.all == (o.name != ""):
		return cliutil.Failf(cliutil.ExitUsage, "usage: "+program+" upgrade <worker> | --all", "name a worker, or say --all")
	case said > 1:
		return cliutil.UsageError("--version, --from-local and --rollback exclude each other")
	case o.all && o.rollback:
		return cliutil.UsageError("--rollback is for one worker at a time")
	case o.timeout < 0 || o.drain < 0:
		return cliutil.UsageError("--timeout and --drain-timeout must not be negative")
	}
	if o.fromLocal != "" {
		path, err := filepath.Abs(o.fromLocal)
		if err != nil {
			return cliutil.Fail(cliutil.ExitUsage, err, "")
		}
		o.fromLocal = path
	}
	o.TimeoutMs, o.DrainTimeoutMs = o.timeout.Milliseconds(), o.drain.Milliseconds()
	return nil
}

// newestVersion is what the daemon calls the newest.
const newestVersion = "latest"

func runUpgrade(ctx context.Context, d *deps, o upgradeOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	var result api.UpgradeResult
	label := "all workers"
	if o.all {
		result, err = local.UpgradeAll(ctx, api.UpgradeAllRequest{Version: o.version, FromLocal: o.fromLocal, UpgradeOptions: o.UpgradeOptions})
	} else {
		w, problem := findWorker(ctx, d, local, o.name)
		if problem != nil {
			return problem
		}
		label = w.Label
		req := api.UpgradeRequest{Version: o.version, FromLocal: o.fromLocal, Rollback: o.rollback, UpgradeOptions: o.UpgradeOptions}
		if req.Version == "" && req.FromLocal == "" && !req.Rollback {
			req.Version = newestVersion
		}
		result, err = local.Upgrade(ctx, w.ID, req)
	}
	if err != nil {
		return err
	}
	switch {
	case o.DryRun && o.json, o.noWait && o.json:
		return cliutil.JSON(d.streams.Out, result)
	case o.DryRun:
		d.showUpgradePlan(label, result)
		return nil
	case o.noWait:
		d.printf("The upgrade of %s is under way; follow it: %s\n", cliutil.Printable(label), d.command("operations "+result.Operation.ID))
		return nil
	}
	return d.followUpgrade(ctx, local, o, label, *result.Operation)
}

// showUpgradePlan prints a dry run.
func (d *deps) showUpgradePlan(label string, r api.UpgradeResult) {
	if r.Upgrade == nil {
		return
	}
	if r.Upgrade.Items != nil {
		if r.Upgrade.To != "" && !r.Unchanged {
			d.showUpgradeSource(*r.Upgrade)
		}
		for i, item := range r.Upgrade.Items {
			line := fmt.Sprintf("%d. %s: %s", i+1, item.Label, upgradeArrow(item.From, item.To))
			switch {
			case item.Error != "":
				line = fmt.Sprintf("%d. %s: cannot be upgraded: %s", i+1, item.Label, item.Error)
			case item.Status == api.UpgradeUnchanged:
				line = fmt.Sprintf("%d. %s: up to date", i+1, item.Label)
			}
			d.printf("%s\n", cliutil.Printable(line))
		}
	} else if r.Unchanged {
		d.printf("%s is up to date.\n", cliutil.Printable(label))
	} else {
		d.showUpgradeHead(label, *r.Upgrade)
	}
	d.printf("Nothing was done.\n")
}

func upgradeArrow(from, to string) string {
	if from == "" {
		from = "an unknown version"
	}
	if to == "" {
		to = "the version of the program there"
	}
	return from + " -> " + to
}

// showUpgradeHead says what is put in place of what, and who answers for it.
func (d *deps) showUpgradeHead(label string, u api.UpgradeInfo) {
	d.printf("%s\n", cliutil.Printable(label+": "+upgradeArrow(u.From, u.To)))
	d.showUpgradeSource(u)
}

// showUpgradeSource says where a version is from, who answers for it, and what
// is to be fetched.
func (d *deps) showUpgradeSource(u api.UpgradeInfo) {
	signed := "not signed: it is from " + u.Source
	if u.SignedBy != "" {
		signed = fmt.Sprintf("signed with key %s, channel %s, from %s", u.SignedBy, u.Channel, u.Source)
	}
	if u.Source != "" {
		d.printf("  %s\n", cliutil.Printable(signed))
	}
	switch {
	case u.Installed:
		d.printf("  on this host already, nothing to fetch\n")
	case u.Size > 0:
		d.printf("  %.1f MiB to fetch\n", float64(u.Size)/(1<<20))
	}
	for line := range strings.Lines(strings.TrimSpace(u.Notes)) {
		d.printf("  | %s\n", cliutil.Printable(strings.TrimRight(line, "\r\n")))
	}
}

const upgradePace = 200 * time.Millisecond

// followUpgrade tells of an upgrade until it is over. An interrupt has it taken
// back, and waits for that, too; a second one ends the command.
func (d *deps) followUpgrade(ctx context.Context, local reached, o upgradeOptions, label string, op api.Operation) error {
	ask, told, cancelled := ctx, "", false
	head := false
	tick := time.NewTicker(upgradePace)
	defer tick.Stop()
	for {
		now, err := local.Operation(context.WithoutCancel(ask), op.ID)
		var answer *api.Error
		switch {
		case err == nil:
			op = now
		case errors.As(err, &answer) && answer.Status == 0: // the daemon may be restarting
		default:
			return err
		}
		if !o.json && !head && op.Upgrade != nil && !op.Upgrade.Unchanged && len(op.Upgrade.Items) == 0 && op.Upgrade.To != "" && op.Step != "check" {
			d.showUpgradeHead(label, *op.Upgrade)
			head = true
		}
		if text := op.Message; !o.json && text != "" && steady(text) != told {
			told = steady(text)
			d.notef("%s: %s\n", cliutil.Printable(label), cliutil.Printable(text))
		}
		if !op.EndedAt.IsZero() {
			return d.upgradeOutcome(o, label, op, cancelled)
		}
		select {
		case <-tick.C:
		case <-ask.Done():
			if _, err := local.CancelOperation(context.WithoutCancel(ctx), op.ID); err != nil {
				d.notef("Interrupted, and it is too late to take it back; it goes on: %s\n", d.command("operations "+op.ID))
				return cliutil.Silent(cliutil.ExitInterrupted)
			}
			d.notef("Interrupted: it is being taken back. Interrupt again to leave it to the daemon.\n")
			ask, cancelled = context.Background(), true
		}
	}
}

// steady is a message without what changes all the time in it.
func steady(text string) string {
	if at := strings.Index(text, ", up to "); at >= 0 {
		return text[:at]
	}
	if strings.HasPrefix(text, "fetching it: ") {
		return "fetching it"
	}
	return text
}

// upgradeOutcome tells how an upgrade ended, and how to go back from it.
func (d *deps) upgradeOutcome(o upgradeOptions, label string, op api.Operation, cancelled bool) error {
	if o.json {
		if err := cliutil.JSON(d.streams.Out, op); err != nil {
			return err
		}
	}
	info := api.UpgradeInfo{}
	if op.Upgrade != nil {
		info = *op.Upgrade
	}
	if !o.json {
		for _, item := range info.Items {
			line := fmt.Sprintf("%s: %s", item.Label, item.Status)
			if item.Status == api.UpgradeDone {
				line += ", " + upgradeArrow(item.From, item.To)
			}
			if item.Error != "" {
				line += ": " + item.Error
			}
			d.printf("%s\n", cliutil.Printable(line))
		}
	}
	if info.Warning != "" && !o.json {
		d.printf("Warning: %s\n", cliutil.Printable(info.Warning))
	}
	code := cliutil.ExitFailed
	switch {
	case cancelled && op.Status == "cancelled":
		return cliutil.Failf(cliutil.ExitInterrupted, "see: "+d.command("operations "+op.ID), "interrupted; the upgrade was taken back")
	case op.Status == "cancelled":
		return cliutil.Failf(code, "see: "+d.command("operations "+op.ID), "the upgrade was cancelled, and taken back")
	case op.Status != "succeeded":
		if info.Failure == api.UpgradeFailedDrain {
			code = cliutil.ExitTimeout
		}
		return cliutil.Fail(code, errors.New(op.Error), op.Fix)
	case o.json:
		return nil
	case len(info.Items) > 0:
		d.printf("All workers are at the version, after %s.\n", humanDuration(op.EndedAt.Sub(op.StartedAt.Time)))
	case info.Unchanged:
		d.printf("%s is up to date.\n", cliutil.Printable(label))
	default:
		d.printf("%s\n", cliutil.Printable(fmt.Sprintf("%s: %s in %s", label, upgradeArrow(info.From, info.To), humanDuration(op.EndedAt.Sub(op.StartedAt.Time)))))
		d.printf("To go back: %s\n", d.command("upgrade "+op.WorkerID+" --rollback"))
	}
	return nil
}
