package daemon

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/manifest"
)

// What the local API tells of operations.

var _ localapi.Lifecycle = (*host)(nil)

// Operations implements localapi.Lifecycle.
func (h *host) Operations(ctx context.Context, limit int) ([]api.Operation, error) {
	recs, err := h.manifest.Operations(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Operation, 0, len(recs))
	for _, rec := range recs {
		out = append(out, h.operations.wire(h.operations.fresh(rec)))
	}
	return out, nil
}

// Operation implements localapi.Lifecycle.
func (h *host) Operation(ctx context.Context, id string) (api.Operation, error) {
	rec, err := h.manifest.Operation(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		err = h.noOperation()
	}
	return h.operations.wire(h.operations.fresh(rec)), err
}

func (h *host) noOperation() error {
	return &api.Error{
		Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "no operation has this id",
		Fix: "list them with: " + h.command("operations"),
	}
}

// CancelOperation implements localapi.Lifecycle. It does not wait for the end.
func (h *host) CancelOperation(ctx context.Context, id, by string) (api.Operation, error) {
	rec, err := h.manifest.Operation(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		return api.Operation{}, h.noOperation()
	}
	if err != nil {
		return api.Operation{}, err
	}
	o := h.operations
	op := o.get(id)
	if op == nil {
		return api.Operation{}, conflict("the operation has ended: "+string(rec.Status), "")
	}
	if wire := o.wire(op.record()); !wire.Cancellable {
		return wire, conflict("it is too late to cancel: "+wire.Message, "wait for it: "+h.command("operations "+id))
	}
	if err := h.manifest.CancelOperation(ctx, id); err != nil {
		if errors.Is(err, manifest.ErrEnded) {
			return api.Operation{}, conflict("the operation has ended", "")
		}
		return api.Operation{}, h.unwritten(err)
	}
	h.events.add(api.HostOperation+"cancel-asked", rec.EntryID, map[string]any{"id": id, "kind": rec.Kind, "by": by})
	op.update(func(r *manifest.Operation) { r.CancelAsked = true })
	op.cancel(errCancelled)
	return o.wire(op.record()), nil
}

// fresh is what this process knows of an operation, which may be more than the
// journal says.
func (o *operations) fresh(rec manifest.Operation) manifest.Operation {
	op := o.get(rec.ID)
	if op == nil {
		return rec
	}
	return op.record()
}

// wire words an operation for the local API.
func (o *operations) wire(rec manifest.Operation) api.Operation {
	kind := o.kinds[rec.Kind]
	out := api.Operation{
		ID: rec.ID, Kind: rec.Kind, WorkerID: rec.EntryID, AskedBy: rec.AskedBy,
		Status: string(rec.Status), Step: rec.Step, Steps: []string{}, Undoing: rec.Undoing, Progress: rec.Progress, Message: rec.Message,
		StartedAt: api.At(rec.StartedAt), UpdatedAt: api.At(rec.UpdatedAt), EndedAt: api.At(rec.EndedAt),
		Error: rec.Error, Fix: rec.Fix, CancelAsked: rec.CancelAsked, Upgrade: upgradeInfo(rec),
	}
	for _, s := range kind.steps {
		out.Steps = append(out.Steps, s.name)
	}
	if at := slices.Index(out.Steps, rec.Step); at >= 0 && rec.Status == manifest.OperationRunning {
		out.Cancellable = !rec.Undoing && !kind.finalAt(at)
		if out.Message == "" {
			out.Message = kind.steps[at].does
		}
	}
	return out
}
