package daemon

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/supervisor"
)

// The states of a daemon, as "status" and GET /api/self tell them.
const (
	StateStarting   = "starting"
	StateNeedsLogin = "needs_login" // no control plane, or nothing to show it
	StateRevoked    = "revoked"     // a control plane does not take this host's credential any more
	StateRunning    = "running"
	StateDegraded   = "degraded" // something in Health is an error
	StateDraining   = "draining"
	StateUpgrading  = "upgrading" // of this program
)

// The severities of a health item.
const (
	severityWarning = "warning"
	severityError   = "error"
)

// Self implements localapi.Backend.
func (h *host) Self(ctx context.Context) (api.SelfStatus, error) {
	workers, err := h.Workers(ctx)
	if err != nil {
		return api.SelfStatus{}, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	latest, checkedAt := h.remote.Orchestrator()
	self := api.SelfStatus{
		Version: buildinfo.Version(), Stale: newer(latest, buildinfo.Version()), LastCheckedAt: api.At(checkedAt),
		Hostname: hostname, OS: PlatformName(runtime.GOOS), PID: os.Getpid(), StartedAt: api.At(h.startedAt),
		Build: buildinfo.ID(), Home: h.o.Dir.Home(), Host: hostFacts(ctx, h.o.Dir.Home()),
		ControlPlanes: []api.RemoteState{}, Health: []api.HealthItem{},
	}
	if latest != "" {
		self.Latest = &latest
	}
	planes := h.remote.Planes()
	slices.SortFunc(planes, func(a, b remote.Plane) int {
		return cmp.Or(cmp.Compare(a.APIURL, b.APIURL), cmp.Compare(a.WorkspaceID, b.WorkspaceID))
	})
	for _, p := range planes {
		link := api.RemoteState{
			APIURL: p.APIURL, WorkspaceID: p.WorkspaceID,
			Reachable: !p.OKAt.IsZero() && p.Err == "", LastOKAt: api.At(p.OKAt), Error: p.Err,
			Pool: p.Pool, FailingSince: api.At(p.FailingSince),
			RevokedAt: api.At(h.revokedBy(p)), CheckedInAt: api.At(p.CheckedInAt), ClockSkewMs: p.Skew.Milliseconds(),
		}
		if !link.RevokedAt.IsZero() { // whether it answers does not matter any more
			link.Reachable, link.Error = false, "it revoked this host"
		}
		self.ControlPlanes = append(self.ControlPlanes, link)
	}
	_, missing := h.findWorkerProgram(h.o.WorkerProgram)
	self.Health = append(h.health(workers, planes, missing), h.adoptionHealth(ctx)...)
	self.State = h.state(len(workers), planes, self.Health)
	if p, waits := enroll.ReadPending(h.o.Dir); waits {
		self.Pairing = &api.HostPairing{APIURL: p.APIURL, UserCode: p.UserCode, VerificationURI: p.URL, ExpiresAt: p.ExpiresAt, QR: qrCode(p.URL)}
	}
	h.tellSelf(&self)
	if self.Upgrade != nil && self.State == StateRunning {
		self.State = StateUpgrading
	}
	return self, nil
}

// PlatformName spells an operating system as the wire does.
func PlatformName(goos string) string {
	if goos == "windows" {
		return "win32"
	}
	return goos
}

func (h *host) state(workers int, planes []remote.Plane, items []api.HealthItem) string {
	switch h.phase.Load() {
	case phaseStarting:
		return StateStarting
	case phaseStopping:
		return StateDraining
	}
	if workers == 0 {
		return StateNeedsLogin
	}
	for _, p := range planes {
		if !p.Pool && (p.Refused || !h.revokedBy(p).IsZero()) {
			return StateRevoked
		}
	}
	for _, p := range planes {
		if p.Unauthorised && !p.Pool {
			return StateNeedsLogin
		}
	}
	for _, i := range items {
		if i.Severity == severityError {
			return StateDegraded
		}
	}
	return StateRunning
}

// health lists what needs attention, each with what helps. programErr says why
// there is no worker program.
func (h *host) health(workers []api.FusedWorker, planes []remote.Plane, programErr error) []api.HealthItem {
	items := []api.HealthItem{}
	if len(workers) == 0 {
		items = append(items, api.HealthItem{
			Code: "not_connected", Severity: severityWarning, Message: "this host is not connected to a control plane",
			Fix: "connect it", Command: h.command("connect --api-url <url>"),
		})
	}
	if programErr != nil {
		items = append(items, api.HealthItem{
			Code: "worker_program_missing", Severity: severityError, Message: programErr.Error(),
			Fix:     "put pipedai-worker beside pipedai-orchestrator, or name it when starting",
			Command: h.command("start --worker-program <path>"),
		})
	}
	for _, p := range planes {
		switch {
		case p.Unauthorised && p.Pool:
			items = append(items, api.HealthItem{
				Code: "pool_token_refused", Severity: severityWarning, Message: p.APIURL + ": " + p.Err,
				Fix:     "keep another token that lists pool workers",
				Command: h.command("login --scope pool --api-url " + ShellQuote(p.APIURL) + " --token-stdin"),
			})
		case !h.revokedBy(p).IsZero():
			items = append(items, api.HealthItem{
				Code: "host_revoked", Severity: severityError,
				Message: fmt.Sprintf("%s does not trust this host any more: its operators revoked it, noticed at %s; its workers are stopped and its credential is wiped",
					p.APIURL, api.At(h.revokedBy(p))),
				Fix: "if its operators agree, connect again", Command: h.connect(p.APIURL),
			})
		case p.Unauthorised:
			items = append(items, api.HealthItem{
				Code: "credential_refused", Severity: severityError, Message: p.APIURL + ": " + p.Err,
				Fix: "pair this host again", Command: h.connect(p.APIURL),
			})
		case p.Err != "":
			items = append(items, api.HealthItem{
				Code: "control_plane_unreachable", Severity: severityError, Message: p.APIURL + ": " + p.Err,
				Fix:     "workers keep running and reconnect by themselves; see what is in the way",
				Command: h.command("connectivity --check"),
			})
		}
	}
	for _, p := range planes {
		if off := p.Skew.Abs(); off > skewTolerated {
			way := "ahead of"
			if p.Skew < 0 {
				way = "behind"
			}
			items = append(items, api.HealthItem{
				Code: "clock_off", Severity: severityWarning,
				Message: fmt.Sprintf("the clock of this host is %s %s that of %s", off.Round(time.Second), way, p.APIURL),
				Fix:     "set it, and keep it right with NTP",
			})
		}
	}
	for _, w := range workers {
		if item, unwell := h.workerHealth(w); unwell {
			items = append(items, item)
		}
		if w.Local != nil && w.Local.NotLimited != "" {
			items = append(items, api.HealthItem{
				Code: "limits_not_kept", Severity: severityWarning, Message: w.Label + ": " + w.Local.NotLimited,
				Fix: "give the daemon's unit Delegate=yes, or take the limits out", Command: h.command("workers show " + w.ID),
			})
		}
	}
	return items
}

func (h *host) workerHealth(w api.FusedWorker) (api.HealthItem, bool) {
	if w.Local == nil || !w.Running {
		return api.HealthItem{}, false
	}
	why := w.Local.LastError
	if why == "" {
		why = w.Local.RestartReason
	}
	if why != "" {
		why = ": " + why
	}
	item := api.HealthItem{Severity: severityError, Fix: "read what it wrote", Command: h.command("logs " + w.ID)}
	if w.Local.LastError != "" { // it never ran, so it wrote nothing
		item.Fix, item.Command = "once that is mended, start it at once", h.command("start "+w.ID)
	}
	switch w.Local.State {
	case string(supervisor.BackingOff):
		item.Code, item.Message = "worker_backing_off", fmt.Sprintf("%s does not run and will be started again%s", w.Label, why)
	case string(supervisor.Crashed):
		item.Code, item.Message = "worker_crashed", fmt.Sprintf("%s ended too often and is not started again%s", w.Label, why)
	default:
		return item, false
	}
	return item, true
}
