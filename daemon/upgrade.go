package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/manifest"
)

// The kinds of operations that upgrade workers.
const (
	kindUpgrade    = "upgrade"
	kindUpgradeAll = "upgrade-all"
)

const (
	// defaultVerifyLimit bounds how long a new version may take to prove itself.
	defaultVerifyLimit = time.Minute
	// defaultVerifyStay is how long the process has to stay up for that.
	defaultVerifyStay = 2 * time.Second
	// defaultVerifyPace is the pause between two looks.
	defaultVerifyPace = 500 * time.Millisecond
	// quickGrace is how long a version that did not prove itself may take to end.
	// It has no run in hand.
	quickGrace = 3 * time.Second
)

// upgradeInput is what "upgrade" was asked for.
type upgradeInput struct {
	Version   string `json:"version,omitempty"` // exact; "" with nothing else is the newest
	FromLocal string `json:"fromLocal,omitempty"`
	Rollback  bool   `json:"rollback,omitempty"`
	Channel   string `json:"channel,omitempty"`
	NPM       bool   `json:"npm,omitempty"`

	VerifyMs       int64 `json:"verifyMs,omitempty"`
	DrainMs        int64 `json:"drainMs,omitempty"`
	Force          bool  `json:"force,omitempty"`
	AllowDowngrade bool  `json:"allowDowngrade,omitempty"`

	Remote bool   `json:"remote,omitempty"` // a control plane ordered it
	Parent string `json:"parent,omitempty"` // the operation it is a part of
}

// target is what was asked for, in the contract's words.
func (in upgradeInput) target(version string) string {
	if in.FromLocal != "" {
		return "tarball:" + in.FromLocal
	}
	return "@pipedai/worker@" + version
}

// upgradeState is what the steps found out. Everything that is needed to go on,
// or back, is in it before a step relies on it.
type upgradeState struct {
	Known   bool `json:"known"`             // the worker was looked at
	Nothing bool `json:"nothing,omitempty"` // there is nothing to do
	Damaged bool `json:"damaged,omitempty"` // the files of what it is pinned to are not what was installed

	// How it was found. The manifest keeps both desired states all the time.
	Running     bool   `json:"running"`
	Enabled     bool   `json:"enabled"`
	FromPin     string `json:"fromPin,omitempty"`
	FromVersion string `json:"fromVersion,omitempty"`

	ToPin     string `json:"toPin,omitempty"`
	ToVersion string `json:"toVersion,omitempty"` // as the program calls itself
	Source    string `json:"source,omitempty"`
	SignedBy  string `json:"signedBy,omitempty"`
	Channel   string `json:"channel,omitempty"`
	Notes     string `json:"notes,omitempty"`
	Size      int64  `json:"size,omitempty"`
	Installed bool   `json:"installed,omitempty"`

	Asked  bool `json:"asked,omitempty"`  // the control plane may have been asked to disable it
	Switch bool `json:"switch,omitempty"` // it was enabled there, and is disabled for the time of the upgrade
	Gone   bool `json:"gone,omitempty"`   // the control plane does not know it
	Held   bool `json:"held,omitempty"`   // it is kept without a process

	DrainSince time.Time `json:"drainSince,omitzero"`
	BeatBefore time.Time `json:"beatBefore,omitzero"` // the last of the process before, by the control plane's clock
	Restarts   int       `json:"restarts,omitempty"`  // before the new process
	StartedAt  time.Time `json:"startedAt,omitzero"`  // of the new process, or shortly before

	Failure   string   `json:"failure,omitempty"` // see api.UpgradeFailed...
	LastLines []string `json:"lastLines,omitempty"`
	Warning   string   `json:"warning,omitempty"` // what could not be restored, and what helps
}

// upgradeKind puts one worker on another version. What is fetched lies beside
// the others, so nothing is disturbed before all of it is there and says that
// it is what was asked for. Then the control plane gives the worker no more
// work, the run in hand ends, and the worker starts from the other version,
// which has to prove itself within a deadline; if it does not, the way back is
// the one that a cancelled upgrade goes.
func upgradeKind() opKind {
	return opKind{kindUpgrade, []opStep{
		{name: "check", does: "looking for the version", do: upgradeCheck},
		{name: "fetch", does: "fetching it", do: upgradeFetch},
		{name: "disable", does: "asking the control plane for no more work", do: upgradeDisable, undo: upgradeEnable},
		{name: "drain", does: "waiting for the run in hand", do: upgradeDrain},
		{name: "pin", does: "choosing the version", do: upgradePin, undo: upgradeUnpin},
		{name: "stop", does: "stopping the process", do: upgradeStop},
		{name: "start", does: "starting the version", do: upgradeStart, undo: upgradeEnd},
		{name: "verify", does: "waiting for the version to prove itself", do: upgradeVerify},
		{name: "restore", does: "giving it work again", do: upgradeRestore, final: true},
		{name: "prune", does: "removing old versions", do: upgradePrune, final: true},
	}}
}

// upgrading reads what a step works with. The entry is a zero one when the
// worker was removed.
func upgrading(ctx context.Context, op *operation) (e manifest.Entry, in upgradeInput, st upgradeState, err error) {
	if err := errors.Join(op.input(&in), op.state(&st)); err != nil {
		return e, in, st, err
	}
	e, err = op.h.manifest.Entry(ctx, op.record().EntryID)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return e, in, st, again(err)
	}
	return e, in, st, nil
}

// needed is upgrading for steps that cannot do without the worker. skip says
// that there is nothing to do.
func needed(ctx context.Context, op *operation) (e manifest.Entry, in upgradeInput, st upgradeState, skip bool, err error) {
	e, in, st, err = upgrading(ctx, op)
	if err == nil && e.ID == "" {
		err = conflict("the worker was removed meanwhile", "")
	}
	return e, in, st, st.Nothing, err
}

// gaveUp ends an upgrade for a reason that programs can tell from others.
func gaveUp(ctx context.Context, op *operation, st upgradeState, failure, message, fix string) error {
	st.Failure = failure
	if err := op.keep(ctx, st, ""); err != nil {
		return err
	}
	return &api.Error{
		Status: http.StatusUnprocessableEntity, Code: api.CodeUpgradeFailed, Message: message, Fix: fix,
		Details: map[string]any{"operation": op.record().ID, "failure": failure},
	}
}

// failsHere notes that a version does not work for a worker, so that nothing
// tries it again by itself.
func failsHere(ctx context.Context, op *operation, version, why string) error {
	err := op.h.manifest.NoteFailed(ctx, manifest.FailedVersion{
		Subject: op.record().EntryID, Program: api.ProgramWorker, Version: version, Reason: why,
	})
	if err != nil {
		return again(op.h.unwritten(err))
	}
	return nil
}

// notFailedHere refuses a version that did not work for a worker before.
func notFailedHere(ctx context.Context, h *host, e manifest.Entry, in upgradeInput, version string) error {
	if version == "" || in.Force {
		return nil
	}
	before, err := h.manifest.Failed(ctx, e.ID, api.ProgramWorker, version)
	if errors.Is(err, manifest.ErrNotFound) {
		return nil
	}
	if err != nil {
		return again(err)
	}
	return &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict,
		Message: fmt.Sprintf("version %s did not work for %s on %s and is not tried again by itself", version, e.Label, before.FailedAt.UTC().Format(time.DateTime)),
		Detail:  before.Reason, Fix: "try it again all the same: " + h.command("upgrade "+e.ID+" --version "+version+" --force"),
	}
}
