package daemon

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/manifest"
)

const (
	// defaultDrainLimit is how long a drain waits for the run in hand; then the
	// worker is asked to stop, and has its grace.
	defaultDrainLimit = 30 * time.Minute
	// defaultDrainPace is the pause between two looks at the control plane.
	defaultDrainPace = 2 * time.Second
)

// switchInput is what "enable" and "disable" were asked for.
type switchInput struct {
	Drain bool `json:"drain,omitempty"`
}

// enableKind has the control plane give the worker work, and notes it here.
func enableKind() opKind {
	return opKind{"enable", []opStep{
		{name: "agree", does: "asking the control plane", do: agreeStep(true), undo: disagreeStep},
		{name: "record", does: "noting it in the manifest", do: recordStep(true), settles: true, final: true},
	}}
}

// disableKind is the opposite. With drain it goes on until the run in hand has
// ended; the process stays.
func disableKind() opKind {
	return opKind{"disable", []opStep{
		{name: "agree", does: "asking the control plane", do: agreeStep(false), undo: disagreeStep},
		{name: "record", does: "noting it in the manifest", do: recordStep(false), settles: true, final: true},
		{name: "drain", does: "waiting for the run in hand", do: func(ctx context.Context, op *operation) error {
			var in switchInput
			if err := op.input(&in); err != nil || !in.Drain {
				return err
			}
			e, err := op.h.manifest.Entry(ctx, op.record().EntryID)
			if errors.Is(err, manifest.ErrNotFound) {
				return nil
			}
			if err != nil {
				return again(err)
			}
			return op.h.drain(ctx, op, e, func() bool {
				now, err := op.h.manifest.Entry(ctx, e.ID)
				return err == nil && now.Enabled // enabled again meanwhile; this is history
			})
		}},
	}}
}

func agreeStep(enabled bool) func(context.Context, *operation) error {
	return func(ctx context.Context, op *operation) error {
		e, err := op.h.manifest.Entry(ctx, op.record().EntryID)
		if errors.Is(err, manifest.ErrNotFound) {
			return conflict("the worker was removed meanwhile", "")
		}
		if err != nil {
			return again(err)
		}
		ctx, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
		defer cancel()
		err = op.h.switchUpstream(ctx, e, enabled)
		if errors.Is(err, errGoneUpstream) {
			return &api.Error{
				Status: http.StatusConflict, Code: api.CodeConflict, Message: e.Label + ": " + errGoneUpstream.Error(),
				Fix: "connect this host again: " + op.h.connect(e.APIURL) + ", or remove the worker: " + op.h.command("delete "+e.ID),
			}
		}
		return settleUpstream(op, err)
	}
}

// disagreeStep makes the control plane give work as the manifest has it.
func disagreeStep(ctx context.Context, op *operation) error {
	e, err := op.h.manifest.Entry(ctx, op.record().EntryID)
	if errors.Is(err, manifest.ErrNotFound) {
		return nil
	}
	if err != nil {
		return again(err)
	}
	return takeBack(ctx, op, e, e.Enabled)
}

// takeBack switches a worker back after an operation that may have switched it.
func takeBack(ctx context.Context, op *operation, e manifest.Entry, enabled bool) error {
	if op.refused {
		return nil // there is nothing to take back
	}
	ask, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
	defer cancel()
	err := op.h.switchUpstream(ask, e, enabled)
	if errors.Is(err, errGoneUpstream) {
		return nil
	}
	return insistUpstream(op, err)
}

// defaultAskLimit bounds one question to a control plane.
const defaultAskLimit = 30 * time.Second

func recordStep(enabled bool) func(context.Context, *operation) error {
	return func(ctx context.Context, op *operation) error {
		err := op.h.manifest.SetEnabled(ctx, op.record().EntryID, enabled)
		if err != nil && !errors.Is(err, manifest.ErrNotFound) {
			return again(op.h.unwritten(err))
		}
		op.h.changed()
		return nil
	}
}

// drain waits until the control plane says, later than now, that the worker
// has no run in hand; until there is no process that could have one; or until
// moot says so or the limit is reached. What is known from before does not
// count: a run may have begun since.
func (h *host) drain(ctx context.Context, op *operation, e manifest.Entry, moot func() bool) error {
	began := time.Now()
	for {
		now := h.inHand(ctx, e)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case now.idle, moot():
			return nil
		case now.blind:
			op.say("waiting for the control plane to say whether a run is in hand: this host has no token that lists pool workers")
		default:
			op.say(now.text)
		}
		if time.Since(began) > h.o.drainLimit {
			h.o.Log.Warn("the run in hand did not end in time", "worker", e.ID, "operation", op.record().ID, "waited", h.o.drainLimit)
			return nil
		}
		timer := time.NewTimer(h.o.drainPace)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
