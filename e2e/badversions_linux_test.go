package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
)

// workerScript is a program that says a version, and runs as the script has it.
// $REAL is the worker of another version; $3 is the file that it is given.
func workerScript(t testing.TB, version, realOne, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipedai-worker")
	text := fmt.Sprintf("#!/bin/sh\nREAL='%s'\nif [ \"$1\" = version ]; then echo %s; exit 0; fi\n%s\n", realOne, version, script)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpgrade_U9_releasesThatDoNotWork: a signed release whose program crashes,
// hangs, is another version or does not reach its control plane is taken back
// within its deadline. The host says which, the worker works again, and neither
// the host nor a rollout tries it again.
func TestUpgrade_U9_releasesThatDoNotWork(t *testing.T) {
	t.Parallel()
	const (
		good     = "8.0.0"
		deadline = 6 * time.Second
		// undone is how long the way back may take on a busy machine: the process
		// ends, the version before starts.
		undone = 20 * time.Second
	)
	p := startPlane(t, "")
	operator := newPublisher(t, p)
	old := workerNamed(t, good)
	operator.publish(t, good, old)
	set, h := newTally(t), newHost(t)
	h.env = append(h.env, "PIPEDAI_PROBE_INTERNET=off")
	h.pair(t, p, set.file)
	h.start(t)
	p.ready(t, "tally")
	id := h.worker(t).ID
	must(t, h.env, "pipedai-orchestrator", "upgrade", id, "--version", good)

	for _, bad := range []struct{ name, version, script, failure, says string }{
		{"crashes at start", "8.2.0", "echo 'a great surprise'; exit 3", api.UpgradeFailedCrash, "exit code 3; the last it wrote: a great surprise"},
		{"hangs", "8.3.0", "exec sleep 1000", api.UpgradeFailedSilent, "it hangs, or cannot reach the control plane"},
		{"is another version", "8.4.0", `exec "$REAL" "$@"`, api.UpgradeFailedVersion, "it reports version 8.0.0, not 8.4.0"},
		{
			"does not reach its control plane", "8.5.0",
			`sed 's|"apiUrl": *"[^"]*"|"apiUrl":"http://127.0.0.1:9"|' "$3" >"$TMPDIR/elsewhere.json" && exec "$REAL" run --config "$TMPDIR/elsewhere.json"`,
			api.UpgradeFailedSilent, "the last it wrote: ",
		},
	} {
		operator.publish(t, bad.version, workerScript(t, bad.version, old, bad.script))
		before := h.pid(t)
		began := time.Now()
		r := call(t, h.env, "pipedai-orchestrator", "upgrade", id, "--version", bad.version, "--timeout", deadline.String())
		took := time.Since(began)
		if r.code != 1 || !strings.Contains(r.both(), bad.says) {
			t.Fatalf("%s: exit code %d\n%s", bad.name, r.code, r.both())
		}
		if took > deadline+undone {
			t.Errorf("%s: it took %s", bad.name, took)
		}
		var all struct {
			Items []api.Operation `json:"items"`
		}
		h.says(t, &all, "operations")
		if op := all.Items[0]; op.Status != "failed" || op.Upgrade.Failure != bad.failure || op.Upgrade.To != bad.version {
			t.Errorf("%s: operation %+v %+v", bad.name, op, op.Upgrade)
		}

		// It works again, as the version before.
		after := h.pid(t)
		if w := h.worker(t); after == before || w.Pin != good || !w.Running || !w.Enabled || w.Remote == nil || w.Remote.Disabled {
			t.Errorf("%s: the worker is %+v, pid %d, before %d", bad.name, w, after, before)
		}
		p.task(t, p.queue(t, "short", nil), "completed")
		if got := p.online(t); got.Version == nil || *got.Version != good {
			t.Errorf("%s: the control plane has %+v", bad.name, got)
		}
		if out := must(t, h.env, "pipedai-orchestrator", "versions").out; !strings.Contains(out, bad.version) {
			t.Errorf("%s: versions does not tell of it:\n%s", bad.name, out)
		}

		// Nobody tries it again by itself, and nothing is disturbed for it.
		if r := call(t, h.env, "pipedai-orchestrator", "upgrade", "--all", "--version", bad.version); r.code == 0 || !strings.Contains(r.both(), "is not tried again by itself") {
			t.Errorf("%s, all workers: exit code %d\n%s", bad.name, r.code, r.both())
		}
		r = call(t, p.env, "pipeweave", "rollouts", "start", "--to", bad.version, "--yes", "--watch")
		if !strings.Contains(r.out, "refused (canary)") || !strings.Contains(r.out, "is not tried again by itself") {
			t.Errorf("%s, a rollout: exit code %d\n%s", bad.name, r.code, r.both())
		}
		if now := h.pid(t); now != after {
			t.Errorf("%s: its worker was %d and is %d after it was refused", bad.name, after, now)
		}
		t.Logf("a version that %s was taken back after %.1fs of a deadline of %s", bad.name, took.Seconds(), deadline)
	}
	h.proc.stop(t)
}
