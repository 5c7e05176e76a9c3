package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
)

func TestPairing(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	h := newHost(t)

	connect, code := h.pairing(t, p, sampleTasks())
	// The person at the control plane sees what is asking.
	var found api.Enrollment
	get(t, p.url("/api/v1/enrollments/lookup?code="+strings.ToLower(strings.ReplaceAll(code, "-", ""))), p.token(t), &found)
	if found.Status != "pending" || found.Label != "e2e host" || found.Hostname == "" || found.OS == "" {
		t.Errorf("the pairing request shows %+v, want it pending with label, host name and OS", found)
	}
	p.cli(t, "enrollments", "approve", code)
	if got := connect.wait(t); got != 0 {
		t.Fatalf("connect ended with exit code %d:\n%s", got, connect.err.String())
	}
	assertPrivate(t, h.home)

	// A code works once.
	if again := call(t, p.env, "pipeweave", "enrollments", "approve", code); again.code == 0 {
		t.Errorf("approving %s a second time succeeded:\n%s", code, again.out)
	}

	h.start(t)
	p.ready(t, "pdf-processor")
	worker := h.worker(t)
	if worker.Label != "e2e host" || !worker.Running || !worker.Enabled {
		t.Errorf("the worker is %+v, want it labelled, running and enabled", worker)
	}
	var list api.RemoteWorkers
	eventually(t, "the control plane to see the worker online", func() bool {
		get(t, p.url("/api/v1/workspaces/"+found.Workspace+"/workers"), p.token(t), &list)
		return len(list.Items) == 1 && list.Items[0].Status == "online"
	})
	if list.Items[0].ID != worker.ID {
		t.Errorf("the control plane calls the worker %s, the host %s", list.Items[0].ID, worker.ID)
	}

	if r := call(t, h.env, "pipedai-orchestrator", "status"); r.code != 0 || !strings.Contains(r.out, "e2e host") {
		t.Errorf("status: exit code %d, output:\n%s", r.code, r.both())
	}
	h.proc.stop(t)
	if r := call(t, h.env, "pipedai-orchestrator", "status"); r.code != 3 {
		t.Errorf("status with the daemon stopped: exit code %d, want 3\n%s", r.code, r.both())
	}
}

// assertPrivate wants every file below a state folder to be its owner's only,
// and no secret in a log.
func assertPrivate(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others can read it", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPairing_Denied(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	h := newHost(t)
	connect, code := h.pairing(t, p)
	p.cli(t, "enrollments", "deny", code)
	if got := connect.wait(t); got != 4 {
		t.Errorf("connect ended with exit code %d after a denial, want 4\n%s", got, connect.err.String())
	}
	assertNotPaired(t, h)
}

func TestPairing_PreIssuedCode(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	var issued api.IssuedCode
	status, body := request(t, http.MethodPost, p.url("/api/v1/enrollments/codes"), p.token(t), api.IssueCodeRequest{Label: "ci"}, &issued)
	if status >= 300 || !strings.HasPrefix(issued.Code, "enr_") {
		t.Fatalf("issue a code: status %d: %s", status, body)
	}
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, []byte(issued.Code+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	args := []string{"connect", "--api-url", p.url(""), "--token-file", file, "--no-install", "--no-open"}
	r := must(t, h.env, "pipedai-orchestrator", args...)
	if strings.Contains(r.both(), issued.Code) {
		t.Errorf("connect shows the code it was given:\n%s", r.both())
	}

	second := newHost(t)
	if r := call(t, second.env, "pipedai-orchestrator", args...); r.code == 0 {
		t.Errorf("a code worked twice:\n%s", r.both())
	}
	assertNotPaired(t, second)
}

// assertNotPaired wants nothing on disk that a daemon could use.
func assertNotPaired(t *testing.T, h *host) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.home, "orchestrator", "workers", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 0 {
		t.Errorf("a refused pairing left %v", files)
	}
}
