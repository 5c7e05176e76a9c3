//go:build systemd

package systemd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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
