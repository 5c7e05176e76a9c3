package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// selfPatience is how long upgrade --self waits for the end, the download
// included, besides the time that the new version has to prove itself.
const selfPatience = 15 * time.Minute

// upgradeSelfReport is what upgrade --self --json prints. Members are added,
// never renamed.
type upgradeSelfReport struct {
	Operation  api.Operation `json:"operation"`
	Version    string        `json:"version"` // that runs now
	WasVersion string        `json:"wasVersion"`
	PID        int           `json:"pid"`
	Unchanged  bool          `json:"unchanged"`
	Kept       int           `json:"kept"`    // workers with the process they had
	Changed    []string      `json:"changed"` // labels of those with another one, or none
}

// selfRequest is what upgrade --self asks for, if the flags go with it.
func (o *upgradeOptions) selfRequest() (api.UpgradeSelfRequest, error) {
	switch {
	case o.name != "" || o.all:
		return api.UpgradeSelfRequest{}, cliutil.UsageError("--self is the daemon alone: leave the workers out")
	case o.NPM || o.drain != 0:
		return api.UpgradeSelfRequest{}, cliutil.UsageError("--npm and --drain-timeout are for workers")
	case o.version != "" && o.fromLocal != "", o.rollback && (o.version != "" || o.fromLocal != ""):
		return api.UpgradeSelfRequest{}, cliutil.UsageError("--version, --from-local and --rollback exclude each other")
	case o.timeout < 0:
		return api.UpgradeSelfRequest{}, cliutil.UsageError("--timeout must not be negative")
	}
	req := api.UpgradeSelfRequest{
		Version: o.version, APIURL: o.apiURL, Channel: o.Channel, TimeoutMs: o.timeout.Milliseconds(), Force: o.Force, AllowDowngrade: o.AllowDowngrade, Rollback: o.rollback, DryRun: o.DryRun,
	}
	switch {
	case o.fromLocal != "":
		path, err := filepath.Abs(o.fromLocal)
		if err != nil {
			return req, cliutil.Fail(cliutil.ExitUsage, err, "give the whole path with --from-local")
		}
		req.FromLocal = path
	case req.Version == "" && !o.rollback:
		req.Version = newestVersion
	}
	return req, nil
}

// runUpgradeSelf is upgrade --self.
func runUpgradeSelf(ctx context.Context, d *deps, o upgradeOptions) error {
	req, err := o.selfRequest()
	if err != nil {
		return err
	}
	before, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	if o.DryRun {
		return d.dryUpgradeSelf(ctx, before, req, o.json)
	}
	had, err := before.Workers(ctx)
	if err != nil {
		return err
	}
	result, err := before.UpgradeSelf(ctx, req)
	if err != nil {
		return err
	}
	if o.noWait {
		if o.json {
			return cliutil.JSON(d.streams.Out, upgradeSelfReport{Operation: *result.Operation, Version: before.info.Version,
				WasVersion: before.info.Version, PID: before.info.PID, Changed: []string{}})
		}
		d.printf("The upgrade goes on; follow it: %s\n", d.command("operations "+result.Operation.ID))
		return nil
	}
	op, after, err := d.followSelf(ctx, result.Operation.ID, o)
	if err != nil {
		return err
	}
	have, err := after.Workers(ctx)
	if err != nil {
		return err
	}
	report := upgradeSelfReport{Operation: op, Version: after.info.Version, WasVersion: before.info.Version, PID: after.info.PID,
		Unchanged: after.info.Version == before.info.Version && after.info.StartedAt.Equal(before.info.StartedAt.Time)}
	report.Kept, report.Changed = kept(had, have)
	if op.Status != "succeeded" {
		return cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("version %s goes on: %s", report.Version, op.Error), op.Fix)
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, report)
	}
	if report.Unchanged {
		d.printf("The daemon is at version %s already.\n", report.Version)
		return nil
	}
	d.printf("The daemon runs version %s (was %s), pid %d.\n%s\n", report.Version, report.WasVersion, report.PID, keptSentence(report.Kept))
	for _, label := range report.Changed {
		d.printf("%s has another process than before.\n", cliutil.Printable(label))
	}
	return nil
}

// dryUpgradeSelf prints what upgrade --self would do.
func (d *deps) dryUpgradeSelf(ctx context.Context, local reached, req api.UpgradeSelfRequest, asJSON bool) error {
	result, err := local.UpgradeSelf(ctx, req)
	switch {
	case err != nil:
		return err
	case result.Upgrade == nil:
		// A daemon that does not know of dry runs has begun; say so rather than lie.
		return cliutil.Failf(cliutil.ExitFailed, "follow it: "+d.command("operations"), "the daemon is too old to say only what it would do, and has begun")
	case asJSON:
		return cliutil.JSON(d.streams.Out, result)
	}
	d.showUpgradePlan("The daemon", api.UpgradeResult{Unchanged: result.Unchanged, Upgrade: result.Upgrade})
	return nil
}

// followSelf waits for the end of the upgrade. The daemon goes away and comes
// back meanwhile, as the same version or another.
func (d *deps) followSelf(ctx context.Context, id string, o upgradeOptions) (api.Operation, reached, error) {
	patience := selfPatience + 2*o.timeout
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pace := backoff.Policy{Base: 50 * time.Millisecond, Max: 500 * time.Millisecond}
	said := ""
	for tries := 1; ; tries++ {
		if local, err := d.daemon(limit); err == nil && local.ready {
			op, err := local.Operation(limit, id)
			var answer *api.Error
			switch {
			case err == nil && !op.EndedAt.IsZero():
				return op, local, nil
			case err == nil && op.Message != said && op.Message != "" && !o.json:
				said = op.Message
				d.notef("%s\n", cliutil.Printable(said))
			case errors.As(err, &answer) && answer.Status == 404:
				return api.Operation{}, local, err
			}
		}
		if pace.Wait(limit, tries) {
			continue
		}
		if ctx.Err() != nil {
			return api.Operation{}, reached{}, cliutil.Fail(cliutil.ExitInterrupted, errors.New("interrupted; the upgrade goes on without this command"),
				"follow it: "+d.command("operations "+id))
		}
		return api.Operation{}, reached{}, cliutil.Failf(cliutil.ExitTimeout, "look at it: "+d.command("status"), "the upgrade did not end within %s", patience)
	}
}
