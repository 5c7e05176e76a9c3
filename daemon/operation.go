package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
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
	return []opKind{enableKind(), disableKind(), deleteKind(), buildKind(), adoptKind(), undoAdoptKind(), upgradeKind(), upgradeAllKind(), upgradeSelfKind()}
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
	found    *foundVersion   // that an upgrade is for; found again after a restart
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
	for _, k := range append(opKinds(), h.o.opKinds...) {
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
	return o.beginAs(ctx, "", kind, entryID, by, input, token)
}

// beginAs is begin with an id that somebody else chose; empty makes one.
func (o *operations) beginAs(ctx context.Context, id, kind, entryID, by string, input any, token secret.Text) (*operation, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode operation: %w", err)
	}
	k := o.kinds[kind]
	rec := manifest.Operation{
		ID: cmp.Or(id, "op_"+strings.ToLower(rand.Text()[:16])), Kind: kind, EntryID: entryID, AskedBy: by, Input: data,
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
	op.h.orders.moved(wire.ID)
}
