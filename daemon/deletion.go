package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"pipedai/enroll"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// deleteInput is what "delete" was asked for.
type deleteInput struct {
	Now bool `json:"now,omitempty"` // do not wait for the run in hand
}

// deleteState is how the worker was before, to be able to go back, and where
// its file is once its entry is gone.
type deleteState struct {
	Running    bool   `json:"running"`
	Enabled    bool   `json:"enabled"`
	Gone       bool   `json:"gone,omitempty"` // the control plane does not know it
	ConfigPath string `json:"configPath"`
	Known      bool   `json:"known"` // the other members are filled in
}

// deleteKind removes a worker everywhere. Its token is revoked last: the run it
// has in hand can be reported until then.
func deleteKind() opKind {
	return opKind{"delete", []opStep{
		{name: "disable", does: "asking the control plane for no more work", do: deleteDisable, undo: deleteEnable},
		{name: "drain", does: "waiting for the run in hand", do: deleteDrain},
		{name: "stop", does: "stopping the process", do: deleteStop, undo: deleteStart},
		{name: "revoke", does: "removing it at the control plane", do: deleteRevoke, final: true},
		{name: "remove", does: "removing it here", do: deleteRemove},
	}}
}

// deleting reads what a step works with.
func deleting(ctx context.Context, op *operation) (e manifest.Entry, st deleteState, err error) {
	if err := op.state(&st); err != nil {
		return e, st, err
	}
	e, err = op.h.manifest.Entry(ctx, op.record().EntryID)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return e, st, again(err)
	}
	return e, st, nil // a missing entry is what it is all about
}

func deleteDisable(ctx context.Context, op *operation) error {
	e, st, err := deleting(ctx, op)
	if err != nil || e.ID == "" {
		return err
	}
	if e.Mode == manifest.ModePool {
		return op.h.poolRefusal(e)
	}
	if !st.Known {
		st = deleteState{Running: e.Running, Enabled: e.Enabled, ConfigPath: e.ConfigPath, Known: true}
		if err := op.keep(ctx, st, ""); err != nil {
			return err
		}
	}
	ask, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
	defer cancel()
	err = op.h.switchUpstream(ask, e, false)
	if errors.Is(err, errGoneUpstream) {
		st.Gone = true
		return op.keep(ctx, st, "")
	}
	var up *upstreamError
	if errors.As(err, &up) && !undecided(err) {
		up.local.Message = e.Label + " could not be deleted; nothing was changed here"
	}
	return settleUpstream(op, err)
}

// deleteEnable gives the worker work again, if it got some before.
func deleteEnable(ctx context.Context, op *operation) error {
	e, st, err := deleting(ctx, op)
	if err != nil || e.ID == "" || !st.Known || !st.Enabled || st.Gone {
		return err
	}
	return takeBack(ctx, op, e, true)
}

func deleteDrain(ctx context.Context, op *operation) error {
	var in deleteInput
	if err := op.input(&in); err != nil {
		return err
	}
	e, st, err := deleting(ctx, op)
	if err != nil || e.ID == "" || in.Now || st.Gone {
		return err
	}
	return op.h.drain(ctx, op, e, func() bool { return false })
}

func deleteStop(ctx context.Context, op *operation) error {
	var in deleteInput
	if err := op.input(&in); err != nil {
		return err
	}
	e, _, err := deleting(ctx, op)
	if err != nil || e.ID == "" {
		return err
	}
	if err := op.h.want(ctx, e, false); err != nil {
		return again(err)
	}
	if in.Now {
		if err := op.h.supervisor.Kill(e.ID); err != nil && !errors.Is(err, supervisor.ErrUnknown) {
			return again(err)
		}
	}
	if err := op.h.supervisor.Stop(ctx, e.ID); err != nil && !errors.Is(err, supervisor.ErrUnknown) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return again(err)
	}
	return nil
}

func deleteStart(ctx context.Context, op *operation) error {
	e, st, err := deleting(ctx, op)
	if err != nil || e.ID == "" || !st.Known || !st.Running {
		return err
	}
	if err := op.h.want(ctx, e, true); err != nil {
		return again(err)
	}
	return nil
}

func deleteRevoke(ctx context.Context, op *operation) error {
	e, _, err := deleting(ctx, op)
	if err != nil || e.ID == "" {
		return err
	}
	ask, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
	defer cancel()
	// It may be removed there already, so there is no way back.
	return insistUpstream(op, op.h.deleteUpstream(ask, e))
}

func deleteRemove(ctx context.Context, op *operation) error {
	e, st, err := deleting(ctx, op)
	if err != nil {
		return err
	}
	if e.ID != "" {
		if err := op.h.manifest.Remove(ctx, e.ID); err != nil && !errors.Is(err, manifest.ErrNotFound) {
			return again(op.h.unwritten(err))
		}
	}
	op.h.reached("delete/remove/entry")
	if _, err := op.h.reload(ctx); err != nil && ctx.Err() == nil {
		return again(err)
	}
	op.h.forget(op.record().EntryID, st.ConfigPath)
	return nil
}

// want sets the local desired state and carries it out.
func (h *host) want(ctx context.Context, e manifest.Entry, running bool) error {
	limit, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	if e.Running != running {
		if err := h.manifest.SetRunning(limit, e.ID, running); err != nil {
			return h.unwritten(err)
		}
	}
	_, err := h.reload(limit)
	return err
}

// forget removes what is left of a deleted worker: its secret variables, and
// its configuration, if it is one of ours. A file that a person keeps elsewhere stays.
func (h *host) forget(worker, configPath string) {
	h.events.forget(worker)
	if configPath != "" {
		if err := enroll.RemoveWorkerEnv(configPath); err != nil {
			h.o.Log.Warn("remove the secret variables of a deleted worker", "worker", worker, "error", err)
		}
	}
	if configPath == "" || filepath.Dir(configPath) != h.o.Dir.Workers() {
		return
	}
	for _, path := range []string{configPath, configPath + ".lock"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.o.Log.Warn("remove the configuration of a deleted worker", "worker", worker, "error", err)
		}
	}
}
