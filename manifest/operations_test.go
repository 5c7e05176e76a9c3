package manifest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipedai/manifest"
)

func TestManifest_Operations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manifest.db")
	m := open(t, path)
	ctx := t.Context()
	want := manifest.Operation{
		ID: "op_1", Kind: "build", AskedBy: "cli", Input: json.RawMessage(`{"label":"x"}`), Step: "mint",
		Status: manifest.OperationRunning, State: json.RawMessage(`{}`),
	}
	if err := m.CreateOperation(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := m.CreateOperation(ctx, want); !errors.Is(err, manifest.ErrDuplicate) {
		t.Errorf("the same id again: %v, want ErrDuplicate", err)
	}
	want.Step, want.EntryID, want.State, want.Progress, want.Message = "register", "w1", json.RawMessage(`{"slug":"x"}`), 50, "half way"
	if err := m.StepOperation(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := m.CancelOperation(ctx, "op_1"); err != nil {
		t.Fatal(err)
	}
	want.CancelAsked = true

	// It is there for the daemon that comes after a kill.
	noClock := cmpopts.IgnoreFields(manifest.Operation{}, "StartedAt", "UpdatedAt")
	running, err := open(t, path).RunningOperations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]manifest.Operation{want}, running, noClock); diff != "" {
		t.Error(diff)
	}

	want.Status, want.Undoing, want.Error, want.Fix, want.EndedAt = manifest.OperationFailed, true, "no", "try again", time.UnixMilli(1).UTC()
	if err := m.FinishOperation(ctx, want); err != nil {
		t.Fatal(err)
	}
	got, err := m.Operation(ctx, "op_1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, noClock); diff != "" {
		t.Error(diff)
	}
	for name, err := range map[string]error{
		"step": m.StepOperation(ctx, want), "finish": m.FinishOperation(ctx, want), "cancel": m.CancelOperation(ctx, "op_1"),
	} {
		if !errors.Is(err, manifest.ErrEnded) {
			t.Errorf("%s after the end: %v, want ErrEnded", name, err)
		}
	}
	if _, err := m.Operation(ctx, "nothing"); !errors.Is(err, manifest.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

// The history is bounded, and nothing that runs falls out of it.
func TestManifest_Operations_history(t *testing.T) {
	t.Parallel()
	m := open(t, filepath.Join(t.TempDir(), "manifest.db"))
	ctx := t.Context()
	if err := m.CreateOperation(ctx, manifest.Operation{ID: "running", Kind: "delete"}); err != nil {
		t.Fatal(err)
	}
	for i := range 205 {
		o := manifest.Operation{ID: fmt.Sprintf("op_%03d", i), Kind: "enable"}
		if err := m.CreateOperation(ctx, o); err != nil {
			t.Fatal(err)
		}
		o.Status = manifest.OperationSucceeded
		if err := m.FinishOperation(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	all, err := m.Operations(ctx, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 202 || all[0].ID != "op_204" || all[len(all)-1].ID != "running" {
		t.Errorf("%d are held, from %s to %s", len(all), all[0].ID, all[len(all)-1].ID)
	}
}

func TestManifest_Revision(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manifest.db")
	m, other := open(t, path), open(t, path)
	ctx := t.Context()
	if err := m.Add(ctx, entry("w1")); err != nil {
		t.Fatal(err)
	}
	entries, before, err := m.EntriesAt(ctx)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%+v, %v", entries, err)
	}
	entries[0].Label = "scribbled on"
	if _, err := m.AppendEvent(ctx, manifest.Event{Type: "x"}); err != nil {
		t.Fatal(err)
	}
	if now, err := m.Revision(ctx); err != nil || now != before {
		t.Errorf("an event moved the revision from %d to %d (%v)", before, now, err)
	}
	if e, err := m.Entry(ctx, "w1"); err != nil || e.Label != "build box" {
		t.Errorf("what a caller did with its copy shows: %+v, %v", e, err)
	}
	if err := other.SetRunning(ctx, "w1", false); err != nil { // as another program would
		t.Fatal(err)
	}
	if e, err := m.Entry(ctx, "w1"); err != nil || e.Running {
		t.Errorf("a change of another program does not show: %+v, %v", e, err)
	}
	if now, err := m.Revision(ctx); err != nil || now <= before {
		t.Errorf("revision %d, was %d (%v)", now, before, err)
	}
}
