package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pipedai/api"
	"pipedai/daemon/osservice"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

// fakeManager is a systemd of one person that runs nothing.
type fakeManager struct {
	root string
	mu   sync.Mutex
	show string   // what systemctl show prints
	done []string // what it was asked to do
	stop func()   // what a stop does besides
}

const (
	unitRuns   = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=%d\nResult=success\n"
	unitFailed = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nUnitFileState=enabled\nMainPID=0\nResult=exit-code\nExecMainStatus=6\n"
	unitIdle   = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=enabled\nMainPID=0\nResult=success\n"
)

// newManager has a unit for a home; an empty home is no unit.
func newManager(t *testing.T, home, show string) *fakeManager {
	t.Helper()
	m := &fakeManager{root: t.TempDir(), show: show}
	if home == "" {
		return m
	}
	s, err := m.service(osservice.Options{Kind: osservice.SystemdUser})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context(), osservice.Unit{Program: "/usr/bin/" + program, Home: home, UserHome: home, Path: "/usr/bin"}); err != nil {
		t.Fatal(err)
	}
	m.done = nil
	return m
}

func (m *fakeManager) available(func(string) string) (system, person osservice.Kind) {
	return "", osservice.SystemdUser
}

func (m *fakeManager) service(o osservice.Options) (*osservice.Service, error) {
	o.UserHome, o.Root, o.Run, o.Control = "", m.root, m.run, m
	return osservice.New(o)
}

func (m *fakeManager) run(_ context.Context, name string, args ...string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := strings.Join(args, " ")
	if strings.Contains(all, " show ") {
		return m.show, nil
	}
	m.done = append(m.done, name+" "+all)
	if strings.Contains(all, " stop ") && m.stop != nil {
		m.stop()
	}
	return "", nil
}

func (m *fakeManager) note(what string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = append(m.done, what)
	return nil
}

func (m *fakeManager) Start() error   { return m.note("start") }
func (m *fakeManager) Stop() error    { return m.note("stop") }
func (m *fakeManager) Restart() error { return m.note("restart") }

func (m *fakeManager) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.done...)
}

// What the service manager says is in the status, and what helps is said in
// the manager's own words. A unit for another home is none of ours.
func TestStatus_service(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		show, home string // home of the unit, "ours" for that of the host
		credential bool
		state      string
		want       serviceFacts
		says       []string
	}{
		"nothing":      {state: "not_installed", says: []string{"connect --api-url"}},
		"another home": {home: "/srv/other", show: fmt.Sprintf(unitRuns, 1), state: "not_installed", says: []string{"connect --api-url"}},
		"a unit, and never connected": {home: "ours", show: unitIdle, state: "stopped",
			want: serviceFacts{Installed: true, Enabled: true, Word: "inactive"}, says: []string{"systemctl --user start pipedai-orchestrator"}},
		"it fails": {home: "ours", show: unitFailed, credential: true, state: "stopped",
			want: serviceFacts{Installed: true, Enabled: true, Running: true, Word: "activating", Detail: "exit-code, exit code 6, it is tried again"},
			says: []string{"exit code 6", "journalctl --user -u pipedai-orchestrator"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			home := c.home
			if home == "ours" {
				home = tm.home
			}
			tm.manager = newManager(t, home, c.show)
			if c.credential {
				write(t, filepath.Join(tm.home, "orchestrator", "credentials.json"),
					`{"version":1,"localToken":"oct_ours","operators":{"http://127.0.0.1:1":"pwk_an-operators-key"}}`)
			}
			r := tm.run(t, "status", "--json")
			var report statusReport
			if err := json.Unmarshal([]byte(r.out), &report); err != nil {
				t.Fatal(err)
			}
			got := report.Service
			if got.Installed && (got.Manager != osservice.SystemdUser || !strings.HasPrefix(got.Unit, tm.manager.root)) {
				t.Errorf("manager %q, unit %q", got.Manager, got.Unit)
			}
			got.Manager, got.Unit = "", ""
			if got != c.want || report.State != c.state || r.code != 3 {
				t.Errorf("%s, exit code %d, service %+v; want %s, %+v", report.State, r.code, got, c.state, c.want)
			}
			tm.run(t, "status").want(t, 3, c.says...)
		})
	}

	tm := newTerminal(t)
	tm.manager = newManager(t, tm.home, fmt.Sprintf(unitRuns, 4711))
	fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(api.SelfStatus{Version: buildinfo.Version(), State: "running", PID: 4711}))
	tm.run(t, "status").want(t, 0, "Service  systemd, of this user, active")
	tm.manager = nil
	tm.run(t, "status").want(t, 0, "Service  none; the daemon runs while its terminal does")
}

// A daemon that a service manager runs is stopped by it, and what comes next is
// said.
func TestStopDaemon_service(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	tm.manager = newManager(t, tm.home, fmt.Sprintf(unitRuns, os.Getpid()))
	tm.manager.stop = interrupt
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return tm.run(t, "status").code == cliutil.ExitAuth }) // it runs, and was never connected
	tm.run(t, "stop", "--daemon").want(t, 0, "The daemon has stopped", "at the next boot", "systemctl --user start", "uninstall")
	if got := tm.manager.asked(); len(got) != 1 || got[0] != "systemctl --user stop pipedai-orchestrator.service" {
		t.Errorf("the manager was asked: %q", got)
	}
	interrupt() // not again, unless it was not asked
	if code := <-ended; code != 0 {
		t.Errorf("the daemon ended with %d: %s", code, errs)
	}
}

// The bundle holds what the manager was told, and a removal is shown first.
func TestService_shown(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.manager = newManager(t, tm.home, unitIdle)
	path := filepath.Join(t.TempDir(), "bundle.tar.gz")
	tm.run(t, "support-bundle", "--output", path, "--offline").want(t, 0)
	if text := unpack(t, path)["bundle/units/systemd-user-pipedai-orchestrator.service"]; !strings.Contains(text, "ExecStart=") {
		t.Errorf("no unit in the bundle: %q", text)
	}
	if got := tm.manager.asked(); len(got) != 1 || !strings.HasPrefix(got[0], "journalctl --user --unit pipedai-orchestrator ") {
		t.Errorf("the journal is not in it: %q", got)
	}
	tm.manager.done = nil
	tm.run(t, "uninstall", "--dry-run").want(t, 0, "This would stop and remove", tm.home, "would be stopped")
	tm.run(t, "uninstall", "--dry-run", "--keep-workers").want(t, 0, "would be kept")
	if got := tm.manager.asked(); len(got) != 0 {
		t.Errorf("a dry run did something: %q", got)
	}
	tm.run(t, "uninstall").want(t, 0, "The service was removed")
	tm.run(t, "uninstall", "--dry-run").want(t, 0, "No service is installed")
	tm.manager = nil
	tm.run(t, "install", "--dry-run", "--user").want(t, 0, "ExecStart=", tm.home)
}
