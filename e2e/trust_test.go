package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// workerNamed builds the worker program as a version, once, where the check for
// left-over processes finds it.
func workerNamed(t testing.TB, version string) string {
	t.Helper()
	named.Lock()
	defer named.Unlock()
	path := filepath.Join(bin, "worker-"+version)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X pipedai/internal/buildinfo.version="+version, "-o", path, "./cmd/pipedai-worker")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the worker %s: %v\n%s", version, err, out)
	}
	return path
}

var named sync.Mutex

// A host that joins learns the key, installs what it signed, follows it to the
// next key, and takes nothing else: with the real programs on both sides.
func TestReleases_fromTheOperatorsKeyToTheWorker(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	keys := t.TempDir()
	first, next := filepath.Join(keys, "release.key"), filepath.Join(keys, "next.key")
	platform := runtime.GOOS + "/" + runtime.GOARCH
	publish := func(version, key string) {
		p.cli(t, "releases", "publish", "--program", "pipedai-worker", "--version", version, "--artifact", platform+"="+workerNamed(t, version), "--key", key)
	}
	p.cli(t, "releases", "keygen", first)
	p.cli(t, "releases", "keys", "set", "--key", first)
	publish("7.0.0", first)

	h := newHost(t)
	h.pair(t, p)
	if out := must(t, h.env, "pipedai-orchestrator", "keys").out; !strings.Contains(out, "came with the connection") {
		t.Errorf("after joining: %s", out)
	}
	h.start(t)
	upgrade := func(version string) result {
		return call(t, h.env, "pipedai-orchestrator", "upgrade", "e2e host", "--version", version)
	}
	runs := func(version string) {
		t.Helper()
		eventually(t, "the worker to be "+version, func() bool {
			w := h.worker(t)
			return w.Pin == version && w.Remote != nil && w.Remote.Version != nil && *w.Remote.Version == version
		})
	}
	if r := upgrade("7.0.0"); r.code != 0 {
		t.Fatalf("upgrade to 7.0.0: %d\n%s", r.code, r.both())
	}
	runs("7.0.0")

	// Another key, which the first signed.
	p.cli(t, "releases", "keygen", next)
	p.cli(t, "releases", "keys", "rotate", "--old", first, "--new", next)
	publish("7.1.0", next)
	if r := upgrade("7.1.0"); r.code != 0 {
		t.Fatalf("upgrade to 7.1.0: %d\n%s", r.code, r.both())
	}
	runs("7.1.0")
	if out := must(t, h.env, "pipedai-orchestrator", "keys").out; !strings.Contains(out, "signed by the key before") {
		t.Errorf("after the rotation: %s", out)
	}
	publish("6.0.0", next)
	if r := upgrade("6.0.0"); r.code == 0 || !strings.Contains(r.both(), "--allow-downgrade") {
		t.Errorf("a step back: %d\n%s", r.code, r.both())
	}

	// What was taken back is not installed any more, and what runs goes on.
	publish("7.2.0", next)
	p.cli(t, "releases", "yank", "pipedai-worker", "7.2.0", "--reason", "it eats documents")
	if r := upgrade("7.2.0"); r.code == 0 || !strings.Contains(r.both(), "it eats documents") {
		t.Errorf("a version that was taken back: %d\n%s", r.code, r.both())
	}

	// Somebody changes the installed program: it is not started.
	installed := filepath.Join(h.home, "orchestrator", "versions", "pipedai-worker", "7.1.0", "pipedai-worker")
	if err := os.Rename(installed, installed+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(installed, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	must(t, h.env, "pipedai-orchestrator", "stop", "e2e host")
	call(t, h.env, "pipedai-orchestrator", "start", "e2e host")
	eventually(t, "the changed program to be refused", func() bool {
		return strings.Contains(call(t, h.env, "pipedai-orchestrator", "workers", "show", "e2e host").both(), "not those that were installed")
	})
	if r := call(t, h.env, "pipedai-orchestrator", "versions", "remove", "pipedai-worker", "7.1.0"); r.code != 6 {
		t.Errorf("a version that a worker is pinned to: %d\n%s", r.code, r.both())
	}
}
