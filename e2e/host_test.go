package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"pipedai/api"
)

// host is one machine's daemon with a folder and a port of its own.
type host struct {
	home string
	port int
	env  []string
	proc *proc
}

// newHost prepares a host that is not paired with anything.
func newHost(t testing.TB) *host {
	t.Helper()
	home := t.TempDir()
	h := &host{home: filepath.Join(home, "pipedai"), port: freePort(t)}
	h.env = baseEnv(home, "PIPEDAI_HOME="+h.home)
	return h
}

var userCode = regexp.MustCompile(`\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b`)

// pairing starts `connect` and waits for the code it shows.
func (h *host) pairing(t testing.TB, p *plane, tasks ...string) (*proc, string) {
	t.Helper()
	args := []string{"connect", "--api-url", p.url(""), "--label", "e2e host", "--no-install", "--no-open"}
	for _, file := range tasks {
		args = append(args, "--tasks", file)
	}
	connect := start(t, h.env, "pipedai-orchestrator", args...)
	var code string
	eventually(t, "connect to show a code", func() bool {
		if !connect.running() {
			t.Fatalf("connect ended with exit code %d:\n%s", connect.wait(t), connect.out.String()+connect.err.String())
		}
		code = userCode.FindString(connect.out.String() + connect.err.String())
		return code != ""
	})
	return connect, code
}

// pair enrols the host the way people do it, on two command lines.
func (h *host) pair(t testing.TB, p *plane, tasks ...string) {
	t.Helper()
	connect, code := h.pairing(t, p, tasks...)
	p.cli(t, "enrollments", "approve", code)
	if got := connect.wait(t); got != 0 {
		t.Fatalf("connect ended with exit code %d:\n%s", got, connect.out.String()+connect.err.String())
	}
}

// start starts the daemon and waits until it answers. The test's end drains
// the workers and wants none left.
func (h *host) start(t testing.TB) {
	t.Helper()
	h.proc = start(t, h.env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(h.port))
	daemon := h.proc
	t.Cleanup(func() {
		if daemon.running() {
			daemon.stop(t)
		}
		// Workers outlive a daemon that was killed; they must not outlive the test.
		for _, p := range ours() {
			if strings.Contains(p.command, h.home) {
				t.Errorf("left behind by the daemon: %d %s", p.pid, p.command)
				_ = syscall.Kill(p.pid, syscall.SIGKILL)
			}
		}
	})
	eventually(t, "the daemon to answer", func() bool {
		if !h.proc.running() {
			t.Fatalf("the daemon ended with exit code %d:\n%s", h.proc.wait(t), h.proc.err.String())
		}
		status, _ := request(t, http.MethodGet, at(h.port, "/api/self"), h.token(t), nil, nil)
		return status == http.StatusOK
	})
}

// token is the local API's token, or nothing while there is none.
func (h *host) token(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.home, "orchestrator", "credentials.json"))
	if err != nil {
		return ""
	}
	var credentials struct {
		LocalToken string `json:"localToken"`
	}
	if err := json.Unmarshal(data, &credentials); err != nil {
		return ""
	}
	return credentials.LocalToken
}

// worker is the one worker of the host, as the local API shows it.
func (h *host) worker(t testing.TB) api.FusedWorker {
	t.Helper()
	var list api.FusedWorkers
	get(t, at(h.port, "/api/workers"), h.token(t), &list)
	if len(list.Items) != 1 {
		t.Fatalf("the host has %d workers, want 1", len(list.Items))
	}
	return list.Items[0]
}

// pid waits for the worker to run and returns its process id.
func (h *host) pid(t testing.TB) int {
	t.Helper()
	var pid int
	eventually(t, "the worker process to run", func() bool {
		w := h.worker(t)
		if w.Local == nil || w.Local.State != "running" || w.Local.PID == nil {
			return false
		}
		pid = *w.Local.PID
		return true
	})
	return pid
}

// log is everything captured from the worker so far.
func (h *host) log(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.home, "logs", "*.log*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := len(files) - 1; i >= 0; i-- { // .log.1 holds what is older
		data, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

// sampleTasks is the tasks file of the example.
func sampleTasks() string { return filepath.Join(bin, "pdf-processor.yaml") }
