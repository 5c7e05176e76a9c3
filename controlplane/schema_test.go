package controlplane

import (
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/store"
)

// reader has a task with a strict schema; its successor has one, too.
const reader = `{"serviceId":"reader","version":"1","baseUrl":"http://localhost:9000","tasks":[
	{"id":"read","codeHash":"1","allowedNext":["sum"],"inputSchema":{"strict":true,"extra":1,"fields":[
		{"name":"url","type":"url","label":"URL","required":true,"color":"red"},{"name":"pages","type":"integer","label":"Pages","min":1}]}},
	{"id":"sum","codeHash":"1","inputSchema":{"fields":[{"name":"never","type":"string","label":"asked","required":true}]}},
	{"id":"free","codeHash":"1"}]}`

// TestInputSchema follows a schema from its registration to the inputs that it
// judges.
func TestInputSchema(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", reader, nil)
	const (
		url    = `{"field":"url","message":"Required","code":"invalid_type"}`
		pages  = `{"field":"pages","message":"Must be an integer","code":"invalid_type"}`
		keys   = `{"field":"","message":"Unrecognized key(s) in object: 'x'","code":"unrecognized_keys"}`
		stored = `{"fields":[{"name":"url","type":"url","label":"URL","required":true},{"name":"pages","type":"integer","label":"Pages","min":1}],"strict":true}`
	)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     []string
		not                      string
	}{
		{"the schema", "GET", "/api/tasks/read/input-schema", "", 200, []string{`{"taskId":"read","hasSchema":true,"schema":` + stored}, ""},
		{"no schema", "GET", "/api/tasks/free/input-schema", "", 200, []string{`{"taskId":"free","hasSchema":false,"schema":null}`}, ""},
		{"schema of no task", "GET", "/api/tasks/none/input-schema", "", 404, []string{`"error":"Task not found"`}, ""},
		{"words in any case", "GET", "/api/tasks/free/Input-Schema/", "", 200, []string{`"hasSchema":false`}, ""},
		{"valid", "POST", "/api/tasks/read/validate-input", `{"input":{"url":"http://x"}}`, 200, []string{`{"valid":true,"errors":[]}`}, ""},
		{"not valid", "POST", "/api/tasks/read/validate-input", `{"input":{"pages":1.5,"x":1}}`, 200, []string{`{"valid":false,"errors":[` + url + `,` + pages + `,` + keys + `]}`}, ""},
		{"not an object", "POST", "/api/tasks/read/validate-input", `{"input":[]}`, 200, []string{`"message":"Expected object, received array"`}, ""},
		{"anything without a schema", "POST", "/api/tasks/free/validate-input", `{"input":7}`, 200, []string{`{"valid":true,"errors":[]}`}, ""},
		{"no input", "POST", "/api/tasks/read/validate-input", `{}`, 400, []string{`"error":"Input is required"`}, ""},
		{"validate for no task", "POST", "/api/tasks/none/validate-input", `{"input":{}}`, 404, []string{`"error":"Task not found"`}, ""},
		{"dry run", "POST", "/api/pipelines/reader/dry-run", `{"input":{"url":"http://x","x":1}}`, 200, []string{`"valid":true`, `"inputErrors":{"read":[` + keys + `]}`, `"inputSchemas":{"read":` + stored}, `"sum":`},
		{"dry run without input", "POST", "/api/pipelines/reader/dry-run", ``, 200, []string{`"inputSchemas":`}, "inputErrors"},
		{"warn", "POST", "/api/pipelines/reader/trigger", `{"input":{"pages":1.5}}`, 200, []string{`"status":"running"`, `"validationWarnings":{"read":[` + url + `,` + pages + `]}`}, ""},
		{"strict", "POST", "/api/pipelines/reader/trigger", `{"input":{},"validationMode":"strict"}`, 400, []string{`"error":"Input validation failed"`, `"validationErrors":{"read":[` + url + `]}`, `"code":"invalid_input"`}, ""},
		{"strict and fine", "POST", "/api/pipelines/reader/trigger", `{"input":{"url":"a:b"},"validationMode":"strict"}`, 200, []string{`"status":"running"`}, "validationWarnings"},
		{"none", "POST", "/api/pipelines/reader/trigger", `{"input":{},"validationMode":"none"}`, 200, []string{`"status":"running"`}, "validationWarnings"},
		{"another mode", "POST", "/api/pipelines/reader/trigger", `{"input":{},"validationMode":"lax"}`, 400, []string{`"validationMode":{"_errors":["Invalid enum value. Expected 'strict' | 'warn' | 'none', received 'lax'"]}`}, ""},
		{"queue, warn", "POST", "/api/queue/task", `{"taskId":"read"}`, 200, []string{`"status":"queued"`, `"validationWarnings":{"read":[` + url + `]}`}, ""},
		{"queue, strict", "POST", "/api/queue/task", `{"taskId":"read","validationMode":"strict"}`, 400, []string{`"validationErrors":{"read":[` + url + `]}`}, ""},
		{"queue, no schema", "POST", "/api/queue/task", `{"taskId":"free","validationMode":"strict","input":5}`, 200, []string{`"status":"queued"`}, ""},
		{"batch, one refused", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"free"},{"taskId":"read","validationMode":"strict"}]}`, 400, []string{`"validationErrors":{"read":[` + url + `]}`, `"index":1`}, ""},
		{"batch, warn", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"free"},{"taskId":"read"}]}`, 200, []string{`"queued":2`, `"validationWarnings":{"read":[` + url + `]}`}, ""},
		{"a wrong schema", "POST", "/api/register", strings.Replace(reader, `"label":"Pages"`, `"minLength":0`, 1), 400, []string{
			`"tasks":{"0":{"_errors":[],"inputSchema":{"_errors":[],"fields":{"1":{"_errors":[],"label":{"_errors":["Required"]},"minLength":{"_errors":["Number must be greater than 0"]}}`}, ""},
	} {
		w := b.do(tt.method, tt.path, tt.body)
		body := w.Body.String()
		for _, text := range tt.want {
			if w.Code != tt.status || !strings.Contains(body, text) {
				t.Errorf("%s: got %d %s, want %d %s", tt.name, w.Code, body, tt.status, text)
			}
		}
		if tt.not != "" && strings.Contains(body, tt.not) {
			t.Errorf("%s: %s must not be in %s", tt.name, tt.not, body)
		}
	}
	var queue api.QueueStatus
	b.as(b.view, "GET", "/api/queue/status", "", 200, &queue)
	// Three triggers with two entries each, two single task runs, a batch of
	// two; nothing of what was refused.
	if queue.Pending != 3*2+2+2 {
		t.Errorf("%d task runs are pending", queue.Pending)
	}

	// A new version of the task judges from the next input on.
	b.post("/api/register", strings.Replace(reader, `"required":true,"color"`, `"color"`, 1), nil)
	if w := b.do("POST", "/api/pipelines/reader/trigger", `{"input":{},"validationMode":"strict"}`); w.Code != 200 {
		t.Errorf("after a new registration: got %d %s", w.Code, w.Body)
	}
}

// A schema that cannot be read any more, from another program's hand, says so
// for every input and stops nobody who does not ask.
func TestInputSchema_unusable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.st.Register(t.Context(), store.Register{
		Service: store.Service{ID: "old", Version: "1", BaseURL: "http://localhost:9000"},
		Tasks:   []store.Task{{ID: "odd", CodeHash: "1", InputSchema: []byte(`{"fields":7}`)}},
	}); err != nil {
		t.Fatal(err)
	}
	const want = `{"field":"_schema","message":"Invalid input schema","code":"invalid_schema"}`
	for path, body := range map[string]string{
		"/api/tasks/odd/validate-input": `{"input":{}}`, "/api/queue/task": `{"taskId":"odd"}`, "/api/pipelines/odd/trigger": `{}`,
	} {
		if w := b.do("POST", path, body); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
}
