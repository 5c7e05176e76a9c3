package daemon

import (
	"context"
	"slices"
	"time"

	"pipedai/manifest"
)

// get returns a running operation; nil when it does not run.
func (o *operations) get(id string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running[id]
}

// of returns the running operation of a worker that other actions have to wait
// for; nil when there is none.
func (o *operations) of(worker string) *operation {
	return o.unsettled(func(op *operation) bool { return op.record().EntryID == worker })
}

// underKind returns an operation of one of the kinds that others have to wait
// for; nil when there is none.
func (o *operations) underKind(kinds ...string) *operation {
	return o.unsettled(func(op *operation) bool {
		return slices.Contains(kinds, op.kind.name) &&
			op.record().Status == manifest.OperationRunning // else it is over but for letting go
	})
}

// unsettled returns an operation that is meant and that others have to wait
// for; nil when there is none.
func (o *operations) unsettled(meant func(*operation) bool) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.running {
		select {
		case <-op.settled:
			continue
		default:
		}
		if meant(op) {
			return op
		}
	}
	return nil
}

// under is of, but one that is being taken back, or is at its very end, is
// waited for: to join it would be to get the opposite of what is asked for. nil
// when there is none.
func (o *operations) under(ctx context.Context, worker string, patience time.Duration) (*operation, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		op := o.of(worker)
		if op == nil {
			return nil, nil
		}
		if rec := op.record(); rec.Status == manifest.OperationRunning && !rec.Undoing && !rec.CancelAsked {
			return op, nil
		}
		select {
		case <-op.ended:
		case <-limit.C:
			return nil, conflict("an earlier operation is still being taken back", "wait for it: "+op.h.command("operations "+op.record().ID))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// over reports whether it has ended. One that only lets go is waited for, for a
// while: everybody who looks sees that it is over.
func (op *operation) over(ctx context.Context, patience time.Duration) bool {
	if op.record().Status == manifest.OperationRunning {
		return false
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-op.ended:
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

func (op *operation) settle() { op.once.settled.Do(func() { close(op.settled) }) }
