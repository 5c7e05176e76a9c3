package controlplane

import (
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/store"
)

// TestDeadLetters: a dead letter over HTTP, from the failure to the run that
// took its place, with what a second retry is told.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	worker := secret.Text(b.enroll("box").WorkerToken)
	b.as(worker, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	b.post("/api/queue/task", `{"taskId":"keep","input":{"page":7}}`, nil)
	claim := func() string {
		t.Helper()
		var got api.ClaimResponse
		b.as(worker, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &got)
		if len(got.Runs) != 1 {
			t.Fatalf("claimed %+v", got)
		}
		return got.Runs[0].RunID
	}
	failed := claim()
	b.as(worker, "POST", "/api/callback/"+failed, `{"status":"failed","error":"no such page","errorCode":"NO_PAGE","retryable":false}`, 200, nil)

	var page api.DeadLetters
	b.as(b.view, "GET", "/api/dlq?taskId=keep", "", 200, &page)
	if page.Total != 1 || page.Items[0].TaskRunID != failed || page.Items[0].Error != "no such page" || !page.Items[0].RetriedAt.IsZero() {
		t.Fatalf("dead letters %+v", page)
	}
	id := page.Items[0].ID
	var one api.DeadLetter
	b.as(b.view, "GET", "/api/dlq/"+id, "", 200, &one)
	if len(one.PreviousAttempts) != 1 || one.PreviousAttempts[0].ErrorCode != "NO_PAGE" || string(one.Input) != `{"page":7}` {
		t.Errorf("the dead letter is %+v with input %s", one, one.Input)
	}

	b.as(b.view, "POST", "/api/dlq/"+id+"/retry", "", 403, nil)
	var again api.RetriedDeadLetter
	b.as(b.admin, "POST", "/api/dlq/"+id+"/retry", "", 200, &again)
	if again.Status != "queued" || again.CodeVersion != 1 || again.NewRunID == failed {
		t.Errorf("retried as %+v", again)
	}
	var refusal api.Error
	b.as(b.admin, "POST", "/api/dlq/"+failed+"/retry", "", 409, &refusal)
	if !strings.Contains(refusal.Message, "retried") {
		t.Errorf("a second retry is refused with %q", refusal.Message)
	}
	var run api.TaskRun
	b.as(b.view, "GET", "/api/task-runs/"+failed, "", 200, &run)
	if run.Status != "failed" || run.SupersededBy != again.NewRunID {
		t.Errorf("the failed one is %s, superseded by %q", run.Status, run.SupersededBy)
	}
	b.as(b.view, "GET", "/api/dlq", "", 200, &page)
	if page.Total != 0 {
		t.Errorf("%d dead letters are left", page.Total)
	}
	var purged api.Purged
	b.as(b.admin, "POST", "/api/dlq/purge", `{"ids":["dlq_none"]}`, 200, &purged)
	var all api.RetriedAll
	b.as(b.admin, "POST", "/api/dlq/retry-all", `{"ids":["`+id+`","dlq_none"]}`, 200, &all)
	if purged.Purged != 0 || all.Retried != 0 || len(all.Failed) != 2 || all.Failed[1].DLQID != "dlq_none" {
		t.Errorf("of what is not there or was retried: purged %+v, retried %+v", purged, all)
	}
	b.as(b.view, "GET", "/api/dlq?includeRetried=true", "", 200, &page)
	if page.Total != 1 || page.Items[0].RetryRunID != again.NewRunID || page.Items[0].RetriedAt.IsZero() {
		t.Errorf("with those retried: %+v", page)
	}

	if got := claim(); got != again.NewRunID {
		t.Errorf("claimed %s", got)
	}
	b.as(worker, "POST", "/api/callback/"+again.NewRunID, `{"status":"success","outputPath":"runs/x/output.json"}`, 200, nil)
	b.as(b.view, "GET", "/api/task-runs/"+again.NewRunID, "", 200, &run)
	if run.Status != "completed" || run.Attempt != 1 {
		t.Errorf("the retry is %s at attempt %d", run.Status, run.Attempt)
	}
	b.as(b.admin, "POST", "/api/dlq/purge", `{"ids":["`+id+`"]}`, 200, &purged)
	if purged.Purged != 1 {
		t.Errorf("purged %+v, want the one that is named", purged)
	}
}

// A page of dead letters with large inputs does not fill the memory.
func TestDeadLetters_largeInputs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	worker := secret.Text(b.enroll("box").WorkerToken)
	b.as(worker, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	var queued api.QueuedTask
	b.post("/api/queue/task", `{"taskId":"keep","input":"`+strings.Repeat("x", 250<<10)+`"}`, &queued)
	letters := make([]store.DeadLetter, 2*letterInputsLimit/(250<<10))
	for i := range letters {
		letters[i].InputPath = queued.InputPath
	}
	bytes := 0
	for _, input := range b.letterInputs(t.Context(), letters) {
		bytes += len(input)
	}
	if bytes == 0 || bytes > letterInputsLimit {
		t.Errorf("%d bytes of inputs were read, at most %d may be", bytes, letterInputsLimit)
	}
}
