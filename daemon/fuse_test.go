package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
	"pipedai/supervisor"
)

func ptr[T any](v T) *T { return &v }

func TestFuse(t *testing.T) {
	t.Parallel()
	entry := manifest.Entry{ID: "w1", Label: "box", APIURL: "https://a.test", Mode: manifest.ModeWorkspace, Running: true, Enabled: true}
	base := api.FusedWorker{
		ID: "w1", Label: "box", Mode: "workspace", APIURL: "https://a.test", DesiredState: "enabled", Running: true, Enabled: true,
	}
	at := time.UnixMilli(1_700_000_000_000).UTC()
	with := func(change func(*api.FusedWorker)) api.FusedWorker {
		out := base
		change(&out)
		return out
	}
	tests := []struct {
		name  string
		entry manifest.Entry
		local *supervisor.Status
		view  remote.View
		want  api.FusedWorker
	}{
		{"nothing known", entry, nil, remote.View{}, base},
		{
			"stopped is the desired state, disabled is not", manifest.Entry{ID: "w1", Mode: manifest.ModePool, Enabled: true}, nil, remote.View{},
			api.FusedWorker{ID: "w1", Mode: "pool", DesiredState: "disabled", Enabled: true},
		},
		{
			"a process", entry, &supervisor.Status{ID: "w1", State: supervisor.Running, PID: 42, StartedAt: at, Restarts: 1, TotalRestarts: 3, Reattached: true},
			remote.View{},
			with(func(w *api.FusedWorker) {
				w.Local = &api.LocalStatus{
					ID: "w1", State: "running", PID: ptr(42), StartedAt: ptr(at.UnixMilli()), Restarts: 1, TotalRestarts: 3, Reattached: true,
				}
			}),
		},
		{
			"backing off after a signal", entry,
			&supervisor.Status{ID: "w1", State: supervisor.BackingOff, NextStartAt: at, LastExit: &supervisor.Exit{Signal: ptr("SIGKILL"), At: at}, RestartReason: "why"},
			remote.View{},
			with(func(w *api.FusedWorker) {
				w.Local = &api.LocalStatus{
					ID: "w1", State: "backing-off", NextStartAt: ptr(at.UnixMilli()), RestartReason: "why",
					LastExit: &api.LastExit{Signal: ptr("SIGKILL"), At: at.UnixMilli()},
				}
			}),
		},
		{
			"remote facts with their age", entry, nil,
			remote.View{
				Status: &api.RemoteStatus{Status: "online", CurrentRunID: ptr("r1"), Version: ptr("1.0.0")}, FetchedAt: at,
				Event: &api.LastEvent{Type: "poll.error", At: "x"}, Latest: "1.1.0", Err: "timed out", Stale: true,
			},
			with(func(w *api.FusedWorker) {
				w.Remote = &api.RemoteStatus{Status: "online", CurrentRunID: ptr("r1"), Version: ptr("1.0.0")}
				w.Busy, w.CurrentRunID, w.WorkerVersion = true, ptr("r1"), ptr("1.0.0")
				w.LatestWorkerVersion, w.VersionStale = ptr("1.1.0"), true
				w.LastEvent, w.RemoteFetchedAt, w.RemoteError = &api.LastEvent{Type: "poll.error", At: "x"}, api.At(at), "timed out"
				w.RemoteStale = true
			}),
		},
		{
			"a disabled worker keeps its run but is not busy", entry, nil,
			remote.View{Status: &api.RemoteStatus{Status: "online", DerivedStatus: "disabled", CurrentRunID: ptr("r1"), Disabled: true}},
			with(func(w *api.FusedWorker) {
				w.Remote = &api.RemoteStatus{Status: "online", DerivedStatus: "disabled", CurrentRunID: ptr("r1"), Disabled: true}
				w.CurrentRunID = ptr("r1")
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Fuse(tt.entry, tt.local, tt.view)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDerived(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   api.RemoteStatus
		want string
	}{
		{api.RemoteStatus{DerivedStatus: "busy", Disabled: true}, "busy"}, // what the server derived wins
		{api.RemoteStatus{Disabled: true, CurrentRunID: ptr("r")}, "disabled"},
		{api.RemoteStatus{Status: "offline", CurrentRunID: ptr("r")}, "busy"},
		{api.RemoteStatus{Status: "online", CurrentRunID: ptr("")}, "online"},
		{api.RemoteStatus{Status: "online"}, "online"},
		{api.RemoteStatus{Status: "something new"}, "offline"},
		{api.RemoteStatus{}, "offline"},
	}
	for _, tt := range tests {
		if got := derived(tt.in); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		latest, current string
		want            bool
	}{
		{"1.2.0", "1.1.9", true}, {"1.10.0", "1.9.0", true}, {"1.0.0", "1.0.0-rc.1", true},
		{"1.0.0", "1.0.0", false}, {"1.0.0", "1.0.1-dev", false}, {"", "1.0.0", false}, {"unknown", "1.0.0", false}, {"1.0.0", "nightly", false},
	}
	for _, tt := range tests {
		if got := newer(tt.latest, tt.current); got != tt.want {
			t.Errorf("latest %q, current %q: %v", tt.latest, tt.current, got)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	worker := func(state, why string) []api.FusedWorker {
		return []api.FusedWorker{{ID: "w1", Label: "box", Running: true, Local: &api.LocalStatus{State: state, LastError: why}}}
	}
	tests := []struct {
		name    string
		workers []api.FusedWorker
		planes  []remote.Plane
		program error
		want    []string
	}{
		{"nothing yet", nil, nil, nil, []string{"not_connected"}},
		{"all well", worker("running", ""), []remote.Plane{{APIURL: "a"}}, nil, nil},
		{"no program", worker("backing-off", "not found"), nil, errProgram, []string{"worker_program_missing", "worker_backing_off"}},
		{"crashed", worker("crashed", ""), nil, nil, []string{"worker_crashed"}},
		{"unreachable", worker("running", ""), []remote.Plane{{APIURL: "a", Err: "timed out"}}, nil, []string{"control_plane_unreachable"}},
		{"refused", worker("running", ""), []remote.Plane{{APIURL: "a", Err: "401", Unauthorised: true}}, nil, []string{"credential_refused"}},
	}
	dir, err := hostdir.At("/srv/our host")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{o: Options{Dir: dir}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, item := range h.health(tt.workers, tt.planes, tt.program) {
				got = append(got, item.Code)
				if item.Message == "" || item.Fix == "" {
					t.Errorf("%s does not say what and how to mend it: %+v", item.Code, item)
				}
				// Pasted into another terminal it has to mean this host.
				if item.Command != "" && !strings.HasPrefix(item.Command, "pipedai-orchestrator --home '/srv/our host' ") {
					t.Errorf("%s: command %s", item.Code, item.Command)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
