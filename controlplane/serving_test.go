package controlplane

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/secret"
)

// served is a service in a line, and an instance in a line each.
func (b *bench) served(as secret.Text, id string) string {
	b.t.Helper()
	var all api.Services
	b.as(as, "GET", "/api/services", "", 200, &all)
	at := slices.IndexFunc(all.Services, func(s api.Service) bool { return s.ID == id })
	if at < 0 {
		b.t.Fatalf("no service %s among %+v", id, all.Services)
	}
	s := all.Services[at]
	var detail api.ServiceDetail
	b.as(as, "GET", "/api/services/"+id, "", 200, &detail)
	if diff := cmp.Diff(s, detail.Service); diff != "" {
		b.t.Errorf("list and service differ (-list +service):\n%s", diff)
	}
	out := []string{strings.TrimSpace(s.Health + " " + s.HealthReason)}
	for _, i := range s.Instances {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s on %s %s %s %s", i.Name, i.Host, i.Version, i.Status, i.CurrentTaskID)))
	}
	if s.Elsewhere > 0 {
		out = append(out, fmt.Sprintf("and %d elsewhere", s.Elsewhere))
	}
	return strings.Join(out, "; ")
}

// TestServices_servedBy: a service says who serves it, in which version, and
// what each does; it is degraded while a worker of it is missed and unserved
// when none is left. Names of workers of other workspaces are not told.
func TestServices_servedBy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	box, attic := b.enroll("box"), b.enroll("attic")
	old, fresh := secret.Text(box.WorkerToken), secret.Text(attic.WorkerToken)
	want := func(line string) {
		t.Helper()
		if got := b.served(b.view, "pulled"); got != line {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
	beat := func(token secret.Text) {
		b.as(token, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	}

	b.as(old, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	want("unserved Its worker is not heard of; box on box 1.0.0 offline")
	b.as(fresh, "POST", "/api/v1/workers/self/register", strings.Replace(pulled, "1.0.0", "1.1.0", 1), 200, nil)
	beat(fresh)
	want("degraded A worker is not heard of; attic on attic 1.1.0 online; box on box 1.0.0 offline")
	beat(old)
	b.post("/api/queue/task", `{"taskId":"keep"}`, nil)
	b.as(fresh, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, nil)
	want("serving; attic on attic 1.1.0 busy keep; box on box 1.0.0 online")
	_, stranger := b.tenant("elsewhere", "api_key")
	if got := b.served(stranger, "pulled"); got != "serving; and 2 elsewhere" {
		t.Errorf("another workspace sees %s", got)
	}

	b.as(b.admin, "POST", "/api/v1/workspaces/"+attic.WorkspaceID+"/workers/"+attic.WorkerID+"/disable", "", 200, nil)
	want("serving; attic on attic 1.1.0 disabled keep; box on box 1.0.0 online")
	b.clock.move(time.Minute)
	want("unserved None of its workers is heard of or enabled; attic on attic 1.1.0 disabled keep; box on box 1.0.0 offline")
	b.clock.move(missedFor)
	want("unserved Its worker is disabled; attic on attic 1.1.0 disabled keep")
	b.as(b.admin, "DELETE", "/api/v1/workspaces/"+attic.WorkspaceID+"/workers/"+attic.WorkerID, "", 204, nil)
	want("unserved No worker serves it")
}

// TestServices_claimTells: a worker that registered with a server of before is
// known by its claims; which version it is, its next registration tells.
func TestServices_claimTells(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.as(secret.Text(b.enroll("box").WorkerToken), "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	other := secret.Text(b.enroll("attic").WorkerToken)
	b.as(other, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	b.as(other, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, nil)
	attic := "attic on attic  online"
	if got := b.served(b.view, "pulled"); !strings.Contains(got, attic) {
		t.Errorf("got %s", got)
	}
	// It takes work of another service, too: that is not written down each time.
	b.as(other, "POST", "/api/v1/workers/self/claim", `{"serviceId":"another","max":1,"waitMs":0}`, 200, nil)
	if got := b.served(b.view, "pulled"); !strings.Contains(got, attic) {
		t.Errorf("after a claim for another service: %s", got)
	}
}

// TestServices_pushed: a service that is pushed to is served by its address.
func TestServices_pushed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", `{"serviceId":"pushed","version":"2.0.0","baseUrl":"http://127.0.0.1:9","tasks":[{"id":"far","codeHash":"f"}]}`, nil)
	if got := b.served(b.view, "pushed"); got != "serving; http://127.0.0.1:9 on  2.0.0 online" {
		t.Errorf("got %s", got)
	}
}
