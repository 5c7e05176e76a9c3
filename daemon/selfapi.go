package daemon

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
	"pipedai/manifest"
)

// What the local API asks of the upgrade of this program.

// UpgradeSelf implements localapi.SelfUpgrade.
func (h *host) UpgradeSelf(ctx context.Context, req api.UpgradeSelfRequest, by string, wait bool) (api.UpgradeSelfResult, error) {
	in, err := plannedSelf(req)
	if err != nil {
		return api.UpgradeSelfResult{}, err
	}
	if req.DryRun {
		return h.dryUpgradeSelf(ctx, in)
	}
	return h.upgradeSelf(ctx, in, by, wait)
}

// dryUpgradeSelf says what the daemon would become. Nothing is fetched, so that
// a program does not do is found out only later.
func (h *host) dryUpgradeSelf(ctx context.Context, in selfInput) (api.UpgradeSelfResult, error) {
	began := time.Now()
	running := buildinfo.Version()
	info := api.UpgradeInfo{From: running}
	if in.Rollback {
		former, err := h.formerSelf(ctx, "")
		if err != nil {
			return api.UpgradeSelfResult{}, err
		}
		info.To, info.Source, info.Installed = former.Version, former.Program, true
	} else {
		found, err := h.findSelf(ctx, in)
		if err != nil {
			return api.UpgradeSelfResult{}, err
		}
		info.To, info.SignedBy, info.Channel = found.Version, found.KeyID, found.Channel
		info.Notes, info.Size, info.Installed = found.Manifest.Notes, found.Size, found.Installed
		info.Source = cmp.Or(found.Wanted.Local, found.Wanted.APIURL)
		info.Unchanged = in.FromLocal == "" && sameVersion(found.Version, running)
	}
	return api.UpgradeSelfResult{
		OK: true, Action: kindUpgradeSelf, DurationMs: time.Since(began).Milliseconds(), Unchanged: info.Unchanged, Upgrade: &info,
	}, nil
}

func plannedSelf(req api.UpgradeSelfRequest) (selfInput, error) {
	in := selfInput{
		selfWanted: selfWanted{Version: req.Version, FromLocal: req.FromLocal, APIURL: req.APIURL, Channel: req.Channel, AllowDowngrade: req.AllowDowngrade},
		LimitMs:    req.TimeoutMs, Force: req.Force, Rollback: req.Rollback,
	}
	said := 0
	for _, given := range []bool{req.Version != "", req.FromLocal != "", req.Rollback} {
		if given {
			said++
		}
	}
	bad := func(message, fix string) error {
		return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: message, Fix: fix}
	}
	switch {
	case said != 1:
		return in, bad("say exactly one of version, fromLocal and rollback", `for the newest version: {"version":"latest"}`)
	case req.FromLocal != "" && !filepath.IsAbs(req.FromLocal):
		return in, bad("fromLocal is not absolute", "give the whole path")
	case req.FromLocal != "" && (req.Channel != "" || req.APIURL != ""):
		return in, bad("channel and apiUrl go with releases, not with fromLocal", "")
	case req.Version == "latest":
		in.Version = ""
	}
	return in, nil
}

// upgradeSelf begins the upgrade, or joins the one that does the same. It is done
// when the version is here: the daemon is about to go then.
func (h *host) upgradeSelf(ctx context.Context, in selfInput, by string, wait bool) (api.UpgradeSelfResult, error) {
	began := time.Now()
	if h.phase.Load() != phaseReady {
		return api.UpgradeSelfResult{}, h.stopping()
	}
	if h.o.CannotRestart != "" {
		return api.UpgradeSelfResult{}, conflict(h.o.CannotRestart, "stop it and start it again: "+h.command("start"))
	}
	op, err := h.beginSelf(ctx, "", in, by)
	if err != nil {
		return api.UpgradeSelfResult{}, err
	}
	if wait {
		select {
		case <-op.settled:
		case <-op.ended:
		case <-ctx.Done():
			return api.UpgradeSelfResult{}, context.Cause(ctx)
		}
	}
	rec := op.record()
	if rec.Status == manifest.OperationFailed || rec.Status == manifest.OperationCancelled || rec.Undoing {
		<-op.ended
		return api.UpgradeSelfResult{}, op.outcome()
	}
	out := api.UpgradeSelfResult{OK: true, Action: kindUpgradeSelf, DurationMs: time.Since(began).Milliseconds()}
	var st selfState
	if op.state(&st) == nil {
		out.Unchanged = st.Nothing
	}
	wire := h.operations.wire(rec)
	out.Operation = &wire
	return out, nil
}

// beginSelf begins it, or joins the one for the same. Upgrades go one at a time,
// those of workers included. id is that of the operation; empty makes one.
func (h *host) beginSelf(ctx context.Context, id string, in selfInput, by string) (*operation, error) {
	h.upgrading.Lock()
	defer h.upgrading.Unlock()
	if current := h.operations.ofKind(kindUpgradeSelf); current != nil {
		var same selfInput
		if rec := current.record(); !rec.Undoing && !rec.CancelAsked && current.input(&same) == nil && same == in {
			return current, nil
		}
		return nil, h.upgradeUnderWay(current)
	}
	if current := h.operations.underKind(exclusive...); current != nil {
		return nil, h.upgradeUnderWay(current)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return h.operations.beginAs(limit, id, kindUpgradeSelf, "", by, in, "")
}

// ofKind returns a running operation of a kind; nil when there is none.
func (o *operations) ofKind(kind string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.running {
		if op.kind.name == kind {
			return op
		}
	}
	return nil
}

// tellSelf adds to the daemon's status what it knows of its own versions.
func (h *host) tellSelf(out *api.SelfStatus) {
	out.Failed, out.Channel, out.LatestError = []api.SelfFailure{}, api.DefaultChannel, h.remote.OrchestratorError()
	out.Installed = api.SelfInstalled{Program: h.o.Origin.Program, Version: h.o.Origin.Version}
	if out.Installed.Version == "" {
		out.Installed.Version = buildinfo.Version()
	}
	st, err := launch.Read(h.o.Dir)
	if err != nil {
		h.o.Log.Warn("read the pinned version", "error", err)
	}
	if st.Pin != nil {
		out.Installed.Pinned, out.Installed.ConfirmedAt = st.Pin.Version.Version, st.Pin.ConfirmedAt
	}
	if st.Previous != nil {
		out.Installed.Previous = st.Previous.Version.Version
	}
	for _, f := range st.Failures {
		out.Failed = append(out.Failed, api.SelfFailure{Version: f.Version, Reason: f.Reason, At: f.At})
	}
	if op := h.operations.ofKind(kindUpgradeSelf); op != nil {
		wire := h.operations.wire(op.record())
		out.Upgrade = &wire
	}
}

// stableFor is how long a version has to look after workers until its start
// counts as a good one.
const stableFor = time.Minute

// settleVersion tells of what happened before this daemon was there, and notes
// that its version came up well once it has for a while, or was ended in order.
func (h *host) settleVersion(ctx context.Context) error {
	st, err := launch.Read(h.o.Dir)
	if err != nil {
		h.o.Log.Warn("read the pinned version", "error", err)
		<-ctx.Done()
		return nil
	}
	if len(st.Notes) > 0 {
		for _, n := range st.Notes {
			h.events.add(n.Event, "", n.Data)
			h.o.Log.Warn("another version of this program runs than was pinned", "event", n.Event, "about", n.Data)
		}
		h.events.flush(ctx)
		h.changeVersions(func(s *launch.State) { s.Notes = nil })
	}
	stable := time.NewTimer(stableFor)
	defer stable.Stop()
	select {
	case <-stable.C:
		h.changeVersions(func(s *launch.State) { s.Starts = 0 })
		<-ctx.Done()
	case <-ctx.Done():
		if h.Ready() || h.phase.Load() == phaseDetaching {
			h.changeVersions(func(s *launch.State) { s.Starts = 0 })
		}
	}
	return nil
}

// changeVersions changes self.json, if there is one.
func (h *host) changeVersions(change func(*launch.State)) {
	if _, err := os.Lstat(h.o.Dir.Self()); err != nil {
		return
	}
	if err := launch.Change(h.o.Dir, change); err != nil {
		h.o.Log.Warn("note that this version came up", "error", err)
	}
}
