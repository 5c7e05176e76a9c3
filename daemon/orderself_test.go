package daemon

import (
	"context"
	"reflect"
	"testing"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/daemon/remote"
	"pipedai/internal/buildinfo"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// endlessVersions looks for a version until it is told to end.
type endlessVersions struct{ selfVersions }

func (endlessVersions) Find(ctx context.Context, _ upgrade.Wanted) (upgrade.Found, error) {
	<-ctx.Done()
	return upgrade.Found{}, context.Cause(ctx)
}

// An order of a control plane is refused, before anything is done, when it is
// about another program or a version that failed here; unless a person says that
// it may be tried again.
func TestSelfOrder_refusals(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := networkHost(t)
	h.ownVersions = endlessVersions{}
	h.phase.Store(phaseReady)
	t.Cleanup(func() {
		h.operations.detach(errDetached)
		h.operations.all.Wait()
	})
	link := remote.Link{APIURL: p.URL, WorkspaceID: "ws1"}
	noError(t, launch.Change(h.o.Dir, func(s *launch.State) { s.Fail(launch.Version{Version: "9.0.0"}, "it hangs") }))
	for name, o := range map[string]api.HostOrder{
		"another program": {ID: "o1", Program: "pipedai-worker", Version: "9.1.0"},
		"failed before":   {ID: "o2", Program: program, Version: "9.0.0"},
	} {
		if answer := asAPI(t, beginSelfOrder(t.Context(), h, o, link)); answer.Status == 409 || answer.Status < 400 {
			t.Errorf("%s: %v", name, answer)
		}
	}
	retry := api.HostOrder{ID: "o3", Program: program, Version: "9.0.0", Options: api.OrderOptions{Retry: true}}
	noError(t, beginSelfOrder(t.Context(), h, retry, link))
	// The same order again is the same operation; another one waits for it.
	noError(t, beginSelfOrder(t.Context(), h, retry, link))
	retry.ID = "o4"
	if err := beginSelfOrder(t.Context(), h, retry, link); err == nil || asAPI(t, err).Status != 409 {
		t.Errorf("another order meanwhile: %v", err)
	}
	rec, err := h.manifest.Operation(t.Context(), "o3")
	if err != nil || rec.Kind != kindUpgradeSelf {
		t.Fatalf("%+v, %v", rec, err)
	}
	for step, want := range map[string]string{"check": api.OrderRefused, "fetch": api.OrderRefused, "rehearse": api.OrderFailed} {
		r := api.OrderReport{Status: api.OrderFailed}
		tellSelfOrder(t.Context(), h, manifest.Operation{Step: step, Status: manifest.OperationFailed, State: []byte("{}")}, &r)
		if r.Status != want {
			t.Errorf("failed at %s: it is reported as %s", step, r.Status)
		}
	}
}

// foundVersions finds one release.
type foundVersions struct {
	selfVersions
	found upgrade.Found
}

func (f foundVersions) Find(context.Context, upgrade.Wanted) (upgrade.Found, error) {
	return f.found, nil
}

// A dry run says what the daemon would become and who answers for it, and begins
// nothing; it refuses what the upgrade would refuse.
func TestUpgradeSelf_dryRun(t *testing.T) {
	t.Parallel()
	h := networkHost(t)
	h.ownVersions = foundVersions{found: upgrade.Found{
		Version: "9.1.0", Channel: "stable", KeyID: "k1", Size: 12 << 20,
		Wanted: upgrade.Wanted{APIURL: "https://a.test"}, Manifest: api.ReleaseManifest{Notes: "Faster."},
	}}
	h.phase.Store(phaseReady)
	ask := api.UpgradeSelfRequest{Version: "latest", APIURL: "https://a.test", DryRun: true}
	got, err := h.UpgradeSelf(t.Context(), ask, "cli", true)
	noError(t, err)
	want := api.UpgradeInfo{
		From: buildinfo.Version(), To: "9.1.0", Source: "https://a.test", SignedBy: "k1", Channel: "stable", Notes: "Faster.", Size: 12 << 20,
	}
	if got.Upgrade == nil || !reflect.DeepEqual(*got.Upgrade, want) || got.Operation != nil || got.Unchanged {
		t.Errorf("%+v %+v", got, got.Upgrade)
	}
	if all, err := h.manifest.Operations(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("operations: %+v, %v", all, err)
	}
	noError(t, launch.Change(h.o.Dir, func(s *launch.State) { s.Fail(launch.Version{Version: "9.1.0"}, "it hangs") }))
	if _, err := h.UpgradeSelf(t.Context(), ask, "cli", true); asAPI(t, err).Status != 409 {
		t.Errorf("a version that failed here: %v", err)
	}
}
