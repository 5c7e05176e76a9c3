//go:build wine

package wine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const compiler = "x86_64-w64-mingw32-gcc"

// machine is a Windows as Wine has it, with our programs.
type machine struct {
	t    *testing.T
	dir  string
	home string // of its user, as Wine keeps it
	env  []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	for _, tool := range []string{"wine", compiler} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install -y wine wine64 gcc-mingw-w64-x86-64", tool)
		}
	}
	dir := t.TempDir()
	prefix := filepath.Join(dir, "prefix")
	m := &machine{t: t, dir: dir, env: append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=")}
	m.host("wine", "wineboot", "--init")
	t.Cleanup(func() { _, _ = m.command("wine", "wineboot", "--kill").CombinedOutput() })
	m.host(compiler, "-shared", "-o", filepath.Join(prefix, "drive_c/windows/system32/bcryptprimitives.dll"), "testdata/bcryptprimitives.c", "-ladvapi32")
	build := func(name, pkg string) {
		cmd := m.command("go", "build", "-o", filepath.Join(dir, name+".exe"), pkg)
		cmd.Env = append(cmd.Env, "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	build("pipedai-orchestrator", "pipedai/cmd/pipedai-orchestrator")
	build("worker", "./testdata/worker")
	homes, err := filepath.Glob(filepath.Join(prefix, "drive_c/users/*/AppData"))
	if err != nil || len(homes) == 0 {
		t.Fatalf("Wine made no user: %v", err)
	}
	m.home = filepath.Join(filepath.Dir(homes[0]), ".pipedai")
	return m
}

func (m *machine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = m.env
	return cmd
}

func (m *machine) host(name string, args ...string) {
	m.t.Helper()
	if out, err := m.command(name, args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// run runs the program of this machine and returns its exit code.
func (m *machine) run(args ...string) (code int, stdout string) {
	m.t.Helper()
	cmd := m.command("wine", append([]string{filepath.Join(m.dir, "pipedai-orchestrator.exe")}, args...)...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	failed := cmd.Run()
	var exit *exec.ExitError
	if failed != nil && !errors.As(failed, &exit) {
		m.t.Fatal(failed)
	}
	m.t.Logf("%s: %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), err.String())
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestWine(t *testing.T) {
	m := newMachine(t)
	if code, out := m.run("version"); code != 0 || !strings.HasPrefix(out, "pipedai-orchestrator ") {
		t.Fatalf("version: %d %q", code, out)
	}
	var status struct{ State, Home string }
	if code, out := m.run("status", "--json"); code != 3 || json.Unmarshal([]byte(out), &status) != nil ||
		status.State != "not_installed" || !strings.HasPrefix(status.Home, `C:\users\`) {
		t.Errorf("status: %d %s", code, out)
	}
	if code, out := m.run("install", "--dry-run"); code != 0 || !strings.Contains(out, "PipedAIOrchestrator") || !strings.Contains(out, "--log-file") {
		t.Errorf("install --dry-run: %d %s", code, out)
	}
	if err := os.MkdirAll(m.home, 0o700); err != nil {
		t.Fatal(err)
	}
	config := `{"workerId":"w1","workerToken":"wkt_1234567890abcdef","apiUrl":"http://127.0.0.1:9","workspaceId":"ws"}`
	if err := os.WriteFile(filepath.Join(m.home, "worker.box.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := m.run("adopt"); code != 0 || !strings.Contains(out, "adopted box") {
		t.Fatalf("adopt: %d %s", code, out)
	}

	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := net.SplitHostPort(port.Addr().String())
	port.Close()
	daemon := m.command("wine", filepath.Join(m.dir, "pipedai-orchestrator.exe"), "start", "--port", number,
		"--probe-internet", "off", "--worker-program", "Z:"+filepath.Join(m.dir, "worker.exe"))
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		<-ended
	})
	workers := func() string {
		_, out := m.run("list", "--no-headers")
		return out
	}
	eventually(t, "the worker runs", func() bool { return strings.Contains(workers(), "running") })
	eventually(t, "its lines are in the log", func() bool {
		_, out := m.run("logs", "box", "--tail", "2")
		return strings.Contains(out, " out line ")
	})
	if code, _ := m.run("stop", "box"); code != 0 {
		t.Errorf("stop: exit code %d", code)
	}
	eventually(t, "it has stopped", func() bool { return strings.Contains(workers(), "stopped") })
	if code, _ := m.run("start", "box"); code != 0 {
		t.Errorf("start: exit code %d", code)
	}
	eventually(t, "it runs again", func() bool { return strings.Contains(workers(), "running") })
	if code, out := m.run("start", "--port", "0"); code != 6 {
		t.Errorf("a second daemon: %d %s", code, out)
	}
}

func eventually(t *testing.T, what string, probe func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !probe(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("not in a minute: ", what))
		}
	}
}
