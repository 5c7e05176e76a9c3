package osservice

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a service manager that writes down what it is asked.
type fake struct {
	calls []string
	show  string // what "show" or "list" prints
	fail  error
	unit  string // looked for at every call
}

func (f *fake) note(what string) {
	if f.unit != "" {
		if _, err := os.Stat(f.unit); err != nil {
			what += " (no unit)"
		}
	}
	f.calls = append(f.calls, what)
}

func (f *fake) run(_ context.Context, name string, args ...string) (string, error) {
	if args[len(args)-1] != "--version" && !strings.Contains(strings.Join(args, " "), "show") && name == "systemctl" {
		f.note(strings.Join(args, " "))
	}
	return f.show, f.fail
}

func (f *fake) Start() error   { f.note("start"); return nil }
func (f *fake) Stop() error    { f.note("stop"); return nil }
func (f *fake) Restart() error { f.note("restart"); return nil }

const active = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=42\nResult=success\nExecMainStatus=0\n"

func newFake(t *testing.T, kind Kind) (*Service, *fake) {
	t.Helper()
	f := &fake{show: active}
	s, err := New(Options{Kind: kind, UserHome: "/home/alice", Root: t.TempDir(), Run: f.run, Control: f})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

func TestInstall_C11_twice(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Systemd, SystemdUser, Launchd} {
		s, _ := newFake(t, kind)
		changed := plainUnit()
		changed.StopGrace = time.Hour
		for i, c := range []struct {
			unit Unit
			want Change
		}{{plainUnit(), Installed}, {plainUnit(), Already}, {changed, Updated}, {changed, Already}} {
			if got, err := s.Install(t.Context(), c.unit); err != nil || got != c.want {
				t.Errorf("%s, time %d: %s, %v; want %s", kind, i+1, got, err, c.want)
			}
		}
		if home, err := s.Home(t.Context()); err != nil || home != changed.Home {
			t.Errorf("%s: the home is %q, %v", kind, home, err)
		}
		other := plainUnit()
		other.Home = "/srv/other"
		if _, err := s.Install(t.Context(), other); !errors.Is(err, ErrOtherHome) || !strings.Contains(err.Error(), changed.Home) {
			t.Errorf("%s: another home: %v", kind, err)
		}
	}
}

func TestInstall_leavesForeignUnitsAlone(t *testing.T) {
	t.Parallel()
	s, f := newFake(t, Systemd)
	const foreign = "[Service]\nExecStart=/usr/bin/something\n"
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.Path()), 0o700), os.WriteFile(s.Path(), []byte(foreign), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context(), plainUnit()); !errors.Is(err, ErrForeign) {
		t.Errorf("install: %v", err)
	}
	if _, err := s.Uninstall(t.Context()); !errors.Is(err, ErrForeign) {
		t.Errorf("uninstall: %v", err)
	}
	if data, err := os.ReadFile(s.Path()); err != nil || string(data) != foreign || len(f.calls) > 0 {
		t.Errorf("it was touched: %q, %v, %v", data, err, f.calls)
	}
}

func TestUninstall_101_order(t *testing.T) {
	t.Parallel()
	s, f := newFake(t, Systemd)
	if _, err := s.Install(t.Context(), plainUnit()); err != nil {
		t.Fatal(err)
	}
	f.calls, f.unit = nil, s.Path()
	if removed, err := s.Uninstall(t.Context()); err != nil || !removed {
		t.Fatalf("%v, %v", removed, err)
	}
	want := []string{"stop pipedai-orchestrator.service", "disable pipedai-orchestrator.service", "daemon-reload (no unit)", "reset-failed pipedai-orchestrator.service (no unit)"}
	if diff := cmp.Diff(want, f.calls); diff != "" {
		t.Error(diff)
	}
	f.calls = nil
	if removed, err := s.Uninstall(t.Context()); err != nil || removed || len(f.calls) > 0 {
		t.Errorf("a second time: %v, %v, %v", removed, err, f.calls)
	}
}

func TestStart_leavesARunningOneAlone(t *testing.T) {
	t.Parallel()
	s, f := newFake(t, SystemdUser)
	if err := s.Start(t.Context()); err != nil || len(f.calls) > 0 {
		t.Errorf("%v, %v", err, f.calls)
	}
	f.show = strings.Replace(active, "=active", "=failed", 1)
	if err := s.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"--user reset-failed pipedai-orchestrator.service", "start"}, f.calls); diff != "" {
		t.Error(diff)
	}
}

// What a manager prints counts, never its exit code.
func TestState_100(t *testing.T) {
	t.Parallel()
	systemd := map[string]State{
		active: {Installed: true, Loaded: true, Enabled: true, Running: true, PID: 42, Word: "active"},
		"LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nMainPID=0\nResult=exit-code\nExecMainStatus=2\n": {
			Installed: true, Loaded: true, Enabled: true, Word: "failed", Detail: "exit-code, exit code 2"},
		"LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nUnitFileState=disabled\nMainPID=0\nResult=exit-code\nExecMainStatus=6\n": {
			Installed: true, Loaded: true, Running: true, Word: "activating", Detail: "exit-code, exit code 6, it is tried again"},
		"LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nMainPID=0\nResult=success\n": {Installed: true, Word: "inactive"},
		"": {Installed: true},
	}
	for out, want := range systemd {
		if diff := cmp.Diff(want, parseSystemd(out, true)); diff != "" {
			t.Errorf("%q:\n%s", out, diff)
		}
	}
	launchd := map[string]State{
		"{\n\t\"PID\" = 77;\n\t\"LastExitStatus\" = 0;\n};": {Installed: true, Loaded: true, Enabled: true, Running: true, PID: 77, Word: "running"},
		"{\n\t\"LastExitStatus\" = 19200;\n};":              {Installed: true, Loaded: true, Enabled: true, Word: "waiting", Detail: "exit code 75"},
		"{\n\t\"LastExitStatus\" = 9;\n};":                  {Installed: true, Loaded: true, Enabled: true, Word: "waiting", Detail: "signal 9"},
	}
	for out, want := range launchd {
		if diff := cmp.Diff(want, parseLaunchd(out, true)); diff != "" {
			t.Errorf("%q:\n%s", out, diff)
		}
	}
	s, f := newFake(t, Launchd)
	f.fail = errors.New("exit status 113")
	if state, err := s.State(t.Context()); err != nil || state.Running || state.Loaded {
		t.Errorf("an agent that is not loaded: %+v, %v", state, err)
	}
}

func TestRestarting_P8(t *testing.T) {
	t.Parallel()
	const unit = "pipedai-orchestrator.service"
	for out, want := range map[string]bool{
		"512 pipedai-orchestrator.service restart running\n":                             true,
		"  512 pipedai-orchestrator.service  restart  running\n":                         true,
		"512 pipedai-orchestrator.service stop running\n":                                false,
		"512 other.service restart running\n513 pipedai-orchestrator.service stop run\n": false,
		"No jobs running.\n": false,
		"":                   false,
	} {
		if got := restartJob(out, unit); got != want {
			t.Errorf("%q: %v", out, got)
		}
	}
	s, f := newFake(t, Systemd)
	f.show, f.fail = "1 "+unit+" restart running", errors.New("exit status 1")
	if s.restarting(t.Context()) {
		t.Error("what could not be asked counts as a restart")
	}
	s, _ = newFake(t, Launchd)
	if s.restarting(t.Context()) {
		t.Error("launchd has no such jobs")
	}
}

func TestNotifier(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	heard := func() string {
		buf := make([]byte, 1024)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	n := NewNotifier(func(string) string { return address })
	if err := n.Ready("1.2.3"); err != nil {
		t.Fatal(err)
	}
	if got := heard(); !strings.HasPrefix(got, "READY=1\n") || !strings.Contains(got, "1.2.3") {
		t.Errorf("ready is told as %q", got)
	}
	if err := n.Stopping(3, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := heard(); !strings.HasPrefix(got, "STOPPING=1\n") || !strings.HasSuffix(got, "EXTEND_TIMEOUT_USEC=360000000") {
		t.Errorf("stopping is told as %q", got)
	}
	if err := (Notifier{}).Ready("1.2.3"); err != nil {
		t.Errorf("nobody listens: %v", err)
	}
}
