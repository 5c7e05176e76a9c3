package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/daemon/localapi"
	"pipedai/manifest"
	"pipedai/supervisor"
)

const (
	// actTimeout bounds what an action does before it waits for a process to
	// end. Whoever asked may be gone by then; an action is not left half done.
	actTimeout = 90 * time.Second
	// refreshTimeout bounds how long an answer waits for fresh remote status.
	refreshTimeout = 5 * time.Second
	// stopPoll is how often a wait for a process looks; changes wake no waiter,
	// for several may wait.
	stopPoll = 25 * time.Millisecond
)

// Act implements localapi.Backend.
//
// start and stop are this host's business: they change what it runs and
// nothing else. disable, enable and delete are agreed with the control plane
// first; nothing here changes when it refuses. All are idempotent.
func (h *host) Act(ctx context.Context, id string, verb localapi.Action) (api.ActionResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.ActionResult{}, h.stopping()
	}
	entry, err := h.apply(ctx, id, verb)
	if err != nil {
		return api.ActionResult{}, err
	}
	result := api.ActionResult{ID: id, Action: string(verb), OK: true}
	if verb == localapi.ActionStop || verb == localapi.ActionDelete {
		result.Draining = !h.waitStopped(ctx, id)
	}
	if verb == localapi.ActionDelete {
		h.forget(entry)
	}
	refresh, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	h.remote.Refresh(refresh, entry)
	h.changed()
	return result, nil
}

// apply does what a verb changes, one verb at a time per worker. It does not
// wait for processes to end, so that a start during a drain gets through.
func (h *host) apply(ctx context.Context, id string, verb localapi.Action) (manifest.Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	leave, err := h.workers.enter(ctx, id)
	if err != nil {
		return manifest.Entry{}, err
	}
	defer leave()
	entry, err := h.manifest.Entry(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		if verb == localapi.ActionDelete { // it is what was asked for
			_, err = h.reload(ctx)
			return manifest.Entry{ID: id}, err
		}
		return entry, localapi.ErrUnknownWorker
	}
	if err != nil {
		return entry, err
	}
	switch verb {
	case localapi.ActionStart:
		err = h.manifest.SetRunning(ctx, id, true)
	case localapi.ActionStop:
		err = h.manifest.SetRunning(ctx, id, false)
	case localapi.ActionEnable, localapi.ActionDisable, localapi.ActionDelete:
		err = h.agree(ctx, entry, verb)
	default:
		err = fmt.Errorf("unknown action %q", verb)
	}
	if err != nil {
		return entry, err
	}
	if _, err := h.reload(ctx); err != nil {
		return entry, err
	}
	if verb == localapi.ActionStart {
		// Reconciling leaves one that is backing off alone; a person does not.
		err = h.supervisor.Start(id)
	}
	return entry, err
}

// agree asks the control plane for a change, and writes it down here after it
// said yes.
func (h *host) agree(ctx context.Context, e manifest.Entry, verb localapi.Action) error {
	if e.Mode == manifest.ModePool {
		return &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict,
			Message: "a pool worker is switched by the operators of the pool, not by this host",
			Fix:     "to end it here use: " + h.command("workers stop "+e.ID),
		}
	}
	if e.WorkspaceID == "" {
		return &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict,
			Message: "this worker was registered without a workspace", Fix: "connect it again: " + h.connect(e.APIURL),
		}
	}
	token, err := h.credential(e.APIURL, e.WorkspaceID)
	if err != nil {
		return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: err.Error()}
	}
	if token.Empty() {
		return &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict,
			Message: "this host has no operator credential for " + e.APIURL,
			Fix:     "run: " + h.connect(e.APIURL),
		}
	}
	plane := client.New(e.APIURL, client.Options{Token: token})
	switch verb {
	case localapi.ActionEnable:
		if err := plane.EnableWorker(ctx, e.WorkspaceID, e.ID); err != nil {
			return h.upstream("enable", e, err)
		}
		return h.manifest.SetEnabled(ctx, e.ID, true)
	case localapi.ActionDisable:
		if err := plane.DisableWorker(ctx, e.WorkspaceID, e.ID); err != nil {
			return h.upstream("disable", e, err)
		}
		return h.manifest.SetEnabled(ctx, e.ID, false)
	default:
		if err := plane.DeleteWorker(ctx, e.WorkspaceID, e.ID); err != nil && !gone(err) {
			return h.upstream("delete", e, err)
		}
		return h.manifest.Remove(ctx, e.ID)
	}
}

// gone reports whether the control plane does not know the worker any more.
func gone(err error) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// upstream words a control plane's refusal for the local caller: it is not the
// local token that was refused, and nothing changed here.
func (h *host) upstream(verb string, e manifest.Entry, err error) error {
	out := &api.Error{
		Status: http.StatusBadGateway, Code: api.CodeUpstream,
		Message: fmt.Sprintf("%s could not be %sd; nothing was changed here", e.Label, verb),
		Detail:  err.Error(),
	}
	var answer *api.Error
	if errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden) {
		out.Fix = "renew this host's credential: " + h.connect(e.APIURL)
	}
	return out
}

func (h *host) stopping() error {
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeNotReady,
		Message: "the daemon is stopping", Fix: "start it again: " + h.command("start"),
	}
}

// waitStopped waits until the worker's process has ended, somebody wants it
// running again, or patience runs out. It reports whether it has ended.
func (h *host) waitStopped(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, h.o.StopWait)
	defer cancel()
	tick := time.NewTicker(stopPoll)
	defer tick.Stop()
	for {
		status, known := h.supervisor.Status(id)
		if !known || status.PID == 0 && (status.State == supervisor.Stopped || status.State == supervisor.Crashed) {
			return true
		}
		if e, err := h.manifest.Entry(ctx, id); err == nil && e.Running {
			return true // started again meanwhile; this stop is history
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// forget removes the configuration of a deleted worker, if it is one of ours.
// A file that a person keeps elsewhere stays.
func (h *host) forget(e manifest.Entry) {
	if e.ConfigPath == "" || filepath.Dir(e.ConfigPath) != h.o.Dir.Workers() {
		return
	}
	for _, path := range []string{e.ConfigPath, e.ConfigPath + ".lock"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.o.Log.Warn("remove the configuration of a deleted worker", "worker", e.ID, "error", err)
		}
	}
}

// Reload implements localapi.Backend.
func (h *host) Reload(ctx context.Context, req api.ReloadRequest) (api.Reloaded, error) {
	if h.phase.Load() >= phaseStopping {
		return api.Reloaded{}, h.stopping()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	n, err := h.reload(ctx, req.Restart...)
	h.changed()
	return api.Reloaded{Workers: n}, err
}

// reload makes the supervisor and the remote loops match the manifest, and
// returns how many workers it holds. Workers named in restart are drained and
// started again; that they drain is not waited for.
func (h *host) reload(ctx context.Context, restart ...string) (int, error) {
	h.reconciling.Lock()
	defer h.reconciling.Unlock()
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return 0, err
	}
	h.learnSecrets(entries)
	want := make([]supervisor.Want, 0, len(entries))
	for _, e := range entries {
		want = append(want, supervisor.Want{Spec: h.spec(e), Running: e.Running})
	}
	if len(restart) > 0 {
		if err := h.supervisor.Reconcile(ctx, without(want, restart)); err != nil {
			return 0, fmt.Errorf("stop workers with a new configuration: %w", err)
		}
	}
	if err := h.supervisor.Reconcile(ctx, want); err != nil {
		return 0, fmt.Errorf("reconcile workers: %w", err)
	}
	h.remote.Follow(entries)
	return len(entries), nil
}

// without returns want with some workers stopped.
func without(want []supervisor.Want, ids []string) []supervisor.Want {
	out := append([]supervisor.Want(nil), want...)
	for i := range out {
		for _, id := range ids {
			if out[i].Spec.ID == id {
				out[i].Running = false
			}
		}
	}
	return out
}
