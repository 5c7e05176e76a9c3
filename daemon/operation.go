package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// opKind is a kind of long action: steps that are carried out in order, each
// written into the journal before it begins. A new kind is one more row in
// opKinds.
//
// After a kill the next daemon repeats the step that was begun last and goes
// on, so every do and undo has to be idempotent. When a step fails for good,
// or somebody cancels, the steps that were begun are undone, the last first.
type opKind struct {
	name  string
	steps []opStep
}

// opStep is one line of a kind.
type opStep struct {
	name string // in the journal; never changed once released
	does string // for people: "asking the control plane"
	// do carries it out. An error wrapped by again leaves the operation at this
	// step, to be tried until it works or somebody cancels.
	do func(ctx context.Context, op *operation) error
	// undo takes it back, also when do was cut short; nil when there is nothing
	// to take back.
	undo func(ctx context.Context, op *operation) error
	// settles says that after this step the next action on the worker may
	// begin, although the operation goes on.
	settles bool
	// final says that from the begin of this step on it only goes forward:
	// nobody can cancel, but the step itself may still refuse.
	final bool
}

// finalAt reports whether it is too late to go back at a step.
func (k opKind) finalAt(at int) bool {
	return slices.ContainsFunc(k.steps[:at+1], func(s opStep) bool { return s.final })
}

// opKinds is every kind there is.
func opKinds() []opKind {
	return []opKind{enableKind(), disableKind(), deleteKind(), buildKind(), adoptKind()}
}

// again marks an error that time may cure.
func again(err error) error { return &againError{err} }

type againError struct{ error }

func (e *againError) Unwrap() error { return e.error }

// Why the context of an operation ends.
var (
	errCancelled = errors.New("cancelled")
	errDetached  = errors.New("the daemon is stopping") // the next one goes on
)

// operation is one that runs in this process.
type operation struct {
	h       *host
	kind    opKind
	resumed bool // begun by an earlier daemon: nobody waits for the answer
	refused bool // the control plane said no: nothing was done there
	// stumbles is how often the control plane failed at what it must do.
	stumbles int
	token    secret.Text     // given with the request; kept in memory alone
	life     context.Context // ends with the daemon, and is not cancelled
	cancel   context.CancelCauseFunc

	settled chan struct{} // closed when the next action may begin
	held    chan struct{} // closed when it is held up for the first time, or has ended
	ended   chan struct{}

	mu   sync.Mutex
	rec  manifest.Operation
	err  error // why it ended, or is held up
	once struct{ settled, held sync.Once }
}

// operations runs them.
type operations struct {
	h     *host
	kinds map[string]opKind

	ctx    context.Context // of all; ends with the daemon
	detach context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	running map[string]*operation // by id
	all     sync.WaitGroup
}

func newOperations(h *host) *operations {
	o := &operations{h: h, kinds: map[string]opKind{}, running: map[string]*operation{}}
	o.ctx, o.detach = context.WithCancelCause(context.Background())
	for _, k := range opKinds() {
		o.kinds[k.name] = k
	}
	return o
}

// run takes up what an earlier daemon left, once the workers are looked after,
// and returns when ctx has ended and every operation has let go. None is cut
// off in a way its journal does not know of.
func (o *operations) run(ctx context.Context) error {
	defer o.all.Wait()
	defer o.detach(errDetached)
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.closed = true
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-o.h.ready:
	}
	left, err := o.h.manifest.RunningOperations(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	o.mu.Lock()
	for _, rec := range left {
		if o.running[rec.ID] == nil { // else it was begun since
			op := o.newOperation(rec)
			op.resumed = true
			o.launch(op)
		}
	}
	o.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (o *operations) newOperation(rec manifest.Operation) *operation {
	return &operation{
		h: o.h, kind: o.kinds[rec.Kind], rec: rec,
		settled: make(chan struct{}), held: make(chan struct{}), ended: make(chan struct{}),
	}
}

// begin writes a new operation down and starts it. The caller may wait for
// any of its channels.
func (o *operations) begin(ctx context.Context, kind, entryID, by string, input any, token secret.Text) (*operation, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode operation: %w", err)
	}
	k := o.kinds[kind]
	rec := manifest.Operation{
		ID: "op_" + strings.ToLower(rand.Text()[:16]), Kind: kind, EntryID: entryID, AskedBy: by, Input: data,
		Status: manifest.OperationRunning, Step: k.steps[0].name, StartedAt: time.Now(), UpdatedAt: time.Now(),
	}
	o.mu.Lock()
	defer o.mu.Unlock() // run does not take it up from the journal meanwhile
	if o.closed {
		return nil, o.h.stopping()
	}
	if err := o.h.manifest.CreateOperation(ctx, rec); err != nil {
		return nil, o.h.unwritten(err)
	}
	op := o.newOperation(rec)
	op.token = token
	o.launch(op)
	return op, nil
}

// launch starts op; the caller holds mu.
func (o *operations) launch(op *operation) {
	ctx, cancel := context.WithCancelCause(o.ctx)
	op.life, op.cancel = o.ctx, cancel
	o.running[op.rec.ID] = op
	op.tell("")
	o.all.Go(func() {
		defer cancel(nil)
		op.carryOut(ctx)
		o.mu.Lock()
		delete(o.running, op.rec.ID)
		o.mu.Unlock()
	})
}

// of returns the running operation of a worker that other actions have to wait
// for; nil when there is none.
func (o *operations) of(worker string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.running {
		select {
		case <-op.settled:
			continue
		default:
		}
		if op.record().EntryID == worker {
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

// finish ends it, in the journal first.
func (op *operation) finish(status manifest.OperationStatus, why error, log *slog.Logger) {
	op.update(func(r *manifest.Operation) {
		r.Status, r.EndedAt, r.Message = status, time.Now(), ""
		r.Error, r.Fix = words(why)
		if status == manifest.OperationSucceeded {
			r.Progress = 100
		}
	})
	op.mu.Lock()
	op.err = why
	op.mu.Unlock()
	if op.persist(op.life, op.h.manifest.FinishOperation, log) != nil {
		return // the next daemon finds out by itself
	}
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

func (op *operation) settle() { op.once.settled.Do(func() { close(op.settled) }) }

// hold notes that it cannot go on for now.
func (op *operation) hold(err error) {
	op.mu.Lock()
	op.err = err
	op.rec.Error, op.rec.Fix = words(err)
	op.rec.UpdatedAt = time.Now()
	op.mu.Unlock()
	op.once.held.Do(func() { close(op.held) })
	op.publish()
}

func (op *operation) record() manifest.Operation {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.rec
}

// update changes the record and shows it. What must survive a kill has to be
// persisted as well.
func (op *operation) update(change func(*manifest.Operation)) {
	op.mu.Lock()
	change(&op.rec)
	op.rec.UpdatedAt = time.Now()
	op.mu.Unlock()
	op.publish()
}

// say tells what it is doing, for people; the journal does not keep it.
func (op *operation) say(text string) {
	op.mu.Lock()
	same := op.rec.Message == text
	op.mu.Unlock()
	if !same {
		op.update(func(r *manifest.Operation) { r.Message = text })
	}
}

// outcome is the error it ended with, or is held up by.
func (op *operation) outcome() error {
	op.mu.Lock()
	defer op.mu.Unlock()
	if errors.Is(op.err, errCancelled) {
		return conflict("it was cancelled, and is taken back", "")
	}
	return op.err
}

// input reads what was asked for, state what steps before found out.
func (op *operation) input(into any) error { return json.Unmarshal(op.record().Input, into) }
func (op *operation) state(into any) error {
	if data := op.record().State; len(data) > 0 {
		return json.Unmarshal(data, into)
	}
	return nil
}

// keep writes what a step found out into the journal, before the step relies
// on it. entryID may be empty.
func (op *operation) keep(ctx context.Context, state any, entryID string) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	op.update(func(r *manifest.Operation) {
		r.State = data
		if entryID != "" {
			r.EntryID = entryID
		}
	})
	return op.persist(ctx, op.h.manifest.StepOperation, op.h.o.Log)
}

// words is an error as the journal keeps it.
func words(err error) (text, fix string) {
	var answer *api.Error
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &answer):
		text = answer.Message
		if answer.Detail != "" {
			text += ": " + answer.Detail
		}
		return text, answer.Fix
	default:
		return err.Error(), ""
	}
}

// unwritten words a manifest that takes no writes.
func (h *host) unwritten(err error) error {
	var known *api.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, manifest.ErrTakenOver) {
		return conflict(manifest.ErrTakenOver.Error(), "see what it waits for: "+h.command("adopt --dry-run"))
	}
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeUnavailable,
		Message: "this host's manifest cannot be written", Detail: err.Error(),
		Fix: "see that " + h.o.Dir.Orchestrator() + " is on a disk that has room and can be written",
	}
}

// tell keeps a change of status among the host's events.
func (op *operation) tell(failure string) {
	rec := op.record()
	data := map[string]any{"id": rec.ID, "kind": rec.Kind, "by": rec.AskedBy}
	if failure != "" {
		data["error"] = failure
	}
	if op.resumed && rec.Status == manifest.OperationRunning {
		data["resumed"] = true
	}
	op.h.events.add(api.HostOperation+string(rec.Status), rec.EntryID, data)
	op.publish()
}

// publish shows the operation to whoever listens.
func (op *operation) publish() {
	wire := op.h.operations.wire(op.record())
	op.h.feed.Publish(api.LocalFrame{Kind: "operation", Operation: &wire})
}
