//go:build systemd

package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rig is a machine with the programs on it, and a person who owns a host.
type rig struct {
	*machine
	program string
	home    string // of the host
}

func newRig(t *testing.T, folder string) *rig {
	t.Helper()
	r := &rig{machine: newMachine(t, os.Getenv("SYSTEMD_ROOT")), program: folder + "/pipedai-orchestrator", home: "/home/" + user + "/.pipedai"}
	if err := os.MkdirAll(r.at(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{r.program: programs.daemon, folder + "/pipedai-worker": programs.worker} {
		r.copyIn(from, to)
	}
	r.run("useradd", "--create-home", "--shell", "/bin/sh", user)
	// A host as older programs left it: one worker that should run.
	config := r.home + "/orchestrator/workers/w1.json"
	r.write(config, map[string]any{"workerId": "w1", "workerToken": "wkt_not-a-real-token", "apiUrl": "http://127.0.0.1:9", "workspaceId": "ws1"})
	r.write(r.home+"/orchestrator/manifest.json", map[string]any{"version": 1, "workers": []any{map[string]any{
		"id": "w1", "label": "counter", "apiUrl": "http://127.0.0.1:9", "workspaceId": "ws1", "configPath": config,
		"mode": "workspace", "desiredState": "enabled",
	}}})
	r.run("chown", "-R", user+":"+user, "/home/"+user)
	return r
}

// steps returns what runs one step of a test that has them in a row: each needs
// those before. When one fails it shows what the units said.
func (r *rig) steps(t *testing.T, units ...string) func(name string, do func(t *testing.T)) {
	return func(name string, do func(t *testing.T)) {
		t.Helper()
		defer func() { r.t = t }()
		if t.Run(name, func(t *testing.T) { r.t = t; do(t) }) {
			return
		}
		for _, u := range units {
			said, _ := r.try("journalctl", "--no-pager", "-n", "60", "_SYSTEMD_UNIT="+u, "+", "_SYSTEMD_USER_UNIT="+u, "+", "UNIT="+u, "+", "USER_UNIT="+u)
			t.Logf("%s:\n%s", u, said)
		}
		t.Fatalf("the steps after %q need it to succeed", name)
	}
}

// programs are built once for all tests. next is the daemon of a later version.
var programs struct{ daemon, worker, next string }

// nextVersion is what that one calls itself.
const nextVersion = "9.1.0"

func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD_ROOT") == "" || os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "this suite boots a machine: run `make test-systemd` as root")
		os.Exit(1)
	}
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pipedai-systemd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in a folder for such things
	programs.daemon, programs.worker, programs.next = filepath.Join(dir, "daemon"), filepath.Join(dir, "worker"), filepath.Join(dir, "next")
	for to, pkg := range map[string]string{
		programs.daemon: "./cmd/pipedai-orchestrator", programs.worker: "./e2e/systemd/testdata/counter", programs.next: "./cmd/pipedai-orchestrator",
	} {
		args := []string{"build", "-trimpath", "-o", to}
		if to == programs.next {
			args = append(args, "-ldflags", "-X pipedai/internal/buildinfo.version="+nextVersion)
		}
		cmd := exec.Command("go", append(args, pkg)...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// copyIn puts a program into the machine.
func (r *rig) copyIn(from, to string) {
	r.t.Helper()
	if out, err := exec.Command("cp", from, r.at(to)).CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
}

// at is a path in the machine as it is seen from here.
func (r *rig) at(path string) string { return filepath.Join(r.root, path) }

func (r *rig) write(path string, v any) {
	r.t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.at(path)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(r.at(path), data, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// sudo runs our program as root on behalf of the person.
func (r *rig) sudo(args ...string) string {
	r.t.Helper()
	return r.run("env", append([]string{"SUDO_USER=" + user, "HOME=/root", r.program}, args...)...)
}

func (r *rig) there(path string) bool { return exists(r.at(path)) }

// daemon is the pid of the running daemon, as systemd has it.
func (r *rig) daemon(as string) int {
	r.t.Helper()
	pid, err := strconv.Atoi(r.property(as, "MainPID"))
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// worker is the pid of the running worker; 0 without one.
func (r *rig) worker() int {
	out, _ := r.try("pgrep", "--exact", "--full", `.*/pipedai-worker run --config .*/w1\.json`)
	pids := strings.Fields(out)
	if len(pids) > 1 {
		r.t.Fatalf("there are %d workers: %v", len(pids), pids)
	}
	if len(pids) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		r.t.Fatalf("pgrep says %q", out)
	}
	return pid
}

// counted reads the worker's log: the numbers must go up by one from line to
// line, or begin anew with 1 after a start. It returns how often it began and
// the last number.
func (r *rig) counted() (began, n int) {
	r.t.Helper()
	files, err := filepath.Glob(r.at(r.home + "/logs/w1.log*"))
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(files)
	slices.Reverse(files) // .3, .2, .1, then the newest
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			switch {
			case !strings.HasSuffix(line, "\n"): // it is being written
			case strings.Contains(line, "began as "):
				began, n = began+1, 0
			default:
				_, number, found := strings.Cut(strings.TrimSuffix(line, "\n"), "n=")
				if !found {
					continue
				}
				if number != strconv.Itoa(n+1) {
					r.t.Fatalf("%s: after n=%d comes %q", filepath.Base(file), n, line)
				}
				n++
			}
		}
	}
	return began, n
}

// undisturbed does something to the daemon and wants another one to come, and
// the worker not to notice: its pid stays and no line is missing.
func (r *rig) undisturbed(t *testing.T, as string, do func()) {
	t.Helper()
	daemon, worker := r.daemon(as), r.worker()
	_, before := r.counted()
	do()
	eventually(t, "another daemon", func() bool {
		pid := r.daemon(as)
		return pid != 0 && pid != daemon && r.property(as, "ActiveState") == "active"
	})
	if now := r.worker(); now != worker {
		t.Errorf("the worker's pid went from %d to %d", worker, now)
	}
	eventually(t, "lines to come again, none missing", func() bool { _, n := r.counted(); return n > before+200 })
}

// running waits for a worker that counts.
func (r *rig) running(t *testing.T, starts int) {
	t.Helper()
	eventually(t, "the worker to count", func() bool {
		if !r.there(r.home + "/logs/w1.log") {
			return false
		}
		began, n := r.counted()
		return began == starts && n > 100
	})
}

func (r *rig) want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}
