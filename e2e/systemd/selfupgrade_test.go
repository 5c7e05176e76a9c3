//go:build systemd

package systemd

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// A service upgrades itself under a real systemd: the unit keeps its main
// process and never fails, the worker keeps its own, and the version stays over
// restarts and a reboot.
func TestService_selfUpgrade(t *testing.T) {
	t.Parallel()
	r := newRig(t, oddFolder)
	step := r.steps(t, unit)
	version := func() string {
		t.Helper()
		return strings.TrimSpace(r.as(user, "sh", "-c", `"$0" info --json | sed -n 's/^    "version": "\(.*\)".*/\1/p' | tail -n 1`, r.program))
	}
	// unmoved wants the unit's main process to stay, and the worker's.
	unmoved := func(t *testing.T, do func()) {
		t.Helper()
		daemon, worker, restarts := r.daemon(""), r.worker(), r.property("", "NRestarts")
		_, before := r.counted()
		do()
		if now := r.daemon(""); now != daemon {
			t.Errorf("the main process of the unit went from %d to %d", daemon, now)
		}
		if now := r.worker(); now != worker {
			t.Errorf("the worker's pid went from %d to %d", worker, now)
		}
		r.want(t, "the state", r.property("", "ActiveState"), "active")
		r.want(t, "the number of restarts", r.property("", "NRestarts"), restarts)
		eventually(t, "lines to come again, none missing", func() bool { _, n := r.counted(); return n > before+200 })
	}
	step("install", func(t *testing.T) {
		r.sudo("install")
		r.running(t, 1)
	})
	next := "/srv/pipedai-orchestrator"
	step("upgrade", func(t *testing.T) {
		r.copyIn(programs.next, next)
		unmoved(t, func() {
			if out := r.as(user, r.program, "upgrade", "--self", "--from-local", next); !strings.Contains(out, "runs version "+nextVersion) || !strings.Contains(out, "1 worker kept running") {
				t.Errorf("upgrade says:\n%s", out)
			}
		})
		r.want(t, "the version", version(), nextVersion)
		if text := r.property("", "StatusText"); !strings.Contains(text, nextVersion) {
			t.Errorf("systemd shows %q", text)
		}
	})
	step("one that does not do", func(t *testing.T) {
		script := `#!/bin/sh
case "$*" in
version) echo pipedai-orchestrator 9.2.0 ;;
version*) echo '{"version":"9.2.0","trial":1,"manifest":{"version":12,"least":12}}' ;;
*) sleep 1000 ;;
esac
`
		if err := os.WriteFile(r.at("/srv/hangs"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		unmoved(t, func() {
			out, err := r.tryAs(user, r.program, "upgrade", "--self", "--from-local", "/srv/hangs", "--timeout", "3s")
			if err == nil || !strings.Contains(out, nextVersion+" goes on") || !strings.Contains(out, "after 3s") {
				t.Errorf("%v: %s", err, out)
			}
		})
		r.want(t, "the version", version(), nextVersion)
	})
	step("a killed daemon comes back as it was", func(t *testing.T) {
		r.undisturbed(t, "", func() { r.run("kill", "-9", strconv.Itoa(r.daemon(""))) })
		r.want(t, "the version", version(), nextVersion)
	})
	step("restart", func(t *testing.T) {
		r.undisturbed(t, "", func() { r.as(user, r.program, "restart") })
		r.undisturbed(t, "", func() { r.run("systemctl", "restart", unit) })
		r.want(t, "the version", version(), nextVersion)
	})
	step("install again keeps the installed program", func(t *testing.T) {
		if out := r.sudo("install"); !strings.Contains(out, "already installed") {
			t.Errorf("install says:\n%s", out)
		}
	})
	step("reboot", func(t *testing.T) {
		r.reboot()
		r.want(t, "the state", r.property("", "ActiveState"), "active")
		r.running(t, 2)
		r.want(t, "the version", version(), nextVersion)
	})
	step("its file goes away", func(t *testing.T) {
		r.run("sh", "-c", "rm -r "+r.home+"/orchestrator/versions/pipedai-orchestrator")
		r.undisturbed(t, "", func() { r.run("systemctl", "restart", unit) })
		if got := version(); got == nextVersion {
			t.Errorf("it still is version %s", got)
		}
	})
	step("uninstall", func(t *testing.T) {
		r.sudo("uninstall")
		r.gone(t)
	})
	r.noStrays(t)
}
