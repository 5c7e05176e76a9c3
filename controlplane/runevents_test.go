package controlplane

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// eventLine is one line of a batch.
func eventLine(run, token string, seq int) string {
	line, _ := json.Marshal(api.RunEventLine{RunID: run, Token: token, Seq: int64(seq), Type: "system", Payload: json.RawMessage(`{"text":"x"}`)})
	return string(line) + "\n"
}

// TestRunEvents: a worker reports what happens in the runs it was given, in
// batches it may send again, also after their end, and anybody who may look at
// the run reads them in order.
func TestRunEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	owner, thief := secret.Text(b.enroll("box").WorkerToken), secret.Text(b.enroll("other").WorkerToken)
	one, two := b.claimed(owner), b.claimed(owner)
	const path = "/api/v1/workers/self/run-events"
	send := func(as secret.Text, body string, status int) (got api.RunEventsAnswer) {
		t.Helper()
		b.as(as, "POST", path, body, status, &got)
		return got
	}
	lines := eventLine(one.RunID, one.EventsToken, 1) + eventLine(two.RunID, two.EventsToken, 1) + eventLine(one.RunID, "", 2)
	if got := send(owner, lines, 200); got.Accepted != 3 || got.Known != 0 || len(got.Refused) != 0 {
		t.Errorf("got %+v", got)
	}
	if got := send(owner, lines+eventLine(one.RunID, "", 3), 200); got.Accepted != 1 || got.Known != 3 {
		t.Errorf("sent again: got %+v", got)
	}
	b.as(owner, "POST", "/api/callback/"+one.RunID, `{"status":"success"}`, 200, nil)
	big := strings.Replace(eventLine(one.RunID, one.EventsToken, 5), `"x"`, `"`+strings.Repeat("x", api.MaxRunEventPayload)+`"`, 1)
	got := send(owner, big+eventLine(one.RunID, one.EventsToken, 4)+eventLine(one.RunID, "", api.MaxRunEventSeq+1)+eventLine("trun_x", "wrong", 1), 200)
	if got.Accepted != 1 || got.Dropped != 2 || len(got.Refused) != 1 || got.Refused[0].Status != 403 {
		t.Errorf("late, too large, too many and nobody's: got %+v", got)
	}

	send(thief, eventLine(one.RunID, one.EventsToken, 9), 403)
	send(owner, eventLine(one.RunID, two.EventsToken, 9), 403)
	send(owner, eventLine(one.RunID, "", 9), 403)
	for name, body := range map[string]string{
		"no JSON": "hello\n", "cut short": strings.TrimSuffix(lines, "}\n"), "no seq": `{"runId":"x","type":"y","payload":{}}`,
		"payload is no object": `{"runId":"x","seq":1,"type":"y","payload":[]}`, "no payload": `{"runId":"x","seq":1,"type":"y"}`,
		"too many": strings.Repeat(eventLine(one.RunID, one.EventsToken, 1), api.MaxRunEvents+1),
	} {
		t.Log(name)
		send(owner, body, 400)
	}
	if got := send(owner, "", 200); got.Accepted != 0 {
		t.Errorf("nothing: got %+v", got)
	}

	var page api.TaskRunEvents
	b.as(b.view, "GET", "/api/task-runs/"+one.RunID+"/events?limit=2", "", 200, &page)
	next := page.Next
	if len(page.Items) != 2 || next != page.Items[1].ID {
		t.Fatalf("first page %+v", page)
	}
	b.as(b.view, "GET", fmt.Sprintf("/api/task-runs/%s/events?after=%d", one.RunID, next), "", 200, &page)
	if len(page.Items) != 2 || page.Items[0].Seq != 3 || page.Items[1].Seq != 4 || page.Items[0].Attempt != 1 || string(page.Items[0].Payload) != `{"text":"x"}` {
		t.Errorf("second page %+v", page)
	}
	b.as(b.view, "GET", fmt.Sprintf("/api/task-runs/%s/events?after=%d", one.RunID, page.Next), "", 200, &page)
	if len(page.Items) != 0 || page.Next == 0 {
		t.Errorf("nothing new: %+v", page)
	}
	b.as(b.view, "GET", "/api/task-runs/trun_none/events", "", 404, nil)
	b.as(b.view, "GET", "/api/task-runs/"+one.RunID+"/events?limit=0", "", 400, nil)
	b.as(owner, "GET", "/api/task-runs/"+one.RunID+"/events", "", 403, nil)
}

// repeated is a service whose task is tried again at once.
const repeated = `{"serviceId":"repeated","version":"1.0.0","tasks":[{"id":"again","codeHash":"a1","retries":3,"retryBackoff":"fixed","retryDelayMs":1}]}`

// claimed queues a task run and has a worker claim it.
func (b *bench) claimed(as secret.Text) api.Dispatch {
	b.t.Helper()
	b.as(as, "POST", "/api/v1/workers/self/register", repeated, 200, nil)
	b.post("/api/queue/task", `{"taskId":"again"}`, nil)
	var got api.ClaimResponse
	b.as(as, "POST", "/api/v1/workers/self/claim", `{"serviceId":"repeated","max":1,"waitMs":0}`, 200, &got)
	if len(got.Runs) != 1 {
		b.t.Fatalf("claimed %+v, want one run", got)
	}
	return got.Runs[0]
}

// TestTokens_T2_attemptIsOver: what belongs to attempt 1 is refused with 409
// while attempt 2 runs, whether it is a report of the end or of an event, and
// attempt 2 does not notice.
func TestTokens_T2_attemptIsOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	owner := secret.Text(b.enroll("box").WorkerToken)
	first := b.claimed(owner)
	b.as(owner, "POST", "/api/callback/"+first.RunID, `{"status":"failed","error":"once","retryable":true}`, 200, nil)
	var second api.ClaimResponse
	for deadline := time.Now().Add(10 * time.Second); len(second.Runs) == 0; { // its retry is due in a moment
		if time.Now().After(deadline) {
			t.Fatal("there was no second attempt")
		}
		b.post("/api/tick", "", nil)
		b.as(owner, "POST", "/api/v1/workers/self/claim", `{"serviceId":"repeated","max":1,"waitMs":50}`, 200, &second)
	}
	run := second.Runs[0]
	if run.Attempt != 2 || run.EventsToken == first.EventsToken {
		t.Fatalf("got attempt %d", run.Attempt)
	}
	b.as(owner, "POST", "/api/callback/"+first.RunID, `{"status":"success"}`, 409, nil)
	var out api.CallbacksResponse
	b.as(owner, "POST", "/api/v1/workers/self/callbacks", `{"callbacks":[{"runId":"`+first.RunID+`","callback":{"status":"success"}}]}`, 200, &out)
	if len(out.Results) != 1 || out.Results[0].Status != 409 || out.Results[0].Code != api.CodeConflict {
		t.Errorf("in a batch: got %+v", out.Results)
	}
	b.as(owner, "POST", "/api/v1/workers/self/run-events", eventLine(run.RunID, first.EventsToken, 1), 409, nil)
	var beats api.WorkerBeatResponse
	b.as(owner, "POST", "/api/v1/workers/self/heartbeat", `{"runs":[{"runId":"`+first.RunID+`"},{"runId":"`+run.RunID+`"}]}`, 200, &beats)
	if len(beats.Cancel) != 1 || beats.Cancel[0] != first.RunID {
		t.Errorf("a beat of both: got %+v, want the first told to stop", beats)
	}
	b.as(owner, "POST", "/api/callback/"+run.RunID, `{"status":"success"}`, 200, nil)
	var task api.TaskRun
	b.as(b.view, "GET", "/api/task-runs/"+run.RunID, "", 200, &task)
	if task.Status != "completed" || task.Attempt != 2 || len(task.PreviousAttempts) != 1 {
		t.Errorf("the run is %s at attempt %d, %+v", task.Status, task.Attempt, task.PreviousAttempts)
	}
}
