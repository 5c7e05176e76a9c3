package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/manifest"
)

// What runs, what there is to go back to, and what upgrades under way need stays.
func TestVersionsInUse(t *testing.T) {
	t.Parallel()
	dir := newHome(t, "https://x.test", "w1", "w2")
	m, err := manifest.Open(t.Context(), dir.Manifest())
	noError(t, err)
	defer func() { _ = m.Close() }()
	former := "1.0.0"
	noError(t, m.SetVersion(t.Context(), "w1", "1.1.0"))
	noError(t, m.SetFormer(t.Context(), "w1", &former))
	for _, op := range []manifest.Operation{
		{ID: "op_1", Kind: kindUpgrade, EntryID: "w2", State: []byte(`{"fromPin":"1.1.0","toPin":"1.2.0"}`)},
		{ID: "op_2", Kind: kindUpgradeSelf, State: []byte(`{"candidate":{"version":"3.0.0","name":"3.0.0"}}`)},
	} {
		op.Status, op.Step, op.Input = manifest.OperationRunning, "fetch", []byte(`{}`)
		noError(t, m.CreateOperation(t.Context(), op))
		noError(t, m.StepOperation(t.Context(), op))
	}
	noError(t, launch.Change(dir, func(s *launch.State) {
		s.Pin = &launch.Pin{Version: launch.Version{Version: "2.1.0", Name: "2.1.0+here"}}
		s.Previous = &launch.Pin{Version: launch.Version{Version: "2.0.0", Name: "2.0.0"}}
	}))
	for name, want := range map[string][]string{
		api.ProgramWorker: {"1.1.0", "1.0.0", "1.2.0"},
		program:           {"2.1.0+here", "2.0.0", "3.0.0"},
		"pipeweave":       nil,
	} {
		got, err := VersionsInUse(t.Context(), m, dir, name)
		noError(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
