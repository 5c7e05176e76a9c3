package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/store"
)

// Dispatcher brings one attempt to the worker behind a base URL and returns
// when the worker took it. Its errors say what the task run will show; a
// *DispatchError says as well whether another try makes sense.
type Dispatcher interface {
	Dispatch(ctx context.Context, baseURL string, d api.Dispatch) error
}

// AddressChecker is a Dispatcher that can say of a base URL that it will never
// dispatch to it; the error is a sentence for whoever announced it.
type AddressChecker interface {
	CheckAddress(baseURL string) error
}

// DispatchError is a dispatch that the worker, or the policy about whom to
// talk to, refused.
type DispatchError struct {
	// Final says that trying again cannot help.
	Final bool
	// Busy says that the worker asked for less and nothing was sent: the attempt
	// is given back and does not count.
	Busy bool
	// Unreached says that the worker gave no answer at all.
	Unreached bool
	// Message is one sentence for the task run.
	Message string
}

// Error returns the sentence.
func (e *DispatchError) Error() string { return e.Message }

const (
	// tokenLeast is the shortest life of a storage token.
	tokenLeast = time.Hour
	// tokenGrace is how long it outlives the task's timeout: the worker still
	// has to store what it made.
	tokenGrace = 5 * time.Minute
	// messageLimit bounds an error text, in bytes.
	messageLimit = 2000
)

// dispatch brings one claimed attempt to the worker of its service and
// records how that went. What cannot be recorded is left to the rescuer.
func (e *Engine) dispatch(ctx context.Context, c store.Claimed) {
	// In our own name: should this take so long that the claim was taken back, the
	// attempt belongs to whoever claimed it next, and is none of our business.
	ref := refOf(c, e.o.Replica)
	log := func() *slog.Logger { return e.of(c.TaskRun) } // made when there is something to say

	if c.Task.Removed {
		// Queued while another request removed the task: its release cancels it.
		log().Warn("not dispatched: no service has the task any more")
		e.release(ctx, ref, log())
		return
	}
	d, err := e.prepare(ctx, c, e.o.Secret)
	if err == nil {
		if e.stopped() {
			e.release(ctx, ref, log())
			return
		}
		e.acceptances.sending(ref)
		err = e.send(ctx, c.Service.BaseURL, d)
		e.live.sent(c.Service.ID, err)
	}
	if err != nil {
		e.acceptances.over(ref.ID, ref.Attempt)
	}
	var refused *DispatchError
	if errors.As(err, &refused) && refused.Busy {
		e.release(ctx, ref, log())
		return
	}
	if err != nil {
		log().Warn("dispatch", "error", err)
		if err := e.failDispatch(context.WithoutCancel(ctx), ref, err); err != nil && !errors.Is(err, store.ErrLeaseLost) {
			log().Error("record failed dispatch", "error", err)
		}
		return
	}
	e.logEach("dispatched", c.TaskRun)
	e.acceptances.taken(ref)
}

// release gives back an attempt that did not reach its worker.
func (e *Engine) release(ctx context.Context, ref store.AttemptRef, log *slog.Logger) {
	if _, err := e.releases.do(context.WithoutCancel(ctx), ref); err != nil {
		log.Error("release attempt", "error", err)
	}
}

// refOf names a claimed attempt in the name of who claimed it.
func refOf(c store.Claimed, owner string) store.AttemptRef {
	return store.AttemptRef{ID: c.TaskRun.ID, Attempt: c.TaskRun.Attempt, Owner: owner}
}

// send is the exchange with the worker, bounded in time whatever the
// dispatcher does.
func (e *Engine) send(ctx context.Context, baseURL string, d api.Dispatch) error {
	bounded, cancel := context.WithTimeout(ctx, e.o.DispatchTimeout)
	defer cancel()
	begun := time.Now()
	err := e.dispatcher.Dispatch(bounded, baseURL, d)
	var refused *DispatchError
	switch {
	case err == nil:
		e.metrics.dispatched(begun, dispatchAccepted)
	case errors.As(err, &refused) && refused.Busy:
		e.metrics.dispatched(begun, dispatchBusy)
	case errors.As(err, &refused) && !refused.Unreached:
		e.metrics.dispatched(begun, dispatchRefused)
	default:
		e.metrics.dispatched(begun, dispatchFailed)
		if refused == nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
			return &DispatchError{Unreached: true, Message: fmt.Sprintf("worker did not answer within %s", e.o.DispatchTimeout)}
		}
	}
	return err
}

// failDispatch ends an attempt that did not reach its worker.
func (e *Engine) failDispatch(ctx context.Context, ref store.AttemptRef, cause error) error {
	var refused *DispatchError
	_, err := e.Report(ctx, store.EndAttempt{AttemptRef: ref, Failure: &store.Failure{
		Error: truncated(cause.Error(), messageLimit),
		Code:  api.CodeDispatchFailed,
		Final: errors.As(cause, &refused) && refused.Final,
	}})
	return err
}

// prepare makes what a worker is told about an attempt, and sees to it that
// what it will read is there. The storage token is sealed with seal.
func (e *Engine) prepare(ctx context.Context, c store.Claimed, seal secret.Text) (api.Dispatch, error) {
	run := c.TaskRun
	d := api.Dispatch{
		RunID:               run.ID.Wire(run.Attempt),
		TaskID:              string(run.Task),
		PipelineRunID:       string(run.Run),
		Attempt:             run.Attempt,
		CodeVersion:         run.CodeVersion,
		CodeHash:            run.CodeHash,
		InputPath:           run.InputPath,
		HeartbeatIntervalMs: c.Task.HeartbeatInterval.Milliseconds(),
		TimeoutMs:           c.Task.Timeout.Milliseconds(),
	}
	place := placementOf(run.Metadata)
	backend, err := e.backendOf(place)
	if err != nil {
		return api.Dispatch{}, err
	}
	d.InputSHA256 = place.InputSHA256
	switch {
	case c.InputInline == nil: // storage is the only place that has it
	case c.Service.InlineInput:
		d.Input = c.InputInline
	default:
		sum := sha256.Sum256(c.InputInline)
		d.InputSHA256 = hex.EncodeToString(sum[:])
		if c.InputStored {
			break
		}
		if err := e.storeInput(ctx, backend, run.InputPath, c.InputInline); err != nil {
			return api.Dispatch{}, err
		}
	}

	refs, err := e.nameUploads(ctx, c, backend, &d)
	if err != nil {
		return api.Dispatch{}, err
	}
	d.UpstreamRefs = json.RawMessage("{}")
	if len(refs) > 0 {
		// json.Marshal would read it all again, and the end of a long chain has much.
		if d.UpstreamRefs, err = refs.MarshalJSON(); err != nil {
			return api.Dispatch{}, fmt.Errorf("encode upstream refs: %w", err)
		}
	}
	d.PreviousAttempts = json.RawMessage("[]") // the wire knows no null here
	if len(run.PreviousAttempts) > 0 {
		if d.PreviousAttempts, err = json.Marshal(run.PreviousAttempts); err != nil {
			return api.Dispatch{}, fmt.Errorf("encode previous attempts: %w", err)
		}
	}
	life := max(tokenLeast, c.Task.Timeout+tokenGrace)
	if d.StorageToken, err = e.seals.token(tokenFormatOf(c.Service), seal, backend.Config, life); err != nil {
		return api.Dispatch{}, err
	}
	return d, nil
}

// truncated cuts text to at most limit bytes, never inside a character.
func truncated(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const more = "…"
	cut := limit - len(more)
	for cut > 0 && text[cut]&0xC0 == 0x80 { // a continuation byte of UTF-8
		cut--
	}
	return text[:cut] + more
}
