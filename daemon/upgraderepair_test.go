//go:build unix

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pipedai/api"
)

// damage changes what a version consists of, and ends the worker that runs from
// it. It returns what the daemon says about the start that follows.
func (h *upgradeHost) damage(t *testing.T, id string, change func() error) (said string) {
	t.Helper()
	pid := h.pid(t, id)
	noError(t, change())
	noError(t, syscall.Kill(pid, syscall.SIGKILL))
	until(t, "the version that was changed is not started", func() bool {
		local := h.worker(t, id).Local
		if local == nil || local.State != "backing-off" || local.PID != nil {
			return false
		}
		said = local.LastError
		return strings.Contains(said, "version")
	})
	return said
}

// To upgrade to the version that a worker is pinned to is nothing only while it
// is whole: else it is installed anew, and the worker started from it.
func TestUpgrade_repairsItsVersion(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, nil)
	for _, version := range []string{"1.1.0", "1.2.0"} {
		if op := h.upgraded(t, "w1", api.UpgradeRequest{Version: version}); op.Status != "succeeded" {
			t.Fatalf("to %s: %+v", version, op)
		}
	}
	program := filepath.Join(h.o.versions.(*fakeVersions).dir, "1.2.0", api.ProgramWorker)
	h.damage(t, "w1", func() error { return os.Remove(program) })

	dry, err := h.Upgrade(t.Context(), "w1", api.UpgradeRequest{Version: "1.2.0", UpgradeOptions: api.UpgradeOptions{DryRun: true}})
	if err != nil || dry.Unchanged {
		t.Errorf("only asked: %+v, %v; want something to do", dry, err)
	}
	op := h.upgraded(t, "w1", api.UpgradeRequest{Version: "1.2.0"})
	if op.Status != "succeeded" || op.Upgrade == nil || op.Upgrade.Unchanged {
		t.Fatalf("operation %+v %+v", op, op.Upgrade)
	}
	h.as(t, "w1", "1.2.0", true, true)
	if w := h.worker(t, "w1"); w.PreviousPin == nil || *w.PreviousPin != "1.1.0" {
		t.Errorf("what it goes back to is %v, want 1.1.0 still", w.PreviousPin)
	}
}

// The command that a changed program is reported with mends it.
func TestUpgrade_repairsWhatWasInstalledFromHere(t *testing.T) {
	t.Parallel()
	h := newUpgradeHost(t, func(o *Options) { o.versions = nil }) // those of package upgrade
	self, err := os.Executable()
	noError(t, err)
	// A program that says its version, and is the test's own worker of it.
	build := t.TempDir()
	worker := filepath.Join(build, api.ProgramWorker, "1.2.0", api.ProgramWorker)
	noError(t, os.MkdirAll(filepath.Dir(worker), 0o700))
	noError(t, os.Symlink(self, worker))
	source := filepath.Join(build, api.ProgramWorker+".sh")
	noError(t, os.WriteFile(source, fmt.Appendf(nil, "#!/bin/sh\n[ \"$1\" != version ] || { echo 1.2.0; exit; }\nexec '%s' \"$@\"\n", worker), 0o700))

	op := h.upgraded(t, "w1", api.UpgradeRequest{FromLocal: source})
	if op.Status != "succeeded" {
		t.Fatalf("operation %+v", op)
	}
	h.p.runningVersion(t, "w1", "1.2.0")
	pin := h.worker(t, "w1").Pin
	if op := h.upgraded(t, "w1", api.UpgradeRequest{FromLocal: source}); op.Upgrade == nil || !op.Upgrade.Unchanged {
		t.Errorf("the same again: %+v %+v; want nothing done", op, op.Upgrade)
	}

	installed := filepath.Join(h.dir.Versions(), api.ProgramWorker, pin, api.ProgramWorker)
	said := h.damage(t, "w1", func() error {
		noError(t, os.Chmod(installed, 0o700))
		return os.WriteFile(installed, []byte("#!/bin/sh\nexit 9\n"), 0o700)
	})
	if want := "pipedai-orchestrator upgrade <worker> --from-local " + source; !strings.Contains(said, want) {
		t.Errorf("it says %q, want the command %q", said, want)
	}
	op = h.upgraded(t, "w1", api.UpgradeRequest{FromLocal: source})
	if op.Status != "succeeded" || op.Upgrade == nil || op.Upgrade.Unchanged {
		t.Fatalf("operation %+v %+v", op, op.Upgrade)
	}
	if now := h.worker(t, "w1").Pin; now != pin {
		t.Errorf("the pin is %s, want %s", now, pin)
	}
	h.pid(t, "w1")
	if text, err := os.ReadFile(installed); err != nil || !strings.Contains(string(text), worker) {
		t.Errorf("what lies there is %q, %v", text, err)
	}
}
