package controlplane

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// TestBadInput: what cannot be right gets the contract's status and words, and
// changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	b.post("/api/register", `{"serviceId":"broken","version":"1","baseUrl":"http://localhost:1","tasks":[
		{"id":"start","codeHash":"1","allowedNext":["again"]},
		{"id":"again","codeHash":"1","allowedNext":["again"]},
		{"id":"lost","codeHash":"1","allowedNext":["nowhere"]}]}`, nil)
	before := b.do("GET", "/api/queue/status", "").Body.String()
	services := b.do("GET", "/api/services", "").Body.String()

	tests := []struct {
		name, path, body string
		status           int
		want             []string
	}{
		{"not JSON", "/api/pipelines/pdf/trigger", `{"a":`, 400, []string{`"error":"Invalid request"`, `"message":"the body is not JSON`}},
		{"not JSON at all", "/api/register", `hello`, 400, []string{`"error":"Invalid request"`, `"message":"`}},
		{"no object", "/api/pipelines/pdf/trigger", `"text"`, 400, []string{`"details":{"_errors":["Expected object, received string"]}`}},
		{"too deep", "/api/pipelines/pdf/trigger", strings.Repeat("[", 20_000), 400, []string{`"error":"Invalid request"`}},
		{"too large", "/api/pipelines/pdf/trigger", `{"a":"` + strings.Repeat("x", 10<<20) + `"}`, 413, []string{`"error":"Payload too large"`}},
		{"unknown pipeline", "/api/pipelines/none/trigger", `{}`, 404, []string{`"error":"Pipeline not found"`}},
		{"bad mode", "/api/pipelines/pdf/trigger", `{"input":{},"failureMode":"sideways"}`, 400, []string{`Invalid enum value. Expected 'fail-fast' | 'continue' | 'partial-merge', received 'sideways'`}},
		{"bad validation", "/api/pipelines/pdf/trigger", `{"validationMode":"some"}`, 400, []string{`Expected 'strict' | 'warn' | 'none', received 'some'`}},
		{"body before pipeline", "/api/pipelines/none/trigger", `{"validationMode":"some"}`, 400, []string{`"validationMode":{"_errors"`}},
		{"fraction", "/api/pipelines/pdf/trigger", `{"priority":1.5}`, 400, []string{`"priority":{"_errors":["Expected integer, received float"]}`}},
		{"huge", "/api/pipelines/pdf/trigger", `{"priority":1e300}`, 400, []string{`"priority":{"_errors":["Number is out of range"]}`}},
		{"metadata", "/api/pipelines/pdf/trigger", `{"metadata":[]}`, 400, []string{`"metadata":{"_errors":["Expected object, received array"]}`}},
		{"schedule", "/api/pipelines/pdf/trigger", `{"scheduledFor":"tomorrow"}`, 400, []string{`"scheduledFor":{"_errors":["Invalid datetime"]}`}},
		{"cycle", "/api/pipelines/start/trigger", `{}`, 400, []string{`"error":"Pipeline validation failed: `, `Cycle detected: again -`}},
		{"missing task", "/api/pipelines/lost/trigger", `{}`, 400, []string{`"error":"Pipeline validation failed: `, `nowhere`}},
		{"no task", "/api/queue/task", `{}`, 400, []string{`"taskId":{"_errors":["Required"]}`}},
		{"unknown task", "/api/queue/task", `{"taskId":"none"}`, 404, []string{`"error":"Task not found"`}},
		{"no tasks", "/api/queue/batch", `{}`, 400, []string{`"tasks":{"_errors":["Required"]}`}},
		{"tasks, each told by its place", "/api/queue/batch", `{"tasks":[{"taskId":"text"},{"taskId":"text","priority":0.5},{"taskId":"text"},{"taskId":"text","metadata":1}]}`, 400, []string{
			`"1":{"_errors":[],"priority":{"_errors":["Expected integer, received float"]}}`,
			`"3":{"_errors":[],"metadata":{"_errors":["Expected object, received number"]}}`}},
		{"too many tasks", "/api/queue/batch", `{"tasks":[` + strings.Repeat(`{"taskId":"text"},`, 10_000) + `{"taskId":"text"}]}`, 400, []string{`"tasks":{"_errors":["Array must contain at most 10000 element(s)"]}`}},
		{"progress", "/api/progress", `{"runId":"x","progress":101}`, 400, []string{`Number must be less than or equal to 100`}},
		{"callback status", "/api/callback/trun_x", `{"status":"completed"}`, 400, []string{`Expected 'success' | 'failed', received 'completed'`}},
		{"callback asset", "/api/callback/trun_x", `{"status":"success","assets":{"k":{"path":"p","size":-1,"type":"pdf"}}}`, 400, []string{`"assets":{"_errors":[],"k":{"_errors":[],"size":{"_errors":["Number must be greater than or equal to 0"]}`, `'json' | 'text' | 'binary'`}},
		{"base url", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"localhost","tasks":[]}`, 400, []string{`"baseUrl":{"_errors":["Invalid url"]}`}},
		{"base url, file", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"file:///etc","tasks":[]}`, 400, []string{`"baseUrl":{"_errors":["Invalid url"]}`}},
		{"E1 base url, metadata", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://169.254.169.254/","tasks":[]}`, 400, []string{`"error":"Invalid request"`, `is a cloud metadata address`}},
		{"E6 base url, another service's port", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://db:5432","tasks":[]}`, 400, []string{`is the port of PostgreSQL`}},
		{"base url, query", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://h/?a=b","tasks":[]}`, 400, []string{`"error":"Invalid request"`}},
		{"base url, none", "/api/register", `{"serviceId":"s","version":"1","tasks":[]}`, 400, []string{`"baseUrl":{"_errors":["Required"]}`}},
		{"task twice", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://h","tasks":[{"id":"a","codeHash":"1"},{"id":"a","codeHash":"1"}]}`, 400, []string{`Task 'a' is given twice`}},
	}
	for _, test := range tests {
		w := b.do("POST", test.path, test.body)
		if w.Code != test.status {
			t.Errorf("%s: got %d %.300s, want %d", test.name, w.Code, w.Body, test.status)
			continue
		}
		for _, text := range test.want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: %q is missing in %.500s", test.name, text, w.Body)
			}
		}
	}
	for _, query := range []string{"limit=0", "limit=many", "limit=1001", "offset=-1", "from=yesterday"} {
		if w := b.do("GET", "/api/runs?"+query, ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"details"`) {
			t.Errorf("runs?%s: got %d %s", query, w.Code, w.Body)
		}
	}
	if after := b.do("GET", "/api/queue/status", "").Body.String(); after != before {
		t.Errorf("the queue changed: %s, was %s", after, before)
	}
	if after := b.do("GET", "/api/services", "").Body.String(); after != services {
		t.Errorf("the services changed: %s, was %s", after, services)
	}
}

// TestValidationTree collects every problem at its own place.
func TestValidationTree(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.do("POST", "/api/register", `{"serviceId":5,"baseUrl":null,"tasks":[
		{"id":"a","codeHash":"1","timeout":"300","allowedNext":["b",7,null]},
		7,
		{"codeHash":"1","retryBackoff":"linear"}]}`)
	var got struct{ Details any }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	leaf := func(texts ...string) any {
		list := []any{}
		for _, text := range texts {
			list = append(list, text)
		}
		return map[string]any{"_errors": list}
	}
	want := map[string]any{
		"_errors":   []any{},
		"serviceId": leaf("Expected string, received number"),
		"version":   leaf("Required"),
		"tasks": map[string]any{
			"_errors": []any{},
			"0": map[string]any{
				"_errors": []any{},
				"timeout": leaf("Expected number, received string"),
				"allowedNext": map[string]any{
					"_errors": []any{},
					"1":       leaf("Expected string, received number"),
					"2":       leaf("Expected string, received null"),
				},
			},
			"1": leaf("Expected object, received number"),
			"2": map[string]any{
				"_errors":      []any{},
				"id":           leaf("Required"),
				"retryBackoff": leaf("Invalid enum value. Expected 'fixed' | 'exponential', received 'linear'"),
			},
		},
	}
	if diff := cmp.Diff(any(want), got.Details); w.Code != 400 || diff != "" {
		t.Errorf("got %d (-want +got):\n%s", w.Code, diff)
	}
}

// TestRegistration_numbers: what no integer column could hold is refused.
func TestRegistration_numbers(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]string{
		`"timeout":0`:                      "Number must be greater than 0",
		`"timeout":1.5`:                    "Expected integer, received float",
		`"timeout":2147483648`:             "Number must be less than or equal to 2147483647",
		`"retries":-1`:                     "Number must be greater than or equal to 0",
		`"retryDelayMs":0`:                 "Number must be greater than 0",
		`"concurrency":-1`:                 "Number must be greater than or equal to 0",
		`"priority":0.5`:                   "Expected integer, received float",
		`"heartbeatIntervalMs":1e999`:      "Number is out of range",
		`"inputSchema":[]`:                 "Expected object, received array",
		`"idempotencyTTL":null`:            "",
		`"timeout":30,"retries":0`:         "",
		`"priority":-5,"unknownMember":{}`: "",
	} {
		var req api.RegisterRequest
		err := httpkit.Bind(json.RawMessage(`{"serviceId":"s","version":"1","tasks":[{"id":"a","codeHash":"1",`+member+`}]}`), &req)
		if err == nil {
			_, err = registrations(req)
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got %v", member, err)
		case want != "" && err == nil:
			t.Errorf("%s: was taken", member)
		case want != "":
			text, _ := json.Marshal(err)
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: got %s, want %s", member, text, want)
			}
		}
	}
}
