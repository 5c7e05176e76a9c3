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

const (
	unit = "pipedai-orchestrator.service"
	user = "alice"

	// Where the programs lie: what a path may have that a unit must not take for
	// its own. With quotes it takes another way, by the shell.
	oddFolder    = `/opt/odd dir %h $HOME ${PATH} ü`
	quotedFolder = `/opt/it's "odd" \n $0 $@ %i`
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
			said, _ := r.try("journalctl", "--no-pager", "-n", "60", "-u", u, "+", "_SYSTEMD_USER_UNIT="+u)
			t.Logf("%s:\n%s", u, said)
		}
		t.Fatalf("the steps after %q need it to succeed", name)
	}
}

// programs are built once for all tests.
var programs struct{ daemon, worker string }

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
	programs.daemon, programs.worker = filepath.Join(dir, "daemon"), filepath.Join(dir, "worker")
	for to, pkg := range map[string]string{programs.daemon: "./cmd/pipedai-orchestrator", programs.worker: "./e2e/systemd/testdata/counter"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", to, pkg)
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

func TestService_P8_system(t *testing.T) {
	t.Parallel()
	r := newRig(t, oddFolder)
	step := r.steps(t, unit)
	step("without root it says what to type", func(t *testing.T) {
		out, err := r.tryAs(user, r.program, "install")
		if err == nil || !strings.Contains(out, "sudo '"+r.program+"' install") || !strings.Contains(out, "install --user") {
			t.Errorf("%v: %s", err, out)
		}
	})
	step("a dry run changes nothing, and systemd finds no fault with it", func(t *testing.T) {
		text := r.sudo("install", "--dry-run")
		if r.there("/etc/systemd/system/" + unit) {
			t.Fatal("it wrote a unit")
		}
		text = text[strings.Index(text, "# Written"):]
		if err := os.WriteFile(r.at("/root/"+unit), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := r.run("systemd-analyze", "verify", "/root/"+unit); strings.Contains(out, "pipedai") {
			t.Errorf("systemd-analyze says:\n%s", out)
		}
	})
	step("install", func(t *testing.T) {
		out := r.sudo("install")
		if !strings.Contains(out, "is installed and runs") {
			t.Errorf("install says:\n%s", out)
		}
		r.running(t, 1)
		r.want(t, "the state", r.property("", "ActiveState"), "active")
		r.want(t, "at boot it", r.property("", "UnitFileState"), "enabled")
		for _, pid := range []int{r.daemon(""), r.worker()} {
			r.want(t, "the user", strings.TrimSpace(r.run("ps", "-o", "user=", "-p", strconv.Itoa(pid))), user)
		}
		r.want(t, "HOME", r.environ(r.worker(), "HOME"), "/home/"+user)
		r.want(t, "the worker's NOTIFY_SOCKET", r.environ(r.worker(), "NOTIFY_SOCKET"), "")
		r.want(t, "the worker's PIPEDAI_SERVICE", r.environ(r.worker(), "PIPEDAI_SERVICE"), "")
	})
	step("install again", func(t *testing.T) {
		pid := r.daemon("")
		if out := r.sudo("install"); !strings.Contains(out, "already installed") {
			t.Errorf("install says:\n%s", out)
		}
		if now := r.daemon(""); now != pid {
			t.Errorf("the daemon's pid went from %d to %d", pid, now)
		}
	})
	step("a killed daemon comes back", func(t *testing.T) {
		r.undisturbed(t, "", func() { r.run("kill", "-9", strconv.Itoa(r.daemon(""))) })
	})
	step("restart", func(t *testing.T) {
		r.undisturbed(t, "", func() {
			if out := r.as(user, r.program, "restart"); !strings.Contains(out, "1 worker kept running") {
				t.Errorf("restart says:\n%s", out)
			}
		})
	})
	step("systemctl restart", func(t *testing.T) {
		r.undisturbed(t, "", func() { r.run("systemctl", "restart", unit) })
	})
	step("upgrade", func(t *testing.T) {
		// Another file in the place of the running one, as an installer does it.
		r.undisturbed(t, "", func() {
			r.copyIn(programs.daemon, r.program+".new")
			r.run("mv", r.program+".new", r.program)
			r.as(user, r.program, "restart")
		})
	})
	step("a changed unit", func(t *testing.T) {
		r.undisturbed(t, "", func() {
			if out := r.sudo("install", "--stop-grace", "2m"); !strings.Contains(out, "was changed") {
				t.Errorf("install says:\n%s", out)
			}
		})
		r.want(t, "the time to stop", r.property("", "TimeoutStopUSec"), "3min")
	})
	step("another home is refused", func(t *testing.T) {
		out, err := r.try("env", "SUDO_USER="+user, r.program, "--home", "/srv/other", "install")
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 6 || !strings.Contains(out, r.home) {
			t.Errorf("%v: %s", err, out)
		}
	})
	step("reboot", func(t *testing.T) {
		boot := r.run("cat", "/proc/sys/kernel/random/boot_id")
		r.reboot()
		if again := r.run("cat", "/proc/sys/kernel/random/boot_id"); again == boot {
			t.Fatal("it is the same boot")
		}
		r.want(t, "the state", r.property("", "ActiveState"), "active")
		r.running(t, 2) // and was drained before
		if n := r.drained(); n != 1 {
			t.Errorf("the worker was drained %d times, want once", n)
		}
	})
	step("a power cut", func(t *testing.T) {
		r.kill()
		r.start()
		r.running(t, 3)
	})
	step("stop", func(t *testing.T) {
		r.run("systemctl", "stop", unit)
		if pid := r.worker(); pid != 0 {
			t.Errorf("the worker still runs (pid %d)", pid)
		}
		if n := r.drained(); n != 2 {
			t.Errorf("the worker was drained %d times, want twice", n)
		}
		r.want(t, "the state", r.property("", "ActiveState"), "inactive")
		r.want(t, "the result", r.property("", "Result"), "success")
		if out, err := r.tryAs(user, r.program, "status"); err == nil || !strings.Contains(out, "stopped") {
			t.Errorf("status: %v\n%s", err, out)
		}
	})
	step("uninstall, keeping workers", func(t *testing.T) {
		r.run("systemctl", "start", unit)
		r.running(t, 4)
		worker := r.worker()
		if out := r.sudo("uninstall", "--keep-workers"); !strings.Contains(out, "run on") {
			t.Errorf("uninstall says:\n%s", out)
		}
		r.gone(t)
		if now := r.worker(); now != worker {
			t.Errorf("the worker's pid went from %d to %d", worker, now)
		}
		r.sudo("install") // takes it up again
		if now := r.worker(); now != worker {
			t.Errorf("the worker's pid went from %d to %d", worker, now)
		}
	})
	step("uninstall", func(t *testing.T) {
		r.sudo("uninstall")
		r.gone(t)
		if pid := r.worker(); pid != 0 {
			t.Errorf("the worker still runs (pid %d)", pid)
		}
		if !r.there(r.home+"/orchestrator/manifest.db") || !r.there(r.home+"/logs/w1.log") {
			t.Error("files of the host are gone")
		}
		r.counted()
		if out := r.sudo("uninstall"); !strings.Contains(out, "No service is installed") {
			t.Errorf("a second time it says:\n%s", out)
		}
	})
	r.noStrays(t)
}

// environ is one variable of a process.
func (r *rig) environ(pid int, name string) string {
	r.t.Helper()
	for _, entry := range strings.Split(r.run("cat", fmt.Sprintf("/proc/%d/environ", pid)), "\x00") {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// drained is how often the worker was let finish.
func (r *rig) drained() int {
	r.t.Helper()
	data, err := os.ReadFile(r.at(r.home + "/logs/w1.log"))
	if err != nil {
		r.t.Fatal(err)
	}
	older, _ := os.ReadFile(r.at(r.home + "/logs/w1.log.1"))
	return strings.Count(string(data), "drained\n") + strings.Count(string(older), "drained\n")
}

// gone wants nothing of the service to be left.
func (r *rig) gone(t *testing.T) {
	t.Helper()
	out := r.run("find", "/etc/systemd", "/home/"+user, "-name", unit)
	r.want(t, "what is left", strings.TrimSpace(out), "")
	r.want(t, "what systemd knows", r.property("", "LoadState"), "not-found")
	if out, _ := r.try("pgrep", "--full", "pipedai-orchestrator --home"); out != "" {
		t.Errorf("a daemon still runs: %s", out)
	}
}

// noStrays wants no process of the person's to be left, and no file of the
// host to be anybody else's.
func (r *rig) noStrays(t *testing.T) {
	t.Helper()
	if out, _ := r.try("pgrep", "--full", "pipedai"); out != "" {
		t.Errorf("left behind: %s", out)
	}
	if out := r.run("find", r.home, "!", "-user", user); out != "" {
		t.Errorf("not the owner's:\n%s", out)
	}
	if out := r.run("find", r.home, "-mindepth", "1", "-perm", "/077"); out != "" {
		t.Errorf("others may read:\n%s", out)
	}
}

func TestService_P8_user(t *testing.T) {
	t.Parallel()
	r := newRig(t, quotedFolder)
	r.run("loginctl", "enable-linger", user)
	eventually(t, "the person's systemd", func() bool {
		out, _ := r.tryAs(user, "systemctl", "--user", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
	})
	out := r.as(user, r.program, "install", "--user")
	if !strings.Contains(out, "is installed and runs") || strings.Contains(out, "log out") {
		t.Errorf("install says:\n%s", out)
	}
	r.running(t, 1)
	if out := r.as(user, r.program, "install", "--user"); !strings.Contains(out, "already installed") {
		t.Errorf("install says:\n%s", out)
	}
	r.undisturbed(t, user, func() { r.run("kill", "-9", strconv.Itoa(r.daemon(user))) })
	r.undisturbed(t, user, func() { r.as(user, r.program, "restart") })
	r.undisturbed(t, user, func() { r.as(user, "systemctl", "--user", "restart", unit) })
	r.reboot()
	r.running(t, 2)
	r.as(user, r.program, "uninstall")
	if pid := r.worker(); pid != 0 {
		t.Errorf("the worker still runs (pid %d)", pid)
	}
	r.want(t, "what is left", strings.TrimSpace(r.run("find", "/etc/systemd", "/home/"+user, "-name", unit)), "")
	r.noStrays(t)
}
