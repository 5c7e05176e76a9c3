package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	version "github.com/hashicorp/go-version"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/manifest"
)

// What the local API asks of upgrades.

var _ localapi.Upgrades = (*host)(nil)

// newest is the word for the newest version of a channel.
const newest = "latest"

// upgradeWait bounds how long an answer waits for the end of an upgrade. A
// caller who has gone away sooner is told nothing; the upgrade goes on.
const upgradeWait = 4 * time.Minute

// Upgrade implements localapi.Upgrades.
func (h *host) Upgrade(ctx context.Context, id string, req api.UpgradeRequest, by string, wait bool) (api.UpgradeResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.UpgradeResult{}, h.stopping()
	}
	e, err := h.manifest.Entry(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		return api.UpgradeResult{}, localapi.ErrUnknownWorker
	}
	if err != nil {
		return api.UpgradeResult{}, err
	}
	in, err := plannedUpgrade(req)
	if err != nil {
		return api.UpgradeResult{}, err
	}
	if req.DryRun {
		return h.dryUpgrade(ctx, e, in)
	}
	op, err := h.beginUpgrade(ctx, e, in, by)
	if err != nil {
		return api.UpgradeResult{}, err
	}
	return h.awaitUpgrade(ctx, op, api.UpgradeResult{ID: id}, wait)
}

// plannedUpgrade checks a request on its own.
func plannedUpgrade(req api.UpgradeRequest) (upgradeInput, error) {
	in := upgradeInput{
		Version: req.Version, FromLocal: req.FromLocal, Rollback: req.Rollback, Channel: req.Channel, NPM: req.NPM,
		VerifyMs: req.TimeoutMs, DrainMs: req.DrainTimeoutMs, Force: req.Force, AllowDowngrade: req.AllowDowngrade,
	}
	said := 0
	for _, given := range []bool{req.Version != "", req.FromLocal != "", req.Rollback} {
		if given {
			said++
		}
	}
	if said != 1 {
		return in, unprocessable("say exactly one of version, fromLocal and rollback", `for the newest version: {"version":"latest"}`)
	}
	return in, in.check()
}

// check refuses what can be no version and no path here.
func (in *upgradeInput) check() error {
	switch {
	case in.FromLocal != "" && !filepath.IsAbs(in.FromLocal):
		return unprocessable("fromLocal is not absolute", "give the whole path")
	case in.FromLocal != "" && in.Channel != "":
		return unprocessable("channel goes with releases, not with fromLocal", "")
	case in.Version == newest:
		in.Version = ""
	case in.Version != "" && !validVersion(in.Version):
		return unprocessable("version is neither a version like 1.2.3 nor latest", "")
	}
	return nil
}

// validVersion accepts semantic versions and nothing that a shell, a path or an
// installer would read as something else.
func validVersion(text string) bool {
	_, err := version.NewSemver(text)
	return err == nil && !strings.ContainsAny(text, `/\ `) && !strings.HasPrefix(text, "v") && !strings.HasPrefix(text, ".")
}

// dryUpgrade says what an upgrade would do.
func (h *host) dryUpgrade(ctx context.Context, e manifest.Entry, in upgradeInput) (api.UpgradeResult, error) {
	began := time.Now()
	ask, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	running := h.versionOf(ask, e, h.remote.View(e))
	found, nothing, err := h.lookFor(ask, e, in, running)
	if err != nil {
		return api.UpgradeResult{}, settled(err)
	}
	out := api.UpgradeResult{
		ID: e.ID, Action: kindUpgrade, OK: true, Target: in.target(found.version), Unchanged: nothing,
		DurationMs: time.Since(began).Milliseconds(), Upgrade: &api.UpgradeInfo{
			From: running, FromPin: e.Version, To: found.version, ToPin: found.version, Source: found.source, SignedBy: found.signedBy,
			Channel: found.channel, Notes: found.notes, Size: found.size, Installed: found.installed,
		},
	}
	if running != "" {
		out.OldVersion = &running
	}
	return out, nil
}

// settled drops the mark of an error that an operation would try again.
func settled(err error) error {
	var passing *againError
	if errors.As(err, &passing) {
		return passing.error
	}
	return err
}

// beginUpgrade begins an upgrade, or joins the one that does the same. One at a
// time is upgraded on a host.
func (h *host) beginUpgrade(ctx context.Context, e manifest.Entry, in upgradeInput, by string) (*operation, error) {
	h.upgrading.Lock()
	defer h.upgrading.Unlock()
	if current := h.operations.underKind(exclusive...); current != nil {
		var same upgradeInput
		if rec := current.record(); rec.Kind == kindUpgrade && rec.EntryID == e.ID && !rec.Undoing && !rec.CancelAsked && current.input(&same) == nil && same == in {
			return current, nil
		}
		return nil, h.upgradeUnderWay(current)
	}
	if current := h.operations.of(e.ID); current != nil && !current.over(ctx, h.o.StopWait) {
		return nil, h.underWay(current)
	}
	if err := h.notTakenOver(ctx, e.ID, kindUpgrade); err != nil {
		return nil, err
	}
	if in.Rollback && e.Former == nil {
		_, _, err := h.lookFor(ctx, e, in, "")
		return nil, err
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return h.operations.begin(limit, kindUpgrade, e.ID, by, in, "")
}

// exclusive are the kinds of which one at a time is carried out on a host.
var exclusive = []string{kindUpgrade, kindUpgradeAll, kindUpgradeSelf}

func (h *host) upgradeUnderWay(current *operation) error {
	err := h.underWay(current)
	err.Message = "another upgrade is under way on this host; there is one at a time"
	return err
}

// awaitUpgrade answers with the end of an upgrade, or that it goes on.
func (h *host) awaitUpgrade(ctx context.Context, op *operation, out api.UpgradeResult, wait bool) (api.UpgradeResult, error) {
	if wait {
		patience := time.NewTimer(upgradeWait)
		defer patience.Stop()
		select {
		case <-op.ended:
		case <-patience.C:
		case <-ctx.Done():
		case <-h.lanes.ctx.Done():
		}
	}
	rec := op.record()
	out.Action, out.OK = kindUpgrade, true
	out.Upgrade = upgradeInfo(rec)
	var in upgradeInput
	var st upgradeState
	if rec.Kind == kindUpgrade && op.input(&in) == nil && op.state(&st) == nil {
		out.Target, out.Unchanged = in.target(cmp.Or(st.ToVersion, in.Version, newest)), st.Nothing
		if st.FromVersion != "" {
			out.OldVersion = &st.FromVersion
		}
	}
	if !wait || rec.Status == manifest.OperationRunning { // who does not wait follows the operation, however soon it ends
		wire := h.operations.wire(rec)
		out.Operation = &wire
		return out, nil
	}
	out.DurationMs = rec.EndedAt.Sub(rec.StartedAt).Milliseconds()
	return out, op.outcome()
}

// upgradeInfo words what the journal knows of an upgrade; nil for other kinds.
func upgradeInfo(rec manifest.Operation) *api.UpgradeInfo {
	switch rec.Kind {
	case kindUpgrade:
		var st upgradeState
		if json.Unmarshal(rec.State, &st) != nil || !st.Known {
			return nil
		}
		return &api.UpgradeInfo{
			From: st.FromVersion, To: st.ToVersion, FromPin: st.FromPin, ToPin: st.ToPin, Source: st.Source, SignedBy: st.SignedBy,
			Channel: st.Channel, Notes: st.Notes, Size: st.Size, Installed: st.Installed, Unchanged: st.Nothing, Failure: st.Failure, LastLines: st.LastLines, Warning: st.Warning,
		}
	case kindUpgradeAll:
		var st upgradeAllState
		if json.Unmarshal(rec.State, &st) != nil {
			return nil
		}
		return &api.UpgradeInfo{Items: st.Items}
	}
	return nil
}

// unchanged says that an upgrade found nothing to do.
func unchanged(rec manifest.Operation) bool {
	var st upgradeState
	return json.Unmarshal(rec.State, &st) == nil && st.Nothing
}

// upgrades are those under way, by worker.
func (o *operations) upgrades() map[string]*api.WorkerUpgrade {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out map[string]*api.WorkerUpgrade
	for _, op := range o.running {
		if op.kind.name != kindUpgrade || op.record().Status != manifest.OperationRunning {
			continue
		}
		wire := o.wire(op.record())
		if out == nil {
			out = map[string]*api.WorkerUpgrade{}
		}
		u := &api.WorkerUpgrade{Operation: wire.ID, Step: wire.Step, Undoing: wire.Undoing, Progress: wire.Progress, Message: wire.Message}
		if wire.Upgrade != nil {
			u.To = wire.Upgrade.To
		}
		out[wire.WorkerID] = u
	}
	return out
}
