package daemon

import (
	"context"
	"encoding/json"
	"fmt"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/daemon/remote"
	"pipedai/internal/buildinfo"
	"pipedai/manifest"
)

// beginSelfOrder has the daemon become another version of itself.
func beginSelfOrder(ctx context.Context, h *host, o api.HostOrder, link remote.Link) error {
	switch {
	case o.Program != program:
		return unprocessable("the daemon of this host is "+program+", not "+o.Program, "")
	case h.phase.Load() != phaseReady:
		return h.stopping()
	case h.o.CannotRestart != "":
		return unprocessable(h.o.CannotRestart, "")
	}
	in := selfInput{selfWanted: selfWanted{Version: o.Version, APIURL: link.APIURL, Channel: o.Options.Channel, Remote: true}, Force: o.Options.Retry}
	if o.Options.AllowDowngrade && !sameVersion(o.Version, buildinfo.Version()) {
		// What it was before is the only older version that a control plane may order.
		if _, err := h.formerSelf(ctx, o.Version); err != nil {
			return err
		}
		in.Rollback = true
	}
	if st, err := launch.Read(h.o.Dir); err != nil {
		return err
	} else if before, failed := st.Failed(o.Version); failed && !in.Force {
		return unprocessable(fmt.Sprintf("%s did not do on this host (%s) and is not tried again by itself", o.Version, before.Reason), "")
	}
	op, err := h.beginSelf(ctx, o.ID, in, orderedBy(o, link))
	if err == nil && op.record().ID != o.ID { // somebody here asked for the same: the order comes after it
		return h.upgradeUnderWay(op)
	}
	return err
}

// tellSelfOrder adds from which version to which. An upgrade that ended before
// anything was disturbed was refused.
func tellSelfOrder(_ context.Context, _ *host, rec manifest.Operation, r *api.OrderReport) {
	var st selfState
	if json.Unmarshal(rec.State, &st) != nil {
		return
	}
	if r.Status == api.OrderFailed && rec.Status == manifest.OperationFailed && (rec.Step == "check" || rec.Step == "fetch") {
		r.Status = api.OrderRefused
	}
	status := r.Status
	if status == api.OrderSucceeded {
		status = api.OrderWorkerDone
	}
	r.Workers = []api.OrderWorker{{FromVersion: st.From, Version: st.To, Status: status}}
}
