package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

// fakeDaemon answers for the daemon of a home, as a version of its own.
func fakeDaemon(t *testing.T, tm *terminal, version string, routes map[string]any) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/api/healthz" {
			_ = json.NewEncoder(w).Encode(api.LocalHealth{Status: "ok", Ready: true, PID: 4711})
			return
		}
		body, known := routes[r.Method+" "+r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			body = &api.Error{Code: api.CodeNotFound, Message: "Not found"}
		}
		if answer, changes := body.(func() any); changes {
			body = answer()
		}
		if refusal, no := body.(*api.Error); no && refusal.Status != 0 {
			w.WriteHeader(refusal.Status)
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(tm.home, "orchestrator", "credentials.json"), `{"version":1,"localToken":"oct_ours"}`)
	write(t, filepath.Join(tm.home, "orchestrator", "daemon.json"),
		fmt.Sprintf(`{"pid":4711,"port":%s,"version":%q,"startedAt":"2026-01-01T00:00:00.000Z"}`, port, version))
}

func selfRoutes(self api.SelfStatus, workers ...api.FusedWorker) map[string]any {
	self.ControlPlanes, self.Health = append([]api.RemoteState{}, self.ControlPlanes...), append([]api.HealthItem{}, self.Health...)
	return map[string]any{"GET /api/self": self, "GET /api/workers": api.FusedWorkers{Items: append([]api.FusedWorker{}, workers...)}}
}

// Every state of the daemon has its exit code, in text and as JSON.
func TestStatus_states(t *testing.T) {
	t.Parallel()
	for state, code := range map[string]int{
		"starting": 3, "needs_login": 4, "running": 0, "degraded": 3, "draining": 3, "upgrading": 0, "revoked": 4, "something-new": 3,
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(api.SelfStatus{Version: buildinfo.Version(), State: state, PID: 4711}))
			tm.run(t, "status").want(t, code, "Daemon   "+state)
			r := tm.run(t, "status", "--json")
			var report statusReport
			if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.State != state || r.code != code || r.err != "" {
				t.Errorf("%d %s %s %v", r.code, r.out, r.err, err)
			}
		})
	}
}

func TestStatus_C5_anotherVersion(t *testing.T) {
	t.Parallel()
	old, young := newTerminal(t), newTerminal(t)
	fakeDaemon(t, old, "0.0.9", selfRoutes(api.SelfStatus{Version: "0.0.9", State: "running"}))
	old.run(t, "status").want(t, 0, "the daemon that runs is version 0.0.9", "pipedai-orchestrator restart")
	// What it does not know it says it does not know, with what helps.
	old.run(t, "stop", "--all").want(t, 0)
	fakeDaemon(t, old, "0.0.9", map[string]any{})
	old.run(t, "list").want(t, 3, "do not understand each other", "pipedai-orchestrator restart")
	old.run(t, "status").want(t, 3, "Daemon   error", "pipedai-orchestrator restart")

	fakeDaemon(t, young, "99.0.0", selfRoutes(api.SelfStatus{Version: "99.0.0", State: "running"}))
	young.run(t, "status").want(t, 0, "newer than this program", "the program that the daemon was started from")
}

// A daemon that hangs is told apart from one that is gone.
func TestStatus_C5_daemonHangs(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	tm := newTerminal(t)
	write(t, filepath.Join(tm.home, "orchestrator", "credentials.json"), `{"version":1,"localToken":"oct_ours"}`)
	write(t, filepath.Join(tm.home, "orchestrator", "daemon.json"),
		fmt.Sprintf(`{"pid":4711,"port":%d,"version":"1.0.0","startedAt":"2026-01-01T00:00:00.000Z"}`, listener.Addr().(*net.TCPAddr).Port))
	tm.run(t, "status").want(t, 3, "Daemon   error", "pid 4711", "does not answer", "leaves the workers running")

	// The Tab key waits for no one: others wait 5 s for an answer.
	begin := time.Now()
	r := tm.run(t, "__complete", "stop", "")
	if took := time.Since(begin); took > 4*time.Second || r.code != 0 || !strings.HasPrefix(r.out, ":4") {
		t.Errorf("completion took %s: %d %q", took, r.code, r.out)
	}
}

func TestStatus_C5_wrongUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: only the warning for one's own home is looked at")
		tm := newTerminal(t)
		write(t, filepath.Join(tm.home, "x"), "")
		if r := tm.run(t, "status"); strings.Contains(r.out, "belongs to") {
			t.Error(r.out)
		}
		return
	}
	tm := newTerminal(t)
	write(t, filepath.Join(tm.home, "x"), "")
	if err := os.Chown(tm.home, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "status").want(t, 3, "belongs to the user #4321", "sudo -u")
}

func TestStatus_pendingApproval(t *testing.T) {
	t.Parallel()
	p := newPlane(t, 400, 400, 400, 400, 400, 400, 400, 400)
	tm := newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "connect", "--api-url", p.URL) }()
	<-p.asked
	tm.run(t, "status").want(t, 4, "Daemon   pending_approval", "WDJB-MJHT", p.URL+"/activate")
	cancel()
	if code := <-ended; code != cliutil.ExitInterrupted {
		t.Errorf("connect ended with %d", code)
	}
	if r := tm.run(t, "status"); strings.Contains(r.out, "pending_approval") {
		t.Errorf("it waits no longer: %s", r.out)
	}
}

// One screen of 80 columns holds it all, and 40 break no table.
func TestStatus_C7_width(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.tty = true
	pid, at := 123456, time.Now().Add(-50*time.Hour).UnixMilli()
	var workers []api.FusedWorker
	for i, label := range []string{"build-box-of-the-team", "漢字の名前のワーカー", "naïve 🚀", strings.Repeat("long-", 12)} {
		workers = append(workers, api.FusedWorker{
			ID: "w_0123456789abcdef012345678" + strconv.Itoa(i), Label: label,
			Local:  &api.LocalStatus{State: "backing-off", PID: &pid, StartedAt: &at, TotalRestarts: 1234},
			Remote: &api.RemoteStatus{Status: "offline"},
		})
	}
	fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(api.SelfStatus{
		Version: buildinfo.Version(), State: "degraded", PID: 4711,
		ControlPlanes: []api.RemoteState{{APIURL: "https://control.example.com", Error: "x", LastOKAt: api.At(time.Now().Add(-time.Hour))}},
		Health: []api.HealthItem{{Code: "c", Severity: "error", Message: "something rather long went wrong here, and this sentence tells of it at length",
			Fix: "mend it", Command: "pipedai-orchestrator logs build-box-of-the-team"}},
	}, workers...))
	for _, width := range []int{40, 80} {
		tm.width = width
		for _, args := range [][]string{{"status"}, {"list"}} {
			r := tm.run(t, args...)
			for _, line := range strings.Split(r.out, "\n") {
				switch {
				case cliutil.Width(line) <= width:
				case strings.Contains(line, "logs build-box"), strings.HasPrefix(line, "Home "), strings.Contains(line, tm.home):
					// what is to be copied stays whole
				default:
					t.Errorf("width %d: %q takes %d", width, line, cliutil.Width(line))
				}
			}
			if !strings.Contains(r.out, "\nWORKER") && !strings.HasPrefix(r.out, "WORKER") {
				t.Errorf("no table:\n%s", r.out)
			}
		}
	}
}

func TestStatus_watch(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "status", "--watch", "--json") }()
	until(t, func() bool { return strings.Contains(out.String(), "not_installed") })
	fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(api.SelfStatus{Version: buildinfo.Version(), State: "running"}))
	until(t, func() bool { return strings.Contains(out.String(), `"state":"running"`) })
	cancel()
	if code := <-ended; code != cliutil.ExitInterrupted {
		t.Errorf("ended with %d: %s", code, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if len(lines) > 3 {
		t.Errorf("%d lines for one change:\n%s", len(lines), out.String())
	}
}

func TestPaint(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		tty  bool
		env  map[string]string
		args []string
		want bool
	}{
		"a terminal":      {tty: true, want: true},
		"no terminal":     {},
		"NO_COLOR":        {tty: true, env: map[string]string{"NO_COLOR": "1"}},
		"dumb":            {tty: true, env: map[string]string{"TERM": "dumb"}},
		"--no-color":      {tty: true, args: []string{"--no-color"}},
		"screen reader":   {tty: true, env: map[string]string{"PIPEDAI_ACCESSIBLE": "1"}},
		"forced":          {env: map[string]string{"CLICOLOR_FORCE": "1"}, want: true},
		"forced, but not": {env: map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			tm.tty = tt.tty
			for k, v := range tt.env {
				tm.env[k] = v
			}
			r := tm.run(t, append([]string{"status"}, tt.args...)...)
			if got := strings.Contains(r.out, "\x1b["); got != tt.want {
				t.Errorf("coloured %v, want %v: %q", got, tt.want, r.out)
			}
		})
	}
}
