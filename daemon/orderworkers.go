package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
)

// beginWorkersOrder has the workers that a control plane gave this host
// upgraded, those of no other control plane.
func beginWorkersOrder(ctx context.Context, h *host, o api.HostOrder, link remote.Link) error {
	if o.Program != api.ProgramWorker {
		return unprocessable("the workers of this host run "+api.ProgramWorker+", not "+o.Program, "")
	}
	all, err := h.manifest.Entries(ctx)
	if err != nil {
		return err
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(e manifest.Entry) bool {
		return e.APIURL != link.APIURL || e.WorkspaceID != link.WorkspaceID
	})
	if len(mine) == 0 {
		return unprocessable("this host keeps no workers of that control plane", "")
	}
	in := upgradeAllInput{upgradeInput: upgradeInput{
		Channel: o.Options.Channel, DrainMs: o.Options.DeadlineSec * int64(time.Second/time.Millisecond), Remote: true,
	}}
	if force := o.Options.ForceAfterSec; force > 0 {
		in.DrainMs, in.Force = force*int64(time.Second/time.Millisecond), true
	}
	if o.Options.AllowDowngrade {
		mine, err = goingBack(mine, o.Version, &in)
	} else {
		in.Version = o.Version
		err = h.notFailedBefore(ctx, mine, o)
	}
	if err != nil {
		return err
	}
	slices.SortStableFunc(mine, func(a, b manifest.Entry) int { return h.turn(a) - h.turn(b) })
	for _, e := range mine {
		in.Workers = append(in.Workers, e.ID)
	}
	op, err := h.beginUpgradeAll(ctx, o.ID, in, orderedBy(o, link))
	if err == nil && op.record().ID != o.ID { // somebody here asked for the same: the order comes after it
		return h.upgradeUnderWay(op)
	}
	return err
}

// goingBack chooses the workers that go back to what they ran before their last
// upgrade, which is the only older version that a control plane may order.
func goingBack(mine []manifest.Entry, version string, in *upgradeAllInput) ([]manifest.Entry, error) {
	var back []manifest.Entry
	there := true
	for _, e := range mine {
		if e.Version == version {
			continue
		}
		there = false
		if e.Former != nil && (*e.Former == version || *e.Former == "") {
			back = append(back, e)
		}
	}
	switch {
	case there:
		in.Version = version
		return mine, nil
	case len(back) == 0:
		return nil, unprocessable("no worker of this host ran "+version+" before its last upgrade, and it goes to no other older version", "")
	}
	// The order names what lies here already: to go back is this host's business.
	in.Rollback, in.Remote = true, false
	return back, nil
}

// notFailedBefore refuses a version that failed for one of the workers, unless
// a person wants it tried again.
func (h *host) notFailedBefore(ctx context.Context, mine []manifest.Entry, o api.HostOrder) error {
	for _, e := range mine {
		if o.Options.Retry {
			if err := h.manifest.ForgetFailed(ctx, e.ID, api.ProgramWorker, o.Version); err != nil && !errors.Is(err, manifest.ErrNotFound) {
				return err
			}
			continue
		}
		before, err := h.manifest.Failed(ctx, e.ID, api.ProgramWorker, o.Version)
		if errors.Is(err, manifest.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		return unprocessable(fmt.Sprintf("%s failed for %s on this host at %s (%s) and is not tried again by itself",
			o.Version, e.Label, before.FailedAt.UTC().Format(time.DateTime), before.Reason), "")
	}
	return nil
}

// tellWorkersOrder adds what became of each worker. An upgrade that ended
// before any worker was disturbed was refused.
func tellWorkersOrder(ctx context.Context, h *host, rec manifest.Operation, r *api.OrderReport) {
	var st upgradeAllState
	if json.Unmarshal(rec.State, &st) != nil {
		return
	}
	done, disturbed := 0, false
	for _, item := range st.Items {
		var part manifest.Operation
		if item.Status == api.UpgradeRunning || item.Status == api.UpgradeFailed {
			if got, err := h.manifest.Operation(ctx, item.Operation); err == nil {
				part = h.operations.fresh(got)
			}
		}
		switch item.Status {
		case api.UpgradeRunning:
			if part.Step != "" {
				r.Step, r.Message = part.Step, clip(item.Label+": "+part.Message, 1000)
			}
			if info := upgradeInfo(part); info != nil {
				item.From, item.To = info.From, info.To
			}
		case api.UpgradeDone:
			done++
			disturbed = true
		case api.UpgradeUnchanged:
			done++
		case api.UpgradeFailed:
			disturbed = disturbed || part.Step != "check"
		}
		r.Workers = append(r.Workers, api.OrderWorker{
			WorkerID: item.WorkerID, FromVersion: item.From, Version: item.To, Status: item.Status, Error: clip(item.Error, 4000),
		})
	}
	switch {
	case r.Status == api.OrderFailed && rec.Status == manifest.OperationFailed && !disturbed && len(st.Items) > 0:
		r.Status = api.OrderRefused
	case r.Status == api.OrderWithdrawn && done > 0 && done == len(st.Items):
		r.Status, r.Error = api.OrderSucceeded, ""
	case r.Status == api.OrderWithdrawn && disturbed:
		r.Status = api.OrderFailed
		r.Error = fmt.Sprintf("it was taken back when %d of %d workers were upgraded; those stay so", done, len(st.Items))
	}
}
