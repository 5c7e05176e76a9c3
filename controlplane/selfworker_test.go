package controlplane

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/store"
	"pipedai/store/sqlite"
)

// TestReports_ownRunsOnly: an enrolled worker speaks for the runs it claimed
// and for no others, whatever ids it knows.
func TestReports_ownRunsOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	owner := secret.Text(b.enroll("box").WorkerToken)
	thief := secret.Text(b.enroll("other").WorkerToken)
	b.as(owner, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	b.post("/api/queue/task", `{"taskId":"keep"}`, nil)
	var got api.ClaimResponse
	b.as(owner, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &got)
	if len(got.Runs) != 1 {
		t.Fatalf("claimed %+v, want one run", got)
	}
	run := got.Runs[0].RunID

	var beat api.HeartbeatResponse
	for _, path := range []string{"/api/heartbeat", "/api/progress"} {
		b.as(thief, "POST", path, `{"runId":"`+run+`","progress":99,"message":"mine"}`, 200, &beat)
		if beat.Acknowledged || !beat.ShouldCancel {
			t.Errorf("%s of another worker: got %+v, want it told to stop", path, beat)
		}
	}
	var beats api.WorkerBeatResponse
	b.as(thief, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[{"runId":"`+run+`"}]}`, 200, &beats)
	if len(beats.Cancel) != 1 || beats.Cancel[0] != run {
		t.Errorf("another worker's beat: got %+v, want %s cancelled", beats, run)
	}
	var end api.CallbackResponse
	b.as(thief, "POST", "/api/callback/"+run, `{"status":"failed","error":"sabotage","retryable":false}`, 200, &end)
	if end.Acknowledged || !end.Ignored {
		t.Errorf("another worker's report: got %+v, want it ignored", end)
	}
	var task api.TaskRun
	b.as(b.view, "GET", "/api/task-runs/"+run, "", 200, &task)
	if task.Status != "running" || string(task.Metadata) != `{"storageBackendId":"local"}` {
		t.Errorf("the run is %s %s, want it untouched", task.Status, task.Metadata)
	}

	b.as(owner, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[{"runId":"`+run+`","progress":50}]}`, 200, &beats)
	if len(beats.Cancel) != 0 {
		t.Errorf("its own beat: got %+v", beats)
	}
	b.as(owner, "POST", "/api/callback/"+run, `{"status":"success","outputPath":"runs/x/output.json","outputSize":1e300}`, 200, &end)
	b.as(b.view, "GET", "/api/task-runs/"+run, "", 200, &task)
	if !end.Acknowledged || task.Status != "completed" || task.OutputSize == nil || *task.OutputSize != 1<<53 {
		t.Errorf("its own report: got %+v and %+v", end, task)
	}
}

// TestCallbacks: reports that come together count one by one: a stranger's, a
// late one and one of nobody's leave the others alone.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	owner := secret.Text(b.enroll("box").WorkerToken)
	thief := secret.Text(b.enroll("other").WorkerToken)
	b.as(owner, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	for range 3 {
		b.post("/api/queue/task", `{"taskId":"keep"}`, nil)
	}
	var got api.ClaimResponse
	b.as(owner, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":3,"waitMs":0}`, 200, &got)
	if len(got.Runs) != 3 {
		t.Fatalf("claimed %d runs", len(got.Runs))
	}
	success := func(ids ...string) string {
		var all []string
		for _, id := range ids {
			all = append(all, `{"runId":"`+id+`","callback":{"status":"success"}}`)
		}
		return `{"callbacks":[` + strings.Join(all, ",") + `]}`
	}
	const path = "/api/v1/workers/self/callbacks"
	ids := []string{got.Runs[0].RunID, got.Runs[1].RunID, got.Runs[2].RunID}

	var out api.CallbacksResponse
	b.as(thief, "POST", path, success(ids[0]), 200, &out)
	if len(out.Results) != 1 || !out.Results[0].Ignored {
		t.Errorf("a stranger's report: got %+v", out.Results)
	}
	out = api.CallbacksResponse{}
	b.as(owner, "POST", path, success(ids[0], "trun_of_nobody", ids[0], ids[1]), 200, &out)
	want := []string{"200 true false ", "404 false false not_found", "200 false true ", "200 true false "}
	for i, r := range out.Results {
		if line := fmt.Sprint(r.Status, r.Acknowledged, r.Ignored, " ", r.Code); strings.Join(strings.Fields(line), " ") != strings.TrimSpace(want[i]) {
			t.Errorf("result %d: %+v, want %s", i, r, want[i])
		}
	}
	out = api.CallbacksResponse{}
	b.as(owner, "POST", path, success(ids[1], ids[2]), 200, &out) // the answer was lost: all of it again
	if !out.Results[0].Ignored || !out.Results[1].Acknowledged {
		t.Errorf("reported again: got %+v", out.Results)
	}
	b.as(owner, "POST", path, `{"callbacks":[{"runId":"x","callback":{"status":"done"}}]}`, 400, nil)
	b.as(owner, "POST", path, success(make([]string, api.MaxCallbacks+1)...), 400, nil)
	b.as(owner, "POST", path, `{}`, 400, nil)
	for _, id := range ids {
		var task api.TaskRun
		b.as(b.view, "GET", "/api/task-runs/"+id, "", 200, &task)
		if task.Status != "completed" || task.Attempt != 1 {
			t.Errorf("%s is %s at attempt %d", id, task.Status, task.Attempt)
		}
	}
}

// TestWorker_saysGoodbye: a worker that stopped is offline at once, and online
// again with its next beat.
func TestWorker_saysGoodbye(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	token := secret.Text(host.WorkerToken)
	status := func(want string) {
		t.Helper()
		var all api.RemoteWorkers
		b.as(b.view, "GET", "/api/v1/workspaces/"+host.WorkspaceID+"/workers", "", 200, &all)
		if len(all.Items) != 1 || all.Items[0].Status != want || all.Items[0].DerivedStatus != want {
			t.Errorf("got %+v, want it %s", all.Items, want)
		}
	}
	b.as(token, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	status("online")
	b.as(token, "POST", "/api/v1/workers/self/events", `{"type":"worker.stopped"}`, 204, nil)
	status("offline")
	b.as(token, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	status("online")
}

// claimAnswer is how a claim that waited was answered.
type claimAnswer struct {
	api.ClaimResponse
	err error
}

// waitingClaim asks for work, and returns once the server waits for some or has
// answered.
func (b *bench) waitingClaim(token secret.Text) <-chan claimAnswer {
	b.t.Helper()
	b.as(token, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	c := b.serve(token)
	answer := make(chan claimAnswer, 1)
	go func() {
		got, err := c.Claim(b.t.Context(), api.ClaimRequest{ServiceID: "pulled", Max: 1, WaitMs: 60_000})
		answer <- claimAnswer{got, err}
	}()
	for {
		b.waiting.mu.Lock()
		waiting := len(b.waiting.m)
		b.waiting.mu.Unlock()
		if waiting > 0 || len(answer) > 0 {
			return answer
		}
		select {
		case <-b.t.Context().Done():
			b.t.Fatal("the claim never came")
		case <-time.After(time.Millisecond):
		}
	}
}

func (b *bench) answered(answer <-chan claimAnswer) claimAnswer {
	b.t.Helper()
	select {
	case got := <-answer:
		return got
	case <-time.After(10 * time.Second):
		b.t.Fatal("the claim went on waiting")
		return claimAnswer{}
	}
}

// TestClaim_switchedOff: a worker that waits for work and is disabled gets
// none, at once.
func TestClaim_switchedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	answer := b.waitingClaim(secret.Text(host.WorkerToken))
	b.as(b.admin, "POST", "/api/v1/workspaces/"+host.WorkspaceID+"/workers/"+host.WorkerID+"/disable", "", 200, nil)
	b.post("/api/pipelines/pulled/trigger", `{}`, nil)
	if got := b.answered(answer); got.err != nil || len(got.Runs) != 0 || !got.Disabled {
		t.Errorf("got %+v, want nothing for a disabled worker", got)
	}
}

// sharedStore is one that another replica uses, too.
type sharedStore struct{ store.Store }

func (s sharedStore) Info() store.Info {
	info := s.Store.Info()
	info.Shared = true
	return info
}

// TestClaim_switchedOffElsewhere: who disables a worker on one replica and then
// sees nothing in its hand can rely on it. Another replica, which has not heard
// of it and where the worker waits, gives it nothing; the run is for the next
// worker, at its first attempt.
func TestClaim_switchedOffElsewhere(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOver(t, sharedStore{st}, func(o *Options) { o.StreamCheck = time.Hour })
	host := b.enroll("box")
	answer := b.waitingClaim(secret.Text(host.WorkerToken))
	switched := store.SwitchWorker{Worker: store.WorkerID(host.WorkerID), Disabled: true, By: "op_1"}
	if _, err := st.SwitchWorker(t.Context(), switched); err != nil {
		t.Fatal(err)
	}
	b.post("/api/pipelines/pulled/trigger", `{}`, nil)
	if got := b.answered(answer); got.err != nil || len(got.Runs) != 0 || !got.Disabled {
		t.Errorf("got %+v, want nothing for a disabled worker", got)
	}
	other := b.enroll("other box")
	if got := b.answered(b.waitingClaim(secret.Text(other.WorkerToken))); got.err != nil || len(got.Runs) != 1 || got.Runs[0].Attempt != 1 {
		t.Errorf("another worker got %+v, want the run at its first attempt", got)
	}
}

// TestClaim_deleted: a worker that is deleted while it waits hears that it is,
// and of no runs: at once on the replica that deletes it, with the next work
// on any other.
func TestClaim_deleted(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*bench, api.RedeemResult){
		"here": func(b *bench, host api.RedeemResult) {
			b.as(b.admin, "DELETE", "/api/v1/workspaces/"+host.WorkspaceID+"/workers/"+host.WorkerID, "", 204, nil)
		},
		"elsewhere": func(b *bench, host api.RedeemResult) {
			if err := b.st.DeleteWorker(b.t.Context(), store.WorkerID(host.WorkerID)); err != nil {
				b.t.Fatal(err)
			}
			b.post("/api/pipelines/pulled/trigger", `{}`, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			host := b.enroll("box")
			answer := b.waitingClaim(secret.Text(host.WorkerToken))
			remove(b, host)
			var refused *api.Error
			if got := b.answered(answer); !errors.As(got.err, &refused) || refused.Status != 401 || len(got.Runs) != 0 {
				t.Errorf("got %+v, want 401", got)
			}
		})
	}
}
