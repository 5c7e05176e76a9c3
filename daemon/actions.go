package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/internal/backoff"
	"pipedai/manifest"
	"pipedai/supervisor"
)

const (
	// actTimeout bounds what an action does before it waits for a process to
	// end. Whoever asked may be gone by then; an action is not left half done.
	actTimeout = 90 * time.Second
	// refreshTimeout bounds how long an answer waits for fresh remote status.
	refreshTimeout = 5 * time.Second
	// lookTimeout bounds how long an action waits to hear of runs in flight.
	lookTimeout = 2 * time.Second
	// stopPoll is how often a wait for a process looks; changes wake no waiter,
	// for several may wait.
	stopPoll = 25 * time.Millisecond
)

// Act implements localapi.Backend.
//
// start, stop and restart are this host's business: they change what it runs
// and nothing else, and need nobody. enable, disable and delete are agreed with
// the control plane first, as operations. All are idempotent; those on one
// worker are carried out in the order they came, and one that is asked for
// twice at once is done once.
func (h *host) Act(ctx context.Context, id string, req localapi.ActRequest) (api.ActionResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.ActionResult{}, h.stopping()
	}
	what := req
	what.By = "" // whoever asks, it is the same action
	answer, err := h.lanes.do(ctx, id, what, h.stopping(), func(ctx context.Context, order func()) (any, error) {
		result, err := h.act(ctx, id, req, order)
		data := map[string]any{"by": req.By}
		if err != nil {
			data["error"], _ = words(err)
		}
		if !errors.Is(err, localapi.ErrUnknownWorker) { // anybody could fill the log with those
			h.events.add(api.HostAction+string(req.Verb), id, data)
		}
		return result, err
	})
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && h.lanes.ctx.Err() != nil {
		// It did not come to its end, or to its beginning. The lanes know first
		// that the daemon ends; the phase may not say so yet.
		err = h.stopping()
	}
	result, _ := answer.(api.ActionResult)
	return result, err
}

func (h *host) act(ctx context.Context, id string, req localapi.ActRequest, order func()) (api.ActionResult, error) {
	result := api.ActionResult{ID: id, Action: string(req.Verb), OK: true}
	entry, err := h.manifest.Entry(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		if req.Verb != localapi.ActionDelete {
			return result, localapi.ErrUnknownWorker
		}
		limit, cancel := context.WithTimeout(ctx, actTimeout)
		defer cancel()
		_, err = h.reload(limit) // it is what was asked for
		return result, err
	}
	if err != nil {
		return result, err
	}
	if current := h.operations.of(id); current != nil && !current.over(ctx, h.o.StopWait) {
		if err := h.inTheWay(current, req); err != nil {
			return result, err
		}
	}
	if err := h.notTakenOver(ctx, id, req.Verb); err != nil {
		return result, err
	}
	switch req.Verb {
	case localapi.ActionStart, localapi.ActionStop, localapi.ActionRestart:
		err = h.runHere(ctx, entry, req, &result, order)
	default:
		err = h.operate(ctx, entry, req, &result, order)
	}
	if err != nil {
		return result, err
	}
	order()
	refresh, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	_, _ = h.remote.Refresh(refresh, entry) // the action is done; what is not known now is told later
	h.changed()
	return result, nil
}

// inTheWay refuses an action that an operation under way would undo, or be
// undone by. What ends a worker here is never refused.
func (h *host) inTheWay(current *operation, req localapi.ActRequest) error {
	rec := current.record()
	same := rec.Kind == string(req.Verb)
	local := req.Verb == localapi.ActionStop || rec.Kind != "delete" && req.Verb == localapi.ActionStart ||
		rec.Kind != "delete" && rec.Kind != kindUpgrade && req.Verb == localapi.ActionRestart
	if same || local {
		return nil
	}
	return h.underWay(current)
}

// underWay refuses what has to wait for an operation.
func (h *host) underWay(current *operation) *api.Error {
	rec := current.record()
	return &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict,
		Message: fmt.Sprintf("%q is under way for this worker", rec.Kind), Details: map[string]any{"operation": rec.ID},
		Fix: "wait for it: " + h.command("operations "+rec.ID) + ", or take it back: " + h.command("operations cancel "+rec.ID),
	}
}

// killNow ends a worker's process without waiting for its run. Killing it is
// stopping it, so one that is to be up is started.
func (h *host) killNow(e manifest.Entry, up bool) error {
	if err := h.supervisor.Kill(e.ID); err != nil {
		return err
	}
	if !up || h.holds.has(e.ID) {
		return nil
	}
	return h.supervisor.Start(e.ID)
}

// hasProcess says whether a worker has a process, or is about to. One that is to
// run and has none is just being started, perhaps with the settings before: what
// is asked of its process is about that one, too.
func hasProcess(e manifest.Entry, s supervisor.Status) bool {
	return s.PID != 0 || s.State == supervisor.Starting || e.Running && s.State == supervisor.Stopped
}

// replaced says whether a worker has another process than it had.
func replaced(before supervisor.Status) func(supervisor.Status, bool) bool {
	return func(s supervisor.Status, known bool) bool {
		return !known || s.PID != before.PID && s.State != supervisor.Starting && !s.Draining
	}
}

// runHere carries out start, stop and restart.
func (h *host) runHere(ctx context.Context, e manifest.Entry, req localapi.ActRequest, result *api.ActionResult, order func()) error {
	limit, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	before, _ := h.supervisor.Status(e.ID)
	up := req.Verb != localapi.ActionStop
	if up {
		if err := h.refuseRevoked(e); err != nil {
			return err
		}
	}
	if e.Running != up {
		if err := h.manifest.SetRunning(limit, e.ID, up); err != nil {
			return h.unwritten(err)
		}
	}
	h.reached("act/" + string(req.Verb) + "/recorded")
	there := hasProcess(e, before)
	again := []string{}
	if req.Verb == localapi.ActionRestart && there {
		again = append(again, e.ID)
	}
	if _, err := h.reload(limit, again...); err != nil {
		return err
	}
	if up && !h.holds.has(e.ID) {
		// Reconciling leaves one that is backing off alone; a person does not.
		if err := h.supervisor.Start(e.ID); err != nil {
			return err
		}
	}
	if req.Now && req.Verb != localapi.ActionStart && there {
		if err := h.killNow(e, up); err != nil {
			return err
		}
	}
	order()
	switch req.Verb {
	case localapi.ActionStop:
		result.InFlight = h.inFlight(e)
		result.Draining = !h.waitFor(ctx, e.ID, true, func(s supervisor.Status, known bool) bool {
			return !known || s.PID == 0 && (s.State == supervisor.Stopped || s.State == supervisor.Crashed)
		})
	case localapi.ActionRestart:
		result.InFlight = h.inFlight(e)
		result.Draining = !h.waitFor(ctx, e.ID, false, replaced(before))
	}
	return nil
}

// operate carries out enable, disable and delete as operations, and waits for
// the end as long as an answer may take.
func (h *host) operate(ctx context.Context, e manifest.Entry, req localapi.ActRequest, result *api.ActionResult, order func()) error {
	op, err := h.operations.under(ctx, e.ID, h.o.StopWait) // of the same kind: it is asked for again
	if err != nil {
		return err
	}
	if op == nil {
		if req.Verb != localapi.ActionEnable {
			look, cancel := context.WithTimeout(ctx, lookTimeout)
			_, _ = h.remote.Refresh(look, e) // how many runs are in flight is of interest now
			cancel()
		}
		var input any = switchInput{Drain: req.Drain}
		if req.Verb == localapi.ActionDelete {
			input = deleteInput{Now: req.Now}
		}
		limit, cancel := context.WithTimeout(ctx, actTimeout)
		defer cancel()
		if op, err = h.operations.begin(limit, string(req.Verb), e.ID, req.By, input, ""); err != nil {
			return err
		}
	}
	if req.Verb == localapi.ActionDelete {
		order() // it may drain for long: what comes meanwhile is told so, or stops it here
	}
	if req.Verb != localapi.ActionEnable {
		result.InFlight = h.inFlight(e)
	}
	patience := time.NewTimer(h.o.StopWait)
	defer patience.Stop()
	settled := op.settled
	for {
		select {
		case <-settled:
			settled = nil
			order()
			continue
		case <-op.ended:
			return op.outcome()
		case <-op.held:
			select {
			case <-op.ended:
				return op.outcome()
			default:
			}
			return h.heldUp(op)
		case <-patience.C:
		case <-ctx.Done():
		}
		result.Draining, result.Operation = true, op.record().ID
		return nil
	}
}

// heldUp words an operation that goes on by itself, but cannot now.
func (h *host) heldUp(op *operation) error {
	text, fix := words(op.outcome())
	if op.record().Undoing {
		text = "it failed and is taken back, which is held up: " + text
	}
	out := &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeUnavailable, Message: text, Fix: fix,
		Details: map[string]any{"operation": op.record().ID},
	}
	var answer *api.Error
	if errors.As(op.outcome(), &answer) && answer.Status != 0 {
		out.Status, out.Code = answer.Status, answer.Code
	}
	out.Detail = "it is tried again by itself, also after a restart of the daemon"
	return out
}

// inFlight is how many runs a worker has in hand, as far as is known.
func (h *host) inFlight(e manifest.Entry) int {
	if s := h.remote.View(e).Status; s != nil && s.CurrentRunID != nil && *s.CurrentRunID != "" {
		return 1
	}
	return 0
}

func (h *host) stopping() error {
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeNotReady,
		Message: "the daemon is stopping", Fix: "start it again: " + h.command("start"),
	}
}

// waitFor waits until a worker's process is as wanted, somebody wants the
// opposite, or patience runs out. It reports whether it is as wanted.
func (h *host) waitFor(ctx context.Context, id string, stop bool, done func(s supervisor.Status, known bool) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, h.o.StopWait)
	defer cancel()
	for {
		if done(h.supervisor.Status(id)) {
			return true
		}
		if e, err := h.manifest.Entry(ctx, id); err == nil && e.Running == stop {
			return true // turned round meanwhile; this is history
		}
		if !backoff.Sleep(ctx, stopPoll) {
			return false
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
	entries, revision, err := h.manifest.EntriesAt(ctx)
	if err != nil {
		return 0, err
	}
	h.learnSecrets(entries)
	want := make([]supervisor.Want, 0, len(entries))
	revoked := h.revoked()
	for _, e := range entries {
		want = append(want, supervisor.Want{Spec: h.spec(e), Running: e.Running && !h.holds.has(e.ID) && revoked(e).IsZero()})
	}
	if len(restart) > 0 {
		if err := h.supervisor.Reconcile(ctx, without(want, restart)); err != nil {
			return 0, fmt.Errorf("stop workers with a new configuration: %w", err)
		}
	}
	if err := h.supervisor.Reconcile(ctx, want); err != nil {
		return 0, fmt.Errorf("reconcile workers: %w", err)
	}
	h.applied.Store(revision)
	h.remote.Follow(entries)
	return len(entries), nil
}

// notice takes up what another program changed in the manifest without telling.
// It is called when something else woke us; nothing looks by the clock.
func (h *host) notice(ctx context.Context) {
	revision, err := h.manifest.Revision(ctx)
	if err != nil || revision == h.applied.Load() || h.phase.Load() != phaseReady {
		return
	}
	if _, err := h.reload(ctx); err != nil && ctx.Err() == nil {
		h.o.Log.Warn("take up a changed manifest", "error", err)
	}
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
