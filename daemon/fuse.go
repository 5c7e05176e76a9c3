package daemon

import (
	version "github.com/hashicorp/go-version"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// The derived states of a worker, as control planes spell them.
const (
	derivedDisabled = "disabled"
	derivedBusy     = "busy"
	derivedOnline   = "online"
	derivedOffline  = "offline"
)

// Fuse makes one status of what the manifest wants, the supervisor sees and
// the control plane said. The manifest is the spine: what the others do not
// know is null, never left out. local is nil for a worker that this daemon has
// not looked after yet.
func Fuse(e manifest.Entry, local *supervisor.Status, view remote.View) api.FusedWorker {
	out := api.FusedWorker{
		ID: e.ID, Label: e.Label, Mode: string(e.Mode), APIURL: e.APIURL,
		DesiredState: desired(e.Running), Running: e.Running, Enabled: e.Enabled,
		Remote: view.Status, LastEvent: view.Event,
		RemoteFetchedAt: api.At(view.FetchedAt), RemoteStale: view.Stale, RemoteError: view.Err,
		Pin: e.Version, PreviousPin: e.Former,
	}
	if local != nil {
		out.Local = localStatus(*local)
	}
	if view.Status != nil {
		out.Busy = derived(*view.Status) == derivedBusy
		out.CurrentRunID = view.Status.CurrentRunID
		out.WorkerVersion = view.Status.Version
	}
	if view.Latest != "" {
		latest := view.Latest
		out.LatestWorkerVersion = &latest
	}
	if out.WorkerVersion != nil {
		out.VersionStale = newer(view.Latest, *out.WorkerVersion)
	}
	return out
}

// desired is the contract's one word for whether the worker should run here.
// That the control plane gives it work is another matter: Enabled.
func desired(running bool) string {
	if running {
		return "enabled"
	}
	return "disabled"
}

// derived is the contract's precedence: what the server derived, else
// disabled, else a run in hand, else what it reported.
func derived(r api.RemoteStatus) string {
	switch {
	case r.DerivedStatus != "":
		return r.DerivedStatus
	case r.Disabled:
		return derivedDisabled
	case r.CurrentRunID != nil && *r.CurrentRunID != "":
		return derivedBusy
	case r.Status == derivedOnline:
		return derivedOnline
	default:
		return derivedOffline
	}
}

// newer compares versions as versions: a build that is ahead of the newest
// release, or one that is not known, is not behind.
func newer(latest, current string) bool {
	a, errA := version.NewVersion(latest)
	b, errB := version.NewVersion(current)
	return errA == nil && errB == nil && a.GreaterThan(b)
}

func localStatus(s supervisor.Status) *api.LocalStatus {
	out := &api.LocalStatus{
		ID: s.ID, State: string(s.State), Restarts: s.Restarts, TotalRestarts: s.TotalRestarts,
		Draining: s.Draining, Reattached: s.Reattached, LastError: s.LastError, RestartReason: s.RestartReason, NotLimited: s.Unlimited,
		LogBytes: s.LogBytes, LogDropped: s.LogDropped,
	}
	if s.PID != 0 {
		pid, at := s.PID, s.StartedAt.UnixMilli()
		out.PID, out.StartedAt = &pid, &at
	}
	if !s.NextStartAt.IsZero() {
		at := s.NextStartAt.UnixMilli()
		out.NextStartAt = &at
	}
	if s.LastExit != nil {
		out.LastExit = &api.LastExit{Code: s.LastExit.Code, Signal: s.LastExit.Signal, At: s.LastExit.At.UnixMilli(), How: string(s.LastExit.How)}
	}
	return out
}
