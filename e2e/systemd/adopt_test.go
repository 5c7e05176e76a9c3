//go:build systemd

package systemd

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// manager is a systemd with whoever gives it orders.
type manager struct {
	*rig
	person string // "" is root and the machine's
	home   string // of the host
}

// do runs our program as whoever owns the host.
func (m manager) do(args ...string) (out string, code int) {
	m.t.Helper()
	var err error
	if m.person != "" {
		out, err = m.tryAs(m.person, m.program, args...)
	} else {
		out, err = m.try("env", append([]string{"HOME=/root", m.program}, args...)...)
	}
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return out, ended.ExitCode()
	case err != nil:
		m.t.Fatal(err)
	}
	return out, 0
}

func (m manager) systemctl(args ...string) string {
	m.t.Helper()
	if m.person != "" {
		return m.as(m.person, "systemctl", append([]string{"--user"}, args...)...)
	}
	return m.run("systemctl", args...)
}

// is wants a unit to be in a state, and to come up in it at boot or not.
func (m manager) is(t *testing.T, unit, active, atBoot string) {
	t.Helper()
	out := m.systemctl("show", unit, "--property=ActiveState,UnitFileState", "--value")
	m.want(t, unit, strings.Join(strings.Fields(out), " "), active+" "+atBoot)
}

// runners are the processes that run the worker of a file.
func (r *rig) runners(config string) []int {
	r.t.Helper()
	out, _ := r.try("pgrep", "--full", `^/.*/pipedai-worker run --config `+regexp.QuoteMeta(config))
	var pids []int
	for _, field := range strings.Fields(out) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			r.t.Fatalf("pgrep says %q", out)
		}
		pids = append(pids, pid)
	}
	return pids
}

// one waits for exactly one process of a worker and returns it.
func (r *rig) one(t *testing.T, config string) int {
	t.Helper()
	pids := []int(nil)
	eventually(t, "one process of "+config, func() bool { pids = r.runners(config); return len(pids) == 1 })
	return pids[0]
}

// group is the unit whose control group a process is in.
func (r *rig) group(pid int) string {
	r.t.Helper()
	path := strings.TrimSpace(r.run("cat", "/proc/"+strconv.Itoa(pid)+"/cgroup"))
	for _, part := range strings.Split(path, "/") {
		if strings.HasSuffix(part, ".service") && !strings.HasPrefix(part, "user@") {
			return part
		}
	}
	return path
}

// byHand installs a worker the way a person does: a file and a unit. The
// command line is written as people write it.
func (m manager) byHand(config, file, unit, execStart, more, target string) string {
	m.t.Helper()
	m.write(config, map[string]any{"workerId": labelOf(config), "workerToken": "wkt_not-a-real-token", "apiUrl": "http://127.0.0.1:9", "workspaceId": "ws1"})
	path := "/etc/systemd/system/" + file
	if m.person != "" {
		path = "/home/" + m.person + "/.config/systemd/user/" + file
		m.run("mkdir", "-p", "/home/"+m.person+"/.config/systemd/user")
	}
	text := "[Service]\nExecStart=" + execStart + "\nRestart=always\nRestartSec=200ms\n" + more + "\n[Install]\nWantedBy=" + target + "\n"
	if err := os.WriteFile(m.at(path), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if strings.HasPrefix(config, "/home/"+user) {
		m.run("chown", "-R", user+":"+user, "/home/"+user)
	}
	m.systemctl("daemon-reload")
	m.systemctl("enable", "--now", unit)
	return string(m.bytes(config))
}

// labelOf is the NAME of worker.NAME.json; these workers have it as their id, too.
func labelOf(config string) string {
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(config), "worker."), ".json")
}

func (r *rig) bytes(path string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(r.at(path))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// item is what adopt --json says of the one file it looked at.
func item(t *testing.T, out string) (status, unit string, pid int) {
	t.Helper()
	var report struct {
		Items []struct {
			Status    string
			Processes []struct {
				PID  int
				Unit string
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Items) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if p := report.Items[0].Processes; len(p) == 1 {
		unit, pid = p[0].Unit, p[0].PID
	}
	return report.Items[0].Status, unit, pid
}

// takeOverAndBack is a worker's way from its unit to the daemon and back.
func (m manager) takeOverAndBack(step func(string, func(*testing.T)), config, box, text string) {
	label := labelOf(config)
	step("adopt names what runs it and changes nothing", func(t *testing.T) {
		pid := m.one(t, config)
		m.want(t, "it runs in", m.group(pid), box)
		out, code := m.do("adopt")
		if code != 0 || !strings.Contains(out, "process "+strconv.Itoa(pid)+" of the unit "+box) || !strings.Contains(out, "adopt --take-over") {
			t.Errorf("exit code %d: %s", code, out)
		}
		out, _ = m.do("adopt", "--json")
		if status, unit, told := item(t, out); status != "running" || unit != box || told != pid {
			t.Errorf("%s", out)
		}
		if out, code := m.do("adopt", "--take-over"); code != 2 || !strings.Contains(out, "--yes") {
			t.Errorf("with nobody to ask: exit code %d: %s", code, out)
		}
		if now := m.one(t, config); now != pid {
			t.Errorf("its pid went from %d to %d", pid, now)
		}
		m.is(t, box, "active", "enabled")
	})
	ours := func(t *testing.T) {
		t.Helper()
		pid := m.one(t, config)
		m.want(t, "it runs in", m.group(pid), unit)
		m.is(t, box, "inactive", "disabled")
	}
	step("the run in hand takes longer than the grace", func(t *testing.T) {
		pid := m.one(t, config)
		if out, code := m.do("adopt", "--take-over", "--yes", "--grace", "300ms"); code != 5 || !strings.Contains(out, "finishes the run") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if pids := m.runners(config); !slices.Equal(pids, []int{pid}) {
			t.Errorf("processes %v, want %d alone", pids, pid)
		}
		m.is(t, box, "deactivating", "disabled")
	})
	step("a reboot in the middle", func(t *testing.T) {
		m.reboot()
		if out, _ := m.do("status"); !strings.Contains(out, "adopt --take-over") {
			t.Errorf("status does not say what is unfinished:\n%s", out)
		}
		m.is(t, box, "inactive", "disabled")
		if pids := m.runners(config); len(pids) != 0 {
			t.Errorf("something runs it: %v", pids)
		}
	})
	step("take over", func(t *testing.T) {
		if out, code := m.do("adopt", "--take-over", "--yes"); code != 0 || !strings.Contains(out, "taken over "+label) {
			t.Fatalf("exit code %d: %s", code, out)
		}
		ours(t)
		m.want(t, "the file", string(m.bytes(config)), text)
		if out, code := m.do("adopt", "--take-over", "--yes"); code != 0 || !strings.Contains(out, "already managed") {
			t.Errorf("again: exit code %d: %s", code, out)
		}
	})
	step("reboot", func(t *testing.T) {
		m.reboot()
		ours(t)
	})
	step("give back", func(t *testing.T) {
		if out, code := m.do("adopt", "--undo", label); code != 0 || !strings.Contains(out, "given back "+label) {
			t.Fatalf("exit code %d: %s", code, out)
		}
		pid := m.one(t, config)
		m.want(t, "it runs in", m.group(pid), box)
		m.is(t, box, "active", "enabled")
		m.want(t, "the file", string(m.bytes(config)), text)
		if out, _ := m.do("list"); strings.Contains(out, label) {
			t.Errorf("it is listed still:\n%s", out)
		}
		if out, code := m.do("adopt", "--undo", label); code != 0 {
			t.Errorf("again: exit code %d: %s", code, out)
		}
		if now := m.one(t, config); now != pid {
			t.Errorf("its pid went from %d to %d", pid, now)
		}
	})
}

// never wants no worker to have met another one of its file.
func (r *rig) never(t *testing.T) {
	t.Helper()
	if out := r.run("find", "/root", "/home", "-name", "*.twice"); out != "" {
		t.Errorf("ran twice:\n%s", out)
	}
}

// A worker of a unit of the machine. Its owner cannot take it over without
// root, is told what to type, and after that can adopt it; root can.
func TestAdopt_90_system(t *testing.T) {
	t.Parallel()
	r := newRig(t, "/opt/pipedai")
	root := manager{r, "", "/root/.pipedai"}
	alice := manager{r, user, r.home}
	worker := "/opt/pipedai/pipedai-worker"
	step := r.steps(t, unit, "box.service", "shared.service")

	shared := r.home + "/worker.shared.json"
	root.byHand(shared, "shared.service", "shared.service", worker+" run --config ${HOME}/.pipedai/worker.shared.json",
		"User="+user, "multi-user.target")
	const disable = "sudo systemctl disable --now shared.service"
	step("its owner without root", func(t *testing.T) {
		r.sudo("install")
		pid := r.one(t, shared)
		for _, args := range [][]string{{"adopt", "--dry-run"}, {"adopt"}} {
			if out, code := alice.do(args...); code != 0 || !strings.Contains(out, disable) {
				t.Errorf("%q: exit code %d: %s", args, code, out)
			}
		}
		out, code := alice.do("adopt", "--take-over", "--yes")
		if code != 1 || !strings.Contains(out, disable) || !strings.Contains(out, "nothing was changed") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if now := r.one(t, shared); now != pid {
			t.Errorf("its pid went from %d to %d", pid, now)
		}
		root.is(t, "shared.service", "active", "enabled")
	})
	step("its owner, once root did as told", func(t *testing.T) {
		r.run("systemctl", "disable", "--now", "shared.service")
		if out, code := alice.do("adopt"); code != 0 || !strings.Contains(out, "adopted shared") {
			t.Fatalf("exit code %d: %s", code, out)
		}
		r.want(t, "it runs in", r.group(r.one(t, shared)), unit)
		if out, code := alice.do("adopt", "--undo"); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		if pids := r.runners(shared); len(pids) != 0 {
			t.Errorf("it still runs: %v", pids)
		}
		root.is(t, "shared.service", "inactive", "disabled")
		r.sudo("uninstall")
	})

	// The account of the machine has a host, too.
	config := "/root/.pipedai/worker.box.json"
	text := root.byHand(config, "box.service", "box.service", `/bin/sh -c "exec `+worker+` run --config %h/.pipedai/worker.box.json"`,
		"Environment=DRAIN=2s", "multi-user.target")
	step("install for root", func(t *testing.T) {
		if out, code := root.do("install"); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
	})
	root.takeOverAndBack(step, config, "box.service", text)
	r.never(t)
	step("two of one file would have been seen", func(t *testing.T) {
		if out, err := r.try(worker, "run", "--config", config); err == nil || !r.there(config+".twice") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// A worker of a unit of its owner's systemd.
func TestAdopt_90_user(t *testing.T) {
	t.Parallel()
	r := newRig(t, "/opt/pipedai")
	r.run("loginctl", "enable-linger", user)
	eventually(t, "the person's systemd", func() bool {
		out, _ := r.tryAs(user, "systemctl", "--user", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
	})
	alice := manager{r, user, r.home}
	step := r.steps(t, unit, "box@night.service")
	config := r.home + "/worker.night.json"
	text := alice.byHand(config, "box@.service", "box@night.service", "/opt/pipedai/pipedai-worker run --config %h/.pipedai/worker.%i.json", "Environment=DRAIN=2s", "default.target")
	step("install", func(*testing.T) { r.as(user, r.program, "install", "--user") })
	alice.takeOverAndBack(step, config, "box@night.service", text)
	r.never(t)
}
