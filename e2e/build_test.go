package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
)

// known lists the workers as the control plane has them, by id.
func (p *plane) known(t testing.TB) map[string]api.RemoteWorker {
	t.Helper()
	var session api.Session
	get(t, p.url("/api/v1/session"), p.token(t), &session)
	var list api.RemoteWorkers
	get(t, p.url("/api/v1/workspaces/"+session.Workspace+"/workers"), p.token(t), &list)
	out := map[string]api.RemoteWorker{}
	for _, w := range list.Items {
		out[w.ID] = w
	}
	return out
}

// says runs a command of the host and reads its JSON.
func (h *host) says(t testing.TB, out any, args ...string) {
	t.Helper()
	r := must(t, h.env, "pipedai-orchestrator", append(args, "--json")...)
	if err := json.Unmarshal([]byte(r.out), out); err != nil {
		t.Fatalf("%v: %v: %s", args, err, r.both())
	}
}

// A worker is built from the command line, does a task, and is deleted while it
// has one in hand: that one is finished, and then the worker is gone on both
// sides, while the worker beside it notices nothing.
func TestBuild_FromTheFirstTaskToTheLast(t *testing.T) {
	t.Parallel()
	p, h, set := startPlane(t, ""), newHost(t), newSlowSet(t, "30s")
	h.pair(t, p, sampleTasks())
	h.start(t)
	p.ready(t, "pdf-processor")
	other := h.pid(t)
	first := h.worker(t)
	follower := start(t, h.env, "pipedai-orchestrator", "events", "-f")

	var built struct {
		ID        string        `json:"id"`
		Operation api.Operation `json:"operation"`
	}
	h.says(t, &built, "build", "--label", "slow one", "--tasks", set.file)
	if built.ID == "" || built.Operation.Status != "succeeded" {
		t.Fatalf("build says %+v", built)
	}
	if remote := p.known(t)[built.ID]; remote.Label != "slow one" {
		t.Errorf("the control plane has %+v", remote)
	}
	follower.says(t, "worker.started")

	p.ready(t, "slow-set")
	run := p.trigger(t, "slow-set", map[string]any{})
	set.begun(t, run)
	deletion := start(t, h.env, "pipedai-orchestrator", "delete", "slow one", "--yes")
	eventually(t, "the deletion to wait for the run in hand", func() bool {
		var list struct {
			Items []api.Operation `json:"items"`
		}
		h.says(t, &list, "operations")
		return len(list.Items) == 2 && list.Items[0].Kind == "delete" && list.Items[0].Status == "running" && list.Items[0].Step == "drain"
	})
	if _, there := p.known(t)[built.ID]; !there || set.count(t, "end", "slow", run) != 0 {
		t.Error("the worker was removed with a run in hand")
	}
	set.open(t)
	if code := deletion.wait(t); code != 0 {
		t.Fatalf("delete ended with exit code %d:\n%s", code, deletion.out.String()+deletion.err.String())
	}
	eventually(t, "the worker to be gone on both sides", func() bool {
		var list api.FusedWorkers
		get(t, at(h.port, "/api/workers"), h.token(t), &list)
		_, there := p.known(t)[built.ID]
		return !there && len(list.Items) == 1 && list.Items[0].ID == first.ID
	})
	if n := set.count(t, "end", "slow", run); n != 1 {
		t.Errorf("the slow task had its effect %d times, want once", n)
	}
	eventually(t, "the slow task to be reported", func() bool {
		for _, task := range p.run(t, run).Tasks {
			if task.TaskID == "slow" {
				return task.Status == "completed"
			}
		}
		return false
	})
	for _, proc := range ours() {
		if strings.Contains(proc.command, "slow-one") {
			t.Errorf("its process is still there: %d %s", proc.pid, proc.command)
		}
	}
	follower.says(t, "action.delete")
	if pid := h.pid(t); pid != other {
		t.Errorf("the other worker's pid is %d, was %d", pid, other)
	}
	status, body := request(t, http.MethodGet, at(h.port, "/api/workers/"+built.ID), h.token(t), nil, nil)
	if status != http.StatusNotFound {
		t.Errorf("the deleted worker is answered %d: %s", status, body)
	}
}
