package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
)

// Many short children leave nothing behind. PIPEDAI_SHORT_CHILDREN makes it
// more of them.
func TestHost_P3_shortChildren(t *testing.T) {
	t.Parallel()
	count := setting(t, "PIPEDAI_SHORT_CHILDREN", 2000)
	kinds := map[string]string{}
	for i := range 8 {
		kinds[fmt.Sprint("w", i)] = "brief"
	}
	h := newFaultHost(t, kinds)
	h.boot(0)
	h.configure()
	most, first := 0, 0
	var last int
	eventually(t, "the first children", func() bool { return h.restarts() > 50 })
	for deadline := time.Now().Add(5 * time.Minute); ; <-time.After(100 * time.Millisecond) {
		n := h.restarts()
		fds := h.descriptors()
		if first == 0 {
			first = fds
		}
		most, last = max(most, fds), n
		if n >= count {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d children in 5 minutes, want %d", n, count)
		}
	}
	// Four descriptors are a child's: two FIFOs, what watches it, its control
	// group; and a worker may have one that ends and one that begins.
	if most > first+2*4*len(kinds)+8 {
		t.Errorf("%d descriptors, %d at first, after %d children", most, first, last)
	}
	for id := range kinds {
		h.verb(id, "stop")
	}
	h.settle(h.nothing)
	h.finish()
}

func (h *faultHost) restarts() int {
	n := 0
	for _, w := range h.workers() {
		n += w.Local.TotalRestarts
	}
	return n
}

func (h *faultHost) descriptors() int {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.proc.cmd.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	return len(fds)
}

// Workers that crash at once, with the pauses a host has by default, cost the
// daemon next to nothing.
func TestHost_P1_crashLoopsAreCheap(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{}
	for i := range 8 {
		kinds[fmt.Sprint("w", i)] = "broken"
	}
	h := newFaultHost(t, kinds)
	h.boot(0)
	h.configure()
	none := []int64{} // the default
	began, used, before := time.Now(), h.cpu(), h.restarts()
	for id := range kinds {
		change := api.WorkerSettingsChange{Restart: &api.WorkerRestartsChange{BackoffMs: &none}}
		if status, body := request(t, http.MethodPatch, at(h.port, "/api/workers/"+id), h.key, change, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		h.verb(id, "restart?now=1")
	}
	h.verbs.Wait()
	eventually(t, "each worker to crash twice", func() bool {
		<-time.After(200 * time.Millisecond) // asking costs, too
		return h.restarts() >= before+2*len(kinds)
	})
	share := float64(h.cpu()-used) / float64(time.Since(began))
	limit := 0.05
	if raceEnabled {
		limit *= 5 // what the detector adds
	}
	t.Logf("%.1f %% of a processor", share*100)
	if share > limit {
		t.Errorf("crash loops take %.1f %% of a processor", share*100)
	}
	h.settle(h.nothing)
	h.finish()
}

// cpu is the processor time of the daemon.
func (h *faultHost) cpu() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.proc.cmd.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		h.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// A second daemon for one home says who is there, and changes nothing.
func TestHost_P19_twoDaemons(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	got := call(t, h.host.env, "pipedai-orchestrator", "start", "--port", "0")
	if got.code != 6 || !strings.Contains(got.err, fmt.Sprint("pid ", h.proc.cmd.Process.Pid)) {
		t.Errorf("exit code %d, want 6 and the pid %d:\n%s", got.code, h.proc.cmd.Process.Pid, got.both())
	}
	h.settle(h.nothing)
	h.finish()
}

// The secret variables of one worker are in the environment of its process and
// nowhere else.
func TestHost_P22_secretVariables(t *testing.T) {
	t.Parallel()
	const secret = "sk-6f1d0c9e-only-for-that-worker"
	h := newFaultHost(t, map[string]string{"keeper": "steady", "other": "steady"})
	h.boot(0)
	h.configure()
	value := secret
	change := api.WorkerSettingsChange{SecretEnv: map[string]*string{"MODEL_KEY": &value}}
	_, answer := request(t, http.MethodPatch, at(h.port, "/api/workers/keeper"), h.key, change, nil)
	h.verb("keeper", "restart?now=1")
	h.settle(h.nothing)
	restarted := h.born()
	must(t, h.host.env, "pipedai-orchestrator", "restart") // the next daemon knows it from the file only
	if h.born() == restarted {
		t.Error("the daemon was not restarted")
	}
	h.settle(h.nothing)

	had := 0
	shown := func(what string, data []byte) {
		t.Helper()
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("the secret is in %s", what)
		}
	}
	for _, p := range append(h.processes(), seen{pid: h.proc.cmd.Process.Pid, worker: "the daemon"}) {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		if err != nil {
			t.Fatal(err)
		}
		shown("the command line of "+p.worker, command)
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		if err != nil {
			t.Fatal(err)
		}
		if p.worker == "keeper" && bytes.Contains(env, []byte("MODEL_KEY="+secret)) {
			had++
			continue
		}
		shown("the environment of "+p.worker, env)
	}
	if had != 1 {
		t.Errorf("%d processes of the worker have the secret, want 1", had)
	}
	shown("the answer to the change", []byte(answer))
	for _, path := range []string{"/api/workers", "/api/workers/keeper", "/api/workers/other", "/api/self", "/api/operations", "/metrics",
		"/api/workers/keeper/logs", "/api/openapi.json"} {
		status, body := request(t, http.MethodGet, at(h.port, path), h.key, nil, nil)
		if status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
		shown(path, []byte(body))
	}
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	must(t, h.host.env, "pipedai-orchestrator", "support-bundle", "--output", bundle)
	files := unpack(t, bundle)
	if len(files) < 3 {
		t.Errorf("the bundle has %d files", len(files))
	}
	for name, data := range files {
		shown("the support bundle's "+name, data)
	}
	shown("what the daemon logs", []byte(h.proc.err.String()+h.proc.out.String()))
	manifest, err := os.ReadFile(filepath.Join(h.home, "orchestrator", "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	shown("the manifest", manifest)
	h.finish()
}

// unpack reads a .tar.gz.
func unpack(t *testing.T, name string) map[string][]byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[head.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}
