package daemon

import (
	"context"
	"testing"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/daemon/remote"
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
