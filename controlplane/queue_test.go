package controlplane

import (
	"strings"
	"testing"

	"pipedai/api"
)

// TestQueueBatch_order: ten thousand tasks in one request are answered in its
// order, and one that cannot be queued keeps all the others out.
func TestQueueBatch_order(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	var body strings.Builder
	body.WriteString(`{"tasks":[`)
	for i := range api.MaxQueueBatch {
		if i > 0 {
			body.WriteByte(',')
		}
		body.WriteString([]string{`{"taskId":"text","input":{"n":1}}`, `{"taskId":"download"}`}[i%2])
	}
	var out api.QueuedBatch
	b.post("/api/queue/batch", body.String()+`]}`, &out)
	if out.Queued != api.MaxQueueBatch || len(out.Results) != api.MaxQueueBatch {
		t.Fatalf("queued %d, %d results", out.Queued, len(out.Results))
	}
	seen := map[string]bool{}
	for i, r := range out.Results {
		if want := []string{"text", "download"}[i%2]; r.TaskID != want || seen[r.RunID] || r.Status != "queued" || !strings.Contains(r.InputPath, r.RunID) {
			t.Fatalf("result %d: %+v, want task %s", i, r, want)
		}
		seen[r.RunID] = true
	}

	if w := b.do("POST", "/api/queue/batch", body.String()+`,{"taskId":"none"}]}`); w.Code != 400 {
		t.Errorf("one too many: got %d", w.Code)
	}
	w := b.do("POST", "/api/queue/batch", `{"tasks":[{"taskId":"text"},{"taskId":"none"}]}`)
	if w.Code != 404 {
		t.Errorf("an unknown task among them: got %d %s", w.Code, w.Body)
	}
	if status := b.do("GET", "/api/queue/status", "").Body.String(); !strings.Contains(status, `"pending":10000,`) {
		t.Errorf("after refused batches: %s", status)
	}
}
