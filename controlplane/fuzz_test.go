package controlplane

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pipedai/pipeline"
	"pipedai/store"
)

// fuzzed sends a body that may be anything and wants an answer that is no
// fault of the server: JSON as the description has it (bench.ServeHTTP looks),
// and one of the statuses that a body can have.
func (b *bench) fuzzed(method, path string, body []byte, legal ...int) int {
	b.t.Helper()
	w := b.do(method, path, string(body))
	if !slices.Contains(legal, w.Code) {
		b.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if !json.Valid(w.Body.Bytes()) {
		b.t.Errorf("%s %s: the answer is no JSON: %q", method, path, w.Body)
	}
	return w.Code
}

// FuzzCallback: whatever a worker says at the end of an attempt, and under
// whatever id, it is answered, and the attempt is either over or as it was.
func FuzzCallback(f *testing.F) {
	for _, seed := range []struct{ id, body string }{
		{"", `{"status":"success","outputPath":"runs/x/output.json","outputSize":12,"assets":{"a":{"path":"p","size":1,"type":"json"}},"logsPath":"l","selectedNext":[]}`},
		{"", `{"status":"failed","error":"\u0000\ud800","errorCode":"X","retryable":false,"details":{"\u0000":1e400}}`},
		{"", `{"status":"success","assets":{"__proto__":{"path":"../x","size":9e15,"type":"text"},"":null}}`},
		{".2", `{"status":"success","selectedNext":["summarize","nowhere","summarize",""]}`},
		{".02", `{"status":"failed","attempt":1}`}, {"/..", `[]`}, {"%00", ``}, {"", `{"status":"success","outputSize":0.5}`},
		{"", "--x\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nsuccess\r\n--x--"}, {"", `{"status":"success","status":"failed"}`},
	} {
		f.Add(seed.id, []byte(seed.body))
	}
	b := newBench(f)
	b.post("/api/register", pdf, nil)
	f.Fuzz(func(t *testing.T, suffix string, body []byte) {
		b.t = t
		b.post("/api/queue/task", `{"taskId":"text"}`, nil)
		claimed, err := b.st.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "fuzz", Limit: 10, Accepted: true})
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %d: %v", len(claimed), err)
		}
		run := claimed[0].TaskRun
		code := b.fuzzed("POST", "/api/callback/"+string(run.ID)+url.PathEscape(suffix), body, 200, 400, 404, 413)
		got, err := b.st.TaskRun(t.Context(), run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if ended := got.Status.Terminal(); !ended && got.Status != pipeline.TaskRunning {
			t.Errorf("the attempt is %s", got.Status)
		} else if ended && code != http.StatusOK {
			t.Errorf("refused with %d, and yet %s", code, got.Status)
		} else if !ended { // nothing piles up
			b.fuzzed("POST", "/api/callback/"+string(run.ID), []byte(`{"status":"failed","retryable":false}`), 200)
		}
	})
}

// FuzzBodies: whatever the body, every route of the engine that reads one
// answers.
func FuzzBodies(f *testing.F) {
	routes := []string{
		"POST /api/pipelines/pdf/trigger", "POST /api/pipelines/pdf/dry-run", "PUT /api/pipelines/mine", "POST /api/queue/task", "POST /api/queue/batch",
		"POST /api/register", "POST /api/heartbeat", "POST /api/progress", "POST /api/tasks/text/validate-input", "POST /api/dlq/retry-all",
		"POST /api/dlq/purge", "POST /api/idempotency/check", "POST /api/runs/prun_x/cancel", "POST /api/runs/prun_x/replay",
	}
	for i, seed := range []string{
		`{"input":{"a":1},"priority":-5,"failureMode":"continue","metadata":{"\u0000":"\ud800"},"idempotencyKey":"k","scheduledFor":"2999-01-01T00:00:00Z"}`,
		`{"entryTasks":["text"],"structure":{"a":{"allowedNext":["a"]}},"version":"","name":"\u202e"}`,
		`{"entryTasks":["text","text"],"failureMode":"x","metadata":[]}`, `{"taskId":"text","input":1e400,"storageBackend":"local"}`,
		`{"tasks":[{"taskId":"text","idempotencyKey":"k"},{"taskId":"text","idempotencyKey":"k"},null]}`,
		`{"serviceId":"s","version":"1","baseUrl":"http://[::ffff:169.254.169.254]/","tasks":[{"id":"q","codeHash":"","allowedNext":["q","q"],"inputSchema":{"fields":[{"name":"x","type":"regex","pattern":"(a+)+$"}]}}]}`,
		`{"runId":"trun_x.2","progress":1e-400,"message":"\u001b[2J"}`, `[[[[]]]]`, `{"input":{"__proto__":null}}`, `{"pipelineId":"pdf","olderThanDays":-1}`,
		`{"olderThanDays":1e9}`, `{"runId":"x","key":""}`, "\xff\xfe", `null`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	b := newBench(f)
	b.post("/api/register", pdf, nil)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		b.t = t
		method, path, _ := strings.Cut(routes[int(which)%len(routes)], " ")
		b.fuzzed(method, path, body, 200, 400, 404, 409, 413)
	})
}
