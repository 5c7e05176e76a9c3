//go:build systemd

package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that should happen soon.
const patience = 60 * time.Second

func eventually(t testing.TB, what string, probe func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !probe() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s in vain for %s", patience, what)
		case <-tick.C:
		}
	}
}

// machine is a Debian with systemd as its first process, in namespaces and a
// control group of its own. It ends with the test.
type machine struct {
	t      testing.TB
	root   string
	cgroup string
	boot   *exec.Cmd
	ended  chan struct{}
	init   int // pid of systemd, seen from here
	log    *os.File
}

// newMachine copies the cached root, for the test changes it, and boots it.
func newMachine(t testing.TB, cached string) *machine {
	t.Helper()
	m := &machine{t: t, root: filepath.Join(t.TempDir(), "root")}
	if out, err := exec.Command("cp", "-a", "--reflink=auto", cached, m.root).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v\n%s", cached, err, out)
	}
	// These would reach for the kernel that is shared with this machine.
	for _, unit := range []string{"systemd-sysctl.service", "systemd-modules-load.service", "systemd-remount-fs.service",
		"systemd-udevd.service", "systemd-udev-trigger.service", "dev-hugepages.mount", "dev-mqueue.mount",
		"sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "getty.target", "console-getty.service",
		"systemd-random-seed.service", "systemd-timesyncd.service", "systemd-networkd.service", "apt-daily.timer", "apt-daily-upgrade.timer"} {
		if err := os.Symlink("/dev/null", filepath.Join(m.root, "etc/systemd/system", unit)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	var err error
	if m.log, err = os.Create(filepath.Join(filepath.Dir(m.root), "console")); err != nil {
		t.Fatal(err)
	}
	m.cgroup = filepath.Join(cgroup2(t), fmt.Sprintf("pipedai-test-%d-%s", os.Getpid(), t.Name()))
	if err := os.Mkdir(m.cgroup, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.kill()
		_ = os.WriteFile(filepath.Join(m.cgroup, "cgroup.kill"), []byte("1"), 0) // nothing is left, usually
		eventually(t, "the machine's control groups to go", func() bool { removeGroups(m.cgroup); return !exists(m.cgroup) })
		if t.Failed() {
			console, _ := os.ReadFile(m.log.Name())
			t.Logf("console:\n%s", last(string(console), 6000))
		}
		_ = m.log.Close()
	})
	m.start()
	return m
}

// cgroup2 is where the second version of control groups is mounted.
func cgroup2(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	t.Fatal("cgroup2 is mounted nowhere: systemd cannot be booted without it")
	return ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func removeGroups(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}

// start boots the machine and waits until it is up.
func (m *machine) start() {
	m.t.Helper()
	group, err := os.Open(m.cgroup)
	if err != nil {
		m.t.Fatal(err)
	}
	defer group.Close()
	script, err := filepath.Abs("boot.sh")
	if err != nil {
		m.t.Fatal(err)
	}
	m.boot = exec.Command("unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child",
		"sh", script, m.root)
	m.boot.Stdout, m.boot.Stderr = m.log, m.log
	m.boot.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(group.Fd()), Setpgid: true, Pdeathsig: syscall.SIGKILL,
	}
	if err := m.boot.Start(); err != nil {
		m.t.Fatalf("boot: %v", err)
	}
	m.ended = make(chan struct{})
	go func(boot *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = boot.Wait() // by a signal: that is how a machine ends
	}(m.boot, m.ended)
	m.init = 0
	eventually(m.t, "the machine to boot", func() bool {
		select {
		case <-m.ended:
			m.t.Fatal("the machine ended while it booted")
		default:
		}
		if m.init == 0 {
			m.init = onlyChild(m.boot.Process.Pid)
			return false
		}
		out, _ := m.try("systemctl", "is-system-running")
		state := strings.TrimSpace(out)
		return state == "running" || state == "degraded"
	})
	if out, _ := m.try("systemctl", "--failed", "--no-legend", "--plain"); strings.TrimSpace(out) != "" {
		m.t.Logf("units of the system that failed:\n%s", out)
	}
}

func onlyChild(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child)); err != nil || strings.TrimSpace(string(comm)) != "systemd" {
		return 0
	}
	return child
}

// kill is a power cut.
func (m *machine) kill() {
	if m.init != 0 {
		_ = syscall.Kill(m.init, syscall.SIGKILL) // it may have ended
	}
	if m.boot != nil {
		_ = m.boot.Process.Kill()
		<-m.ended
	}
}

// reboot shuts the machine down in order and boots it again.
func (m *machine) reboot() {
	m.t.Helper()
	_, _ = m.try("systemctl", "--no-block", "reboot") // the answer may be cut short
	select {
	case <-m.ended:
	case <-time.After(2 * patience):
		m.t.Fatal("the machine does not shut down")
	}
	m.start()
}

// command runs a program in there.
func (m *machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	pid := strconv.Itoa(m.init)
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
		"--root", "--wd", "--", "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", name}, args...)...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

func (m *machine) try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var out bytes.Buffer
	cmd := m.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// run is try for what has to succeed.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		m.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machine) property(user, name string) string {
	m.t.Helper()
	args := []string{"show", unit, "--property=" + name, "--value"}
	if user != "" {
		return strings.TrimSpace(m.as(user, "systemctl", append([]string{"--user"}, args...)...))
	}
	return strings.TrimSpace(m.run("systemctl", args...))
}

// as runs a program the way a logged-in person does.
func (m *machine) as(user, name string, args ...string) string {
	m.t.Helper()
	out, err := m.tryAs(user, name, args...)
	if err != nil {
		m.t.Fatalf("as %s: %s %s: %v\n%s", user, name, strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machine) tryAs(user, name string, args ...string) (string, error) {
	uid, err := m.try("id", "-u", user)
	if err != nil {
		return uid, err
	}
	id := strings.TrimSpace(uid)
	env := []string{"--reuid=" + id, "--regid=" + id, "--init-groups", "env", "HOME=/home/" + user, "USER=" + user,
		"XDG_RUNTIME_DIR=/run/user/" + id, "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/" + id + "/bus", name}
	return m.try("setpriv", append(env, args...)...)
}

func last(text string, n int) string {
	if len(text) > n {
		return "...\n" + text[len(text)-n:]
	}
	return text
}
