package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"pipedai/internal/backoff"
	"pipedai/manifest"
)

// carryOut does the steps, or undoes them, until the operation has ended or
// the daemon stops.
func (op *operation) carryOut(ctx context.Context) {
	// ended before held: who wakes because it is not held up any more must see
	// that it is over.
	defer op.once.held.Do(func() { close(op.held) })
	defer close(op.ended)
	defer op.settle()
	log := op.h.o.Log.With("operation", op.rec.ID, "kind", op.rec.Kind)
	if op.kind.name == "" {
		op.finish(manifest.OperationFailed, errors.New("this version does not know operations of this kind"), log)
		return
	}
	at := max(0, slices.IndexFunc(op.kind.steps, func(s opStep) bool { return s.name == op.rec.Step }))
	if op.rec.CancelAsked && !op.kind.finalAt(at) {
		op.cancel(errCancelled)
	}
	var failed error
	if op.rec.Undoing {
		failed = errors.New(op.rec.Error)
	}
	for failed == nil && at < len(op.kind.steps) {
		step := op.kind.steps[at]
		op.h.reached(op.kind.name + "/" + step.name + "/begun")
		stepCtx := ctx
		if op.kind.finalAt(at) {
			stepCtx = op.life // too late to cancel
		}
		err := op.try(stepCtx, step.do, log)
		if errors.Is(context.Cause(ctx), errDetached) && err != nil {
			return
		}
		op.h.reached(op.kind.name + "/" + step.name + "/done")
		if err != nil {
			failed = err
			break
		}
		if step.settles {
			op.settle()
		}
		if at++; at < len(op.kind.steps) && !op.advance(ctx, at, log) {
			if errors.Is(context.Cause(ctx), errDetached) {
				return
			}
			failed = context.Cause(ctx)
		}
	}
	if failed == nil {
		op.finish(manifest.OperationSucceeded, nil, log)
		return
	}
	op.goBack(min(at, len(op.kind.steps)-1), failed, log)
}

// goBack undoes the steps from at down to the first.
func (op *operation) goBack(at int, failed error, log *slog.Logger) {
	status := manifest.OperationFailed
	if errors.Is(failed, errCancelled) || op.record().CancelAsked && op.resumed {
		status = manifest.OperationCancelled
	}
	ctx := op.life // a cancelled context may be what it goes back for
	for ; at >= 0; at-- {
		step := op.kind.steps[at]
		if step.undo == nil {
			continue
		}
		op.update(func(r *manifest.Operation) {
			r.Undoing, r.Step, r.Message = true, step.name, "taking back: "+step.does
			r.Error, r.Fix = words(failed)
		})
		if err := op.persist(ctx, op.h.manifest.StepOperation, log); err != nil {
			return
		}
		op.h.reached(op.kind.name + "/" + step.name + "/undoing")
		if err := op.try(ctx, step.undo, log); err != nil {
			if ctx.Err() != nil {
				return
			}
			failed = fmt.Errorf("%w; and %q could not be taken back: %w", failed, step.does, err)
		}
		op.h.reached(op.kind.name + "/" + step.name + "/undone")
	}
	op.finish(status, failed, log)
}

// retryPolicy is the pace of steps that time may cure.
var retryPolicy = backoff.Policy{Base: 500 * time.Millisecond, Max: time.Minute}

// try does one thing until it works, fails for good, or ctx ends.
func (op *operation) try(ctx context.Context, do func(context.Context, *operation) error, log *slog.Logger) error {
	for tries := 1; ; tries++ {
		err := do(ctx, op)
		if ctx.Err() != nil && err != nil {
			return context.Cause(ctx)
		}
		var passing *againError
		if !errors.As(err, &passing) {
			return err
		}
		op.hold(passing.error)
		if tries == 1 {
			log.Warn("operation is held up; it is tried again", "step", op.record().Step, "error", err)
		}
		if !retryPolicy.Wait(ctx, tries) {
			return context.Cause(ctx)
		}
	}
}

// advance writes the next step down before it begins. It reports whether the
// operation may go on.
func (op *operation) advance(ctx context.Context, at int, log *slog.Logger) bool {
	step := op.kind.steps[at]
	op.update(func(r *manifest.Operation) {
		r.Step, r.Message, r.Error, r.Fix = step.name, step.does, "", ""
		r.Progress = at * 100 / len(op.kind.steps)
	})
	return op.persist(ctx, op.h.manifest.StepOperation, log) == nil
}

// finish ends it, in the journal first: nobody hears of an end that a daemon
// killed now would take back.
func (op *operation) finish(status manifest.OperationStatus, why error, log *slog.Logger) {
	at := time.Now()
	end := func(r *manifest.Operation) {
		r.Status, r.EndedAt, r.Message = status, at, ""
		r.Error, r.Fix = words(why)
		if status == manifest.OperationSucceeded {
			r.Progress = 100
		}
	}
	write := func(ctx context.Context, r manifest.Operation) error {
		end(&r)
		return op.h.manifest.FinishOperation(ctx, r)
	}
	if op.persist(op.life, write, log) != nil {
		return // the next daemon finds out by itself
	}
	op.update(func(r *manifest.Operation) {
		end(r)
		op.err = why // what held it up is over
	})
	op.h.reached(op.kind.name + "/ended")
	log.Info("operation ended", "status", status, "worker", op.rec.EntryID, "error", op.rec.Error)
	op.tell(op.rec.Error)
}

// persist writes the record down, however long that takes.
func (op *operation) persist(ctx context.Context, write func(context.Context, manifest.Operation) error, log *slog.Logger) error {
	return op.try(ctx, func(ctx context.Context, op *operation) error {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
		defer cancel()
		if err := write(limit, op.record()); err != nil && !errors.Is(err, manifest.ErrEnded) {
			return again(op.h.unwritten(err))
		}
		return nil
	}, log)
}

// writeLimit bounds one write of the manifest.
const writeLimit = 10 * time.Second
