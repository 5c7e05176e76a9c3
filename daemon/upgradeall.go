package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/manifest"
)

// upgradeAllInput is what "upgrade-all" was asked for.
type upgradeAllInput struct {
	upgradeInput
	Workers []string `json:"workers,omitempty"` // ids, in this order; none means all
}

// upgradeAllState is what became of each worker.
type upgradeAllState struct {
	Items []api.UpgradeItem `json:"items"`
}

// upgradeAllKind upgrades one worker after the other, each by an operation of
// its own, and stops at the first that fails. The first is the canary: when it
// fails nothing else was touched. What was upgraded has proved itself and stays
// when a later one fails, or when somebody cancels.
func upgradeAllKind() opKind {
	return opKind{kindUpgradeAll, []opStep{
		{name: "plan", does: "deciding the order", do: upgradeAllPlan},
		{name: "upgrade", does: "upgrading one worker after the other", do: upgradeAllWorkers, undo: upgradeAllStop},
	}}
}

// UpgradeAll implements localapi.Upgrades.
func (h *host) UpgradeAll(ctx context.Context, req api.UpgradeAllRequest, by string, wait bool) (api.UpgradeResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.UpgradeResult{}, h.stopping()
	}
	in := upgradeAllInput{Workers: req.Workers, upgradeInput: upgradeInput{
		Version: req.Version, FromLocal: req.FromLocal, Channel: req.Channel, NPM: req.NPM, VerifyMs: req.TimeoutMs, DrainMs: req.DrainTimeoutMs,
		Force: req.Force, AllowDowngrade: req.AllowDowngrade,
	}}
	if req.Version != "" && req.FromLocal != "" {
		return api.UpgradeResult{}, unprocessable("say one of version and fromLocal, not both", "")
	}
	if err := in.check(); err != nil {
		return api.UpgradeResult{}, err
	}
	items, err := h.planAll(ctx, in)
	if err != nil {
		return api.UpgradeResult{}, err
	}
	if req.DryRun {
		return h.dryUpgradeAll(ctx, in, items)
	}
	op, err := h.beginUpgradeAll(ctx, "", in, by)
	if err != nil {
		return api.UpgradeResult{}, err
	}
	return h.awaitUpgrade(ctx, op, api.UpgradeResult{Target: in.target(cmp.Or(in.Version, newest))}, wait)
}

// beginUpgradeAll begins one, with an id of its own when it has none. It joins
// one of the same id, or that does the same.
func (h *host) beginUpgradeAll(ctx context.Context, id string, in upgradeAllInput, by string) (*operation, error) {
	h.upgrading.Lock()
	defer h.upgrading.Unlock()
	if current := h.operations.underKind(exclusive...); current != nil {
		var same upgradeAllInput
		rec := current.record()
		if id != "" && rec.ID == id || rec.Kind == kindUpgradeAll && !rec.Undoing && !rec.CancelAsked && current.input(&same) == nil &&
			same.upgradeInput == in.upgradeInput && slices.Equal(same.Workers, in.Workers) {
			return current, nil
		}
		return nil, h.upgradeUnderWay(current)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return h.operations.beginAs(limit, id, kindUpgradeAll, "", by, in, "")
}

// planAll decides which workers are meant, and their order: as they were named,
// or those that run and are idle first, for they prove most soonest and cost
// least, and those that are stopped last.
func (h *host) planAll(ctx context.Context, in upgradeAllInput) ([]api.UpgradeItem, error) {
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.Workers) > 0 {
		byID := map[string]manifest.Entry{}
		for _, e := range entries {
			byID[e.ID] = e
		}
		var named []manifest.Entry
		for i, id := range in.Workers {
			e, known := byID[id]
			if !known {
				return nil, localapi.ErrUnknownWorker
			}
			if !slices.Contains(in.Workers[:i], id) {
				named = append(named, e)
			}
		}
		entries = named
	} else {
		entries = slices.Clone(entries)
		slices.SortStableFunc(entries, func(a, b manifest.Entry) int { return h.turn(a) - h.turn(b) })
	}
	items := make([]api.UpgradeItem, 0, len(entries))
	for i, e := range entries {
		items = append(items, api.UpgradeItem{WorkerID: e.ID, Label: e.Label, Status: api.UpgradeWaiting, Canary: i == 0})
	}
	return items, nil
}

// turn is lower for workers that go first.
func (h *host) turn(e manifest.Entry) int {
	s, _ := h.supervisor.Status(e.ID)
	switch {
	case !e.Running:
		return 3
	case s.PID == 0:
		return 2 // in trouble already: no canary
	case h.inFlight(e) > 0:
		return 1
	}
	return 0
}

func (h *host) dryUpgradeAll(ctx context.Context, in upgradeAllInput, items []api.UpgradeItem) (api.UpgradeResult, error) {
	out := api.UpgradeResult{Action: kindUpgrade, OK: true, Target: in.target(cmp.Or(in.Version, newest)), Unchanged: true, Upgrade: &api.UpgradeInfo{Items: items}}
	in.Parent = "dry"
	for i := range items {
		e, err := h.manifest.Entry(ctx, items[i].WorkerID)
		if err != nil {
			return out, err
		}
		one, err := h.dryUpgrade(ctx, e, in.upgradeInput)
		if err != nil {
			items[i].Status = api.UpgradeFailed
			items[i].Error, _ = words(err)
			out.Unchanged = false
			continue
		}
		items[i].From, items[i].To = one.Upgrade.From, one.Upgrade.To
		if one.Unchanged {
			items[i].Status = api.UpgradeUnchanged
			continue
		}
		if out.Unchanged {
			sum := *one.Upgrade
			sum.From, sum.FromPin, sum.Items = "", "", items
			out.Upgrade = &sum
		} else if out.Upgrade.To != one.Upgrade.To || out.Upgrade.Source != one.Upgrade.Source {
			out.Upgrade = &api.UpgradeInfo{Items: items} // there is no one version to speak of
		}
		out.Unchanged = false
	}
	return out, nil
}

func upgradeAllPlan(ctx context.Context, op *operation) error {
	var in upgradeAllInput
	if err := op.input(&in); err != nil {
		return err
	}
	items, err := op.h.planAll(ctx, in)
	if err != nil {
		return err
	}
	return op.keep(ctx, upgradeAllState{Items: items}, "")
}

// upgradeAllWorkers goes on with the first worker that is not over yet. A
// worker's operation has an id that follows from this one's, so that a daemon
// that takes this up finds it, or knows that it was not begun.
func upgradeAllWorkers(ctx context.Context, op *operation) error {
	var in upgradeAllInput
	var st upgradeAllState
	if err := errors.Join(op.input(&in), op.state(&st)); err != nil {
		return err
	}
	for i := range st.Items {
		item := &st.Items[i]
		if item.Status != api.UpgradeWaiting && item.Status != api.UpgradeRunning {
			continue
		}
		if item.Status == api.UpgradeWaiting {
			item.Status, item.Operation = api.UpgradeRunning, fmt.Sprintf("%s-%d", op.record().ID, i+1)
			if err := op.keep(ctx, st, ""); err != nil {
				return err
			}
		}
		op.update(func(r *manifest.Operation) {
			r.Progress = i * 100 / len(st.Items)
			r.Message = fmt.Sprintf("upgrading %s (%d of %d)", item.Label, i+1, len(st.Items))
		})
		op.h.reached("upgrade-all/begin")
		if err := op.h.oneOfAll(ctx, op, in, item); err != nil {
			return err // it goes on with the next daemon, or somebody cancelled
		}
		if err := op.keep(ctx, st, ""); err != nil {
			return err
		}
		op.h.reached("upgrade-all/one")
		if item.Status == api.UpgradeFailed || item.Status == api.UpgradeCancelled {
			return stoppedAt(op, st, *item)
		}
	}
	return nil
}

// oneOfAll carries out one worker's upgrade and notes its end. An error means
// that it has not ended.
func (h *host) oneOfAll(ctx context.Context, op *operation, in upgradeAllInput, item *api.UpgradeItem) error {
	rec, err := h.manifest.Operation(ctx, item.Operation)
	switch {
	case errors.Is(err, manifest.ErrNotFound):
		if _, err := h.manifest.Entry(ctx, item.WorkerID); errors.Is(err, manifest.ErrNotFound) {
			item.Status, item.Error = api.UpgradeSkipped, "the worker was removed meanwhile"
			return nil
		}
		if other := h.operations.of(item.WorkerID); other != nil {
			select {
			case <-other.settled:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		one := in.upgradeInput
		one.Parent = op.record().ID
		var child *operation
		child, err = h.operations.beginAs(ctx, item.Operation, kindUpgrade, item.WorkerID, op.record().AskedBy, one, "")
		if err == nil {
			rec = child.record()
		}
	case err == nil && rec.Status != manifest.OperationRunning:
		note(item, rec)
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return again(err)
	}
	if child := h.operations.get(rec.ID); child != nil {
		select {
		case <-child.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if rec, err = h.manifest.Operation(ctx, item.Operation); err != nil || rec.Status == manifest.OperationRunning {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return again(cmp.Or(err, errDetached))
	}
	note(item, rec)
	return nil
}

// note takes over how a worker's own operation ended.
func note(item *api.UpgradeItem, rec manifest.Operation) {
	info := upgradeInfo(rec)
	if info != nil {
		item.From, item.To, item.Failure = info.From, info.To, info.Failure
	}
	item.Error = rec.Error
	switch rec.Status {
	case manifest.OperationRunning:
	case manifest.OperationSucceeded:
		item.Status = api.UpgradeDone
		if info != nil && unchanged(rec) {
			item.Status = api.UpgradeUnchanged
		}
	case manifest.OperationCancelled:
		item.Status = api.UpgradeCancelled
	default:
		item.Status = api.UpgradeFailed
	}
}

// stoppedAt is why the workers after one are left as they are.
func stoppedAt(op *operation, st upgradeAllState, item api.UpgradeItem) error {
	done, left := 0, 0
	for _, i := range st.Items {
		switch i.Status {
		case api.UpgradeDone, api.UpgradeUnchanged:
			done++
		case api.UpgradeWaiting:
			left++
		}
	}
	what := "failed"
	if item.Status == api.UpgradeCancelled {
		what = "was cancelled"
	}
	return &api.Error{
		Status: 422, Code: api.CodeUpgradeFailed,
		Message: fmt.Sprintf("the upgrade of %s %s, so it stops there: %d upgraded or up to date, %d not touched", item.Label, what, done, left),
		Detail:  item.Error, Details: map[string]any{"operation": op.record().ID, "failure": item.Failure},
		Fix: "look at it: " + op.h.command("operations "+item.Operation),
	}
}

// upgradeAllStop ends the upgrade that is under way, if it can still be taken
// back, and leaves the workers after it alone.
func upgradeAllStop(ctx context.Context, op *operation) error {
	var st upgradeAllState
	if err := op.state(&st); err != nil {
		return err
	}
	for i := range st.Items {
		item := &st.Items[i]
		switch item.Status {
		case api.UpgradeRunning:
			_, _ = op.h.CancelOperation(ctx, item.Operation, op.record().AskedBy) // too late is too late: then it ends well
			if child := op.h.operations.get(item.Operation); child != nil {
				select {
				case <-child.ended:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			rec, err := op.h.manifest.Operation(ctx, item.Operation)
			switch {
			case errors.Is(err, manifest.ErrNotFound):
				item.Status = api.UpgradeSkipped
			case err != nil:
				return again(err)
			case rec.Status == manifest.OperationRunning:
				return again(errDetached)
			default:
				note(item, rec)
			}
		case api.UpgradeWaiting:
			item.Status = api.UpgradeSkipped
		}
	}
	return op.keep(ctx, st, "")
}
