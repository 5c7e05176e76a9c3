package controlplane

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
	"pipedai/store"
)

// poolToken makes a token that admits one worker to the pool.
func (b *bench) poolToken() string {
	b.t.Helper()
	var made api.CreatedToken
	b.as(b.admin, "POST", "/api/v1/tokens", `{"name":"rack 4","kind":"pool"}`, 200, &made)
	return made.Secret
}

// TestPool walks a worker of the pool through its life: it registers with a
// pool token, is seen by whoever may list the pool, works like others, switches
// itself off and on, and is switched and removed by admins. Its host has no
// power over it.
func TestPool(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	host := b.enroll("box")
	daemon, reader := secret.Text(host.OperatorToken), b.poolRead()
	token := b.poolToken()
	if !strings.HasPrefix(token, "pool_") || !strings.HasPrefix(reader.Reveal(), "pop_") {
		t.Fatalf("tokens %.5s %.5s", token, reader.Reveal())
	}
	got, err := b.serve("").RegisterWorker(ctx, api.RegisterWorkerRequest{Token: token, Hostname: "box", OS: "linux", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if got.WorkerID == host.WorkerID || got.WorkspaceID != "" || !strings.HasPrefix(got.WorkerToken, "wkt_") {
		t.Errorf("registered %+v, want another worker than the host's, of no workspace", got)
	}
	_, err = b.serve("").RegisterWorker(ctx, api.RegisterWorkerRequest{Token: token, Hostname: "box2", OS: "linux", Version: "1.0.0"})
	if status, word := refused(t, err); status != 409 || word != "already_consumed" {
		t.Errorf("again: %d %s", status, word)
	}
	own := secret.Text(got.WorkerToken)

	// It works like others.
	b.as(own, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	b.post("/api/queue/task", `{"taskId":"keep"}`, nil)
	b.as(own, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	var claimed api.ClaimResponse
	b.as(own, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &claimed)
	if len(claimed.Runs) != 1 {
		t.Fatalf("claimed %+v", claimed)
	}
	row := func() map[string]any {
		t.Helper()
		w := b.do("GET", "/api/v1/pool-workers", "", bearer(reader)...)
		var out struct{ Items []map[string]any }
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || len(out.Items) != 1 || strings.Contains(w.Body.String(), "box") {
			t.Fatalf("%d %s, want one row without the name of a machine", w.Code, w.Body)
		}
		return out.Items[0]
	}
	if r := row(); r["id"] != got.WorkerID || r["derivedStatus"] != "busy" || r["currentRunId"] != claimed.Runs[0].RunID || r["disabled"] != false {
		t.Errorf("the pool shows %v", r)
	}
	if all, err := b.serve(reader).PoolWorkers(ctx); err != nil || len(all) != 1 {
		t.Errorf("the client lists %+v, %v", all, err)
	}

	// Only itself and admins switch it.
	admin, self := "/api/v1/admin/pool-workers/"+got.WorkerID, "/api/v1/pool-workers/"+got.WorkerID
	for _, who := range []secret.Text{daemon, b.operate, b.view, own, reader} {
		b.as(who, "POST", admin+"/disable", "", 403, nil)
		b.as(who, "DELETE", admin, "", 403, nil)
	}
	for _, who := range []secret.Text{daemon, b.admin, reader, secret.Text(host.WorkerToken)} {
		b.as(who, "POST", self+"/self-disable", "", 403, nil)
	}
	ws := "/api/v1/workspaces/" + host.WorkspaceID + "/workers"
	b.as(daemon, "POST", ws+"/"+got.WorkerID+"/disable", "", 404, nil)
	b.as(b.admin, "POST", ws+"/"+got.WorkerID+"/disable", "", 404, nil)
	b.as(b.admin, "GET", "/api/v1/workspaces/ws_pool/workers", "", 403, nil)
	b.as(daemon, "GET", "/api/v1/workers/"+got.WorkerID+"/events/stream", "", 404, nil)
	b.as(reader, "GET", "/api/runs", "", 403, nil)

	b.as(own, "POST", self+"/self-disable", "", 200, nil)
	if r := row(); r["derivedStatus"] != "disabled" || r["currentRunId"] == nil {
		t.Errorf("disabled by itself: %v", r)
	}
	b.as(own, "POST", self+"/self-enable", "", 200, nil)
	b.as(b.admin, "POST", admin+"/disable", `{"note":"moving"}`, 200, nil)
	if r := row(); r["disabled"] != true {
		t.Errorf("disabled by an admin: %v", r)
	}
	b.as(b.admin, "POST", admin+"/enable", "", 200, nil)
	if rows, err := b.serve(daemon).Workers(ctx, host.WorkspaceID); err != nil || len(rows) != 1 {
		t.Errorf("the host sees %+v, %v", rows, err)
	}
	b.as(b.admin, "DELETE", admin, "", 204, nil)
	b.as(b.admin, "DELETE", admin, "", 404, nil)
	b.as(own, "POST", self+"/self-enable", "", 401, nil)
	b.as(own, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 401, nil)

	id := got.WorkerID
	for _, verb := range []string{"self-disable", "self-enable"} {
		lines := b.audited(client.AuditFilter{Workspace: string(store.PoolWorkspace), Actor: "box", Action: "pool-worker." + verb})
		if diff := cmp.Diff([]string{"box pool-worker." + verb + " " + id + " ok"}, lines); diff != "" {
			t.Errorf("audited (-want +got):\n%s", diff)
		}
	}
}
