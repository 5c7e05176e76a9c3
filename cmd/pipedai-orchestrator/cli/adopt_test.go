package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// adopt files workers without a daemon, a daemon that runs hears of them, and
// undo gives them back with their file as it was.
func TestAdopt_85_runningDaemonIsTold(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.run(t, "adopt").want(t, cliutil.ExitFailed, "--dir")
	if err := os.MkdirAll(tm.home, 0o700); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "adopt").want(t, 0, "No worker.json")
	file := filepath.Join(tm.home, "worker.json")
	text := `{"workerId":"w1","workerToken":"wkt_x","apiUrl":"` + p.URL + `"}`
	write(t, file, text)
	write(t, filepath.Join(tm.home, "worker.bad.json"), `{"workerId":"w2","apiUrl":"nowhere"}`)
	tm.run(t, "adopt", "--dry-run").want(t, 0, "would adopt default", "Nothing was done")
	if _, err := os.Stat(filepath.Join(tm.home, "orchestrator", "manifest.db-wal")); err == nil {
		t.Log("the manifest was opened") // the line above did so without a change
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return strings.Contains(out.String(), "Listening") && tm.run(t, "list").code == 0 })

	tm.run(t, "adopt").want(t, cliutil.ExitFailed, "adopted default", `apiUrl "nowhere"`, "1 adopted, 0 skipped, 1 failed")
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, "default\trunning\t") })
	tm.run(t, "adopt").want(t, cliutil.ExitFailed, "already managed (by configPath)", "0 adopted, 1 skipped, 1 failed")

	var report adoptReport
	r := tm.run(t, "adopt", "--undo", "default", "--json")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != 0 || len(report.Items) != 1 || report.Items[0].Status != api.AdoptUndone {
		t.Errorf("undo: %d %s %s", r.code, r.out, r.err)
	}
	tm.run(t, "adopt", "--undo", "w1").want(t, 0, "given back")
	tm.run(t, "adopt", "--undo", "w9").want(t, cliutil.ExitFailed, "no such worker was adopted")
	tm.run(t, "adopt", "--undo").want(t, cliutil.ExitFailed, "no adopted worker")
	if strings.Contains(tm.run(t, "list").out, "default") {
		t.Error("it is still managed")
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != text {
		t.Errorf("its file is another: %s, %v", data, err)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d: %s", code, errs)
	}
}

// A worker that runs by itself is named and left alone; a take-over stops
// something, so nobody but a person who is asked, or --yes, may have one.
func TestAdopt_90_runsElsewhere(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	if err := os.MkdirAll(tm.home, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(tm.home, "worker.box.json")
	write(t, file, `{"workerId":"w1","workerToken":"wkt_x","apiUrl":"http://127.0.0.1:1"}`)
	cmd := exec.CommandContext(t.Context(), tm.env["PIPEDAI_WORKER_PROGRAM"], "run", "--config", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is up
		t.Fatal(err)
	}
	tm.run(t, "adopt").want(t, 0, "skipped box", "runs it", "adopt --take-over", "0 adopted, 1 skipped")
	tm.run(t, "adopt", "--take-over").want(t, cliutil.ExitUsage, "--yes", "--dry-run")
	tm.run(t, "adopt", "--take-over", "--dry-run").want(t, 0, "would take over box", "Nothing was done")
	tm.run(t, "adopt", "--take-over", "--yes").want(t, cliutil.ExitNotRunning, "the daemon is not running", "start")
	tm.tty, tm.stdin = true, "no\n"
	tm.run(t, "adopt", "--take-over").want(t, cliutil.ExitFailed, "nothing was changed")
	if cmd.ProcessState != nil || !strings.Contains(tm.run(t, "adopt", "--dry-run").out, "skipped box") {
		t.Error("it was touched")
	}
	for _, args := range [][]string{{"adopt", "w1"}, {"adopt", "--undo", "--take-over"}, {"adopt", "--dir", "x", "--pid", "1"}, {"adopt", "--all"}, {"adopt", "--grace", "0s"}} {
		tm.run(t, args...).want(t, cliutil.ExitUsage)
	}
}
