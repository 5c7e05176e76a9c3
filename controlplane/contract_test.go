package controlplane

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/store"
)

// contractRow is one sentence of the contract: a request, and what the answer
// must and must not hold. Names begin with the section they are from.
type contractRow struct {
	name         string
	method, path string
	body         string
	header       []string
	status       int
	want, not    []string
}

func (b *bench) hold(rows []contractRow) {
	b.t.Helper()
	for _, row := range rows {
		w := b.do(row.method, row.path, row.body, row.header...)
		body := w.Body.String()
		if w.Code != row.status {
			b.t.Errorf("%s: got %d %.400s, want %d", row.name, w.Code, body, row.status)
			continue
		}
		for _, text := range row.want {
			if !strings.Contains(body, text) {
				b.t.Errorf("%s: %q is missing in %.600s", row.name, text, body)
			}
		}
		for _, text := range row.not {
			if strings.Contains(body, text) {
				b.t.Errorf("%s: %q must not be in %.600s", row.name, text, body)
			}
		}
		if w.Code >= 400 {
			for _, member := range []string{`"error":"`, `"code":"`, `"requestId":"req_`} {
				if !strings.Contains(body, member) {
					b.t.Errorf("%s: %s is missing in %.300s", row.name, member, body)
				}
			}
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
			b.t.Errorf("%s: there are no CORS headers, but %q", row.name, got)
		}
	}
}

// TestContract_conventions: paths, bodies and errors are the same everywhere.
func TestContract_conventions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	b.hold([]contractRow{
		{"0.4 repeated slashes", "GET", "//api///services", "", nil, 200, []string{`"services":[`}, nil},
		{"0.4 base URL with a slash", "POST", "//api/register", pdf, nil, 200, []string{`"success":true`}, nil},
		{"0.4 trailing slash", "GET", "/api/services/pdf/", "", nil, 200, []string{`"id":"pdf"`}, nil},
		{"0.4 two trailing slashes", "GET", "/api/services//", "", nil, 200, []string{`"services":[`}, nil},
		{"0.4 health in capitals", "GET", "/HEALTH", "", nil, 200, []string{`"status":"ok"`}, nil},
		{"0.4 words in capitals", "POST", "/API/PIPELINES/pdf/DRY-RUN", "", nil, 200, []string{`"valid":true`}, nil},
		{"0.4 an id keeps its case", "GET", "/API/PIPELINES/PDF", "", nil, 404, []string{`"pipelineId":"PDF"`}, nil},
		{"0.4 a form type", "POST", "/api/queue/task", `{"taskId":"text","input":{"a":1}}`, form, 200, []string{`"status":"queued"`}, nil},
		{"0.4 no type", "POST", "/api/queue/task", ` {"taskId":"text"}`, []string{"Content-Type", ""}, 200, []string{`"status":"queued"`}, nil},
		{"0.4 text type", "POST", "/api/heartbeat", `{"runId":"x"}`, []string{"Content-Type", "text/plain"}, 200, []string{`"acknowledged":false`}, nil},
		{"0.4 no body", "POST", "/api/pipelines/pdf/trigger", "", nil, 200, []string{`"status":"running"`}, nil},
		{"0.4 null body", "POST", "/api/pipelines/pdf/trigger", "null", nil, 200, []string{`"status":"running"`}, nil},
		{"0.4 unknown members", "POST", "/api/progress", `{"runId":"x","more":{"deep":[1]}}`, nil, 200, []string{`"acknowledged":false`}, nil},
		{"0.4 null is absent", "POST", "/api/callback/trun_none", `{"status":"failed","error":null,"errorCode":null,"attempt":null,"assets":null,"selectedNext":null}`, nil, 404, nil, nil},
		{"0.4 null for what is required", "POST", "/api/queue/task", `{"taskId":null}`, nil, 400, []string{`"taskId":{"_errors":["Required"]}`}, nil},
		{"0.5 no route", "GET", "/api/nothing", "", nil, 404, []string{`"error":"Not found"`}, nil},
		{"0.5 no method", "PATCH", "/api/pipelines/pdf", "{}", nil, 404, []string{`"error":"Not found"`}, nil},
		{"0.5 preflight", "OPTIONS", "/api/runs", "", nil, 404, []string{`"error":"Not found"`}, nil},
		{"0.5 not JSON", "POST", "/api/queue/task", `taskId=text`, form, 400, []string{`"error":"Invalid request"`, `"message":"the body is not JSON`}, nil},
		{"0.5 cut off", "POST", "/api/callback/trun_x", `{"status":"success"`, nil, 400, []string{`"error":"Invalid request"`, `line 1, byte`}, nil},
		{"0.5 two values", "POST", "/api/heartbeat", `{"runId":"x"}{"runId":"y"}`, nil, 400, []string{`"error":"Invalid request"`}, nil},
		{"0.5 validation tree", "POST", "/api/progress", `{"progress":-1}`, nil, 400, []string{`"runId":{"_errors":["Required"]}`, `"progress":{"_errors":["Number must be greater than or equal to 0"]}`}, nil},
		{"0.5 wrong type", "POST", "/api/heartbeat", `{"runId":7}`, nil, 400, []string{`"runId":{"_errors":["Expected string, received number"]}`}, nil},
		{"0.5 root is no object", "POST", "/api/heartbeat", `[1]`, nil, 400, []string{`"_errors":["Expected object, received array"]`}, nil},
		{"0.5 secrets of the cause stay here", "GET", "/api/storage/runs%2F..%2F..%2Fetc%2Fpasswd", "", nil, 400, []string{`"error":"Invalid storage path"`}, []string{"open /"}},
	})
	for _, path := range []string{"/api/register", "/api/queue/task", "/api/queue/batch", "/api/heartbeat", "/api/progress", "/api/callback/trun_x", "/api/pipelines/pdf/trigger", "/api/pipelines/pdf/dry-run"} {
		big := `{"a":"` + strings.Repeat("x", 10<<20) + `"}`
		b.hold([]contractRow{{"0.5 body too large " + path, "POST", path, big, nil, 413, []string{`"error":"Payload too large"`}, nil}})
	}
}

// Whatever case the fixed words of a path have, it leads to its route; a route
// added later too.
func TestContract_wordsInAnyCase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	wildcard := regexp.MustCompile(`\{\w+(\.\.\.)?\}`)
	for _, r := range b.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if strings.HasPrefix(path, "/api/v1/") || strings.HasSuffix(path, "/stream") || path == "/metrics" {
			continue
		}
		shouted := wildcard.ReplaceAllString(strings.ToUpper(wildcard.ReplaceAllString(path, "\x00")), "")
		shouted = strings.ReplaceAll(shouted, "\x00", "Some-Id")
		w := b.do(method, shouted, "")
		if strings.Contains(w.Body.String(), `"error":"Not found"`) {
			t.Errorf("%s %s leads nowhere", method, shouted)
		}
		if strings.Contains(path, "{id}") && w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "some-id") {
			t.Errorf("%s %s lost the case of its id: %s", method, shouted, w.Body)
		}
	}
}

// TestContract_hostile: what nobody sends by accident (sections 0.3 and E12).
func TestContract_hostile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	rows := []contractRow{
		{"E12 multipart for JSON", "POST", "/api/queue/task", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/etc/passwd\"\r\n\r\n{}\r\n--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 400, []string{`"error":"Invalid request"`}, nil},
		{"E12 prototype", "POST", "/api/queue/task", `{"taskId":"text","__proto__":{"taskId":"none"},"constructor":{"prototype":{}}}`, nil, 200, []string{`"taskId":"text"`}, nil},
		{"E12 a file named as path", "POST", "/api/queue/task", `{"taskId":"text","input":{"inputPath":"/etc/passwd"},"inputPath":"/etc/passwd"}`, nil, 200, []string{`"inputPath":"standalone/trun_`}, []string{"/etc"}},
		{"E12 duplicate members", "POST", "/api/queue/task", `{"taskId":"text","taskId":"none"}`, nil, 404, []string{`"taskId":"none"`}, nil},
		{"E12 a value that is a file's name", "POST", "/api/pipelines/pdf/trigger", `{"input":{"file":"/etc/passwd","path":"file:///etc/passwd"}}`, nil, 200, []string{`"inputPath":"pipelines/prun_`}, []string{"root:"}},
		{"E17 the spelling that counts is the one checked", "POST", "/api/register", `{"serviceId":"s","version":"1","tasks":[],"baseUrl":"http://h","base\u0055rl":"http://169.254.169.254/"}`, nil, 400, []string{"a cloud metadata address"}, nil},
		{"E17 another case is another name", "POST", "/api/register", `{"serviceId":"s","version":"1","tasks":[],"baseUrl":"http://169.254.169.254/","BaseURL":"http://h","base_url":"http://h"}`, nil, 400, []string{"a cloud metadata address"}, nil},
		{"E17 scheme in capitals", "POST", "/api/register", `{"serviceId":"s","version":"1","tasks":[],"baseUrl":"HTTP://169.254.169.254/"}`, nil, 400, []string{"a cloud metadata address"}, nil},
		{"E17 address with a dot at its end", "POST", "/api/register", `{"serviceId":"s","version":"1","tasks":[],"baseUrl":"http://169.254.169.254./"}`, nil, 400, []string{"a cloud metadata address"}, nil},
		{"E17 failure mode, escaped", "POST", "/api/pipelines/pdf/trigger", `{"input":{},"failureMode":"continue","failure\u004dode":"sideways"}`, nil, 400, []string{`received 'sideways'`}, nil},
		{"E17 status by either name", "GET", "/api/queue/items?status=queued&status=completed", "", nil, 200, []string{`"items":[`}, nil},
		{"E12 nesting", "POST", "/api/queue/task", `{"taskId":"text","input":` + deep + `}`, nil, 400, []string{`"error":"Invalid request"`, `nested more than 500 levels deep`}, nil},
		{"E12 nesting of a bare input", "POST", "/api/pipelines/pdf/trigger", deep, nil, 400, []string{`nested more than 500 levels deep`}, nil},
		{"E12 brackets in a text", "POST", "/api/queue/task", `{"taskId":"text","input":"\\\"` + strings.Repeat("[{", 2000) + `"}`, nil, 200, []string{`"status":"queued"`}, nil},
		{"E12 many values, flat", "POST", "/api/queue/task", `{"taskId":"text","input":[` + strings.Repeat("[],", 2000) + `{}]}`, nil, 200, []string{`"status":"queued"`}, nil},
		{"E12 nesting of metadata", "POST", "/api/queue/task", `{"taskId":"text","metadata":{"a":` + deep + `}}`, nil, 400, []string{`"error":"Invalid request"`}, nil},
		{"0.3 huge number", "POST", "/api/callback/trun_x", `{"status":"success","outputSize":1e999}`, nil, 400, []string{`"outputSize":{"_errors":["Number is out of range"]}`}, nil},
		{"0.3 huge attempt", "POST", "/api/heartbeat", `{"runId":"x","attempt":12345678901234567890}`, nil, 400, []string{`"attempt":{"_errors":["Number is out of range"]}`}, nil},
		{"0.3 NUL in a text", "POST", "/api/heartbeat", `{"runId":"a\u0000b"}`, nil, 400, []string{`must not contain NUL`}, nil},
		{"0.3 id in the path with NUL", "GET", "/api/runs/a%00b", "", nil, 404, []string{`"error":"Run not found"`}, nil},
		{"0.3 id in the path that is no text", "GET", "/api/runs/%ff%fe", "", nil, 404, []string{`"error":"Run not found"`}, nil},
		{"0.3 long id", "GET", "/api/task-runs/" + strings.Repeat("x", 5000), "", nil, 404, []string{`"error":"Task run not found"`}, nil},
		{"0.3 dots", "GET", "/api/runs/..", "", nil, 404, []string{`"error":"Not found"`}, nil},
		{"0.3 markup in an id", "GET", "/api/services/%3Cscript%3E", "", nil, 404, []string{`"serviceId":"\u003cscript\u003e"`}, nil},
		{"0.3 quotes in a filter", "GET", "/api/runs?pipelineId=%27%3B+drop+table+runs", "", nil, 200, []string{`"total":0`}, nil},
		{"0.3 NUL in a filter", "GET", "/api/queue/items?taskId=%00", "", nil, 200, []string{`"total":0`}, nil},
		{"0.3 no text in a filter", "GET", "/api/runs?status=%ff", "", nil, 200, []string{`"total":0`}, nil},
	}
	for _, id := range []string{"a/b", "a b", "ä", "", ".", "..", "a%2Fb", "a?b", "a#b", strings.Repeat("x", 256)} {
		rows = append(rows, contractRow{
			"0.3 task id " + id, "POST", "/api/register", fmt.Sprintf(`{"serviceId":"s","version":"1","baseUrl":"http://h","tasks":[{"id":%q,"codeHash":"1"}]}`, id), nil, 400,
			[]string{`"0":{"_errors":[],"id":{"_errors":["`}, nil,
		})
	}
	b.hold(rows)
}

// TestContract_endpoints: section 1, endpoint by endpoint.
func TestContract_endpoints(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.hold([]contractRow{
		{"1.1 health", "GET", "/health", "", nil, 200, []string{`"status":"ok"`, `"database":"connected"`, `"maintenance":{`, `"timestamp":"`, `"canAcceptTasks":true`, `"maintenanceMode":"running"`}, nil},
		{"1.2 info", "GET", "/api/info", "", nil, 200, []string{`"version":`, `"mode":"standalone"`, `"maxConcurrency":10`, `"pollIntervalMs":1000`, `"storageBackends":["local"]`, `"defaultStorageBackend":"local"`, `"uptime":`, `"timestamp":`}, []string{"password", "basePath"}},
		{"1.3 no services yet", "GET", "/api/services", "", nil, 200, []string{`{"services":[]}`}, nil},
		{"1.4 no pipelines yet", "GET", "/api/pipelines", "", nil, 200, []string{`{"pipelines":[]}`}, nil},
		{"1.5.3 an empty queue", "GET", "/api/queue/status", "", nil, 200, []string{`{"pending":0,"running":0,"waiting":0,"completed":0,"failed":0,"dlq":0,"oldestPending":null}`}, nil},
		{"1.5.4 no items yet", "GET", "/api/queue/items", "", nil, 200, []string{`{"items":[],"total":0,"limit":100,"offset":0}`}, nil},
		{"1.9 no runs yet", "GET", "/api/runs", "", nil, 200, []string{`{"runs":[],"total":0,"limit":100,"offset":0}`}, nil},
		{"1.6 a tick with nothing to do", "POST", "/api/tick", "", nil, 200, []string{`"status":"ok","processed":0,"timestamp":"`}, nil},
		{"1.6 its older name", "POST", "/api/process", "", nil, 200, []string{`"status":"ok","processed":0`}, nil},
		{"1.10 no dead letters yet", "GET", "/api/dlq", "", nil, 200, []string{`"items":[]`, `"total":0`}, nil},
		{"1.10 unknown", "GET", "/api/dlq/dlq_none", "", nil, 404, []string{`"error":"DLQ item not found"`, `"dlqId":"dlq_none"`}, nil},
		{"1.10 retry unknown", "POST", "/api/dlq/dlq_none/retry", "", nil, 404, []string{`"error":"DLQ item not found"`, `"dlqId":"dlq_none"`}, nil},
		{"1.10 retry all of none", "POST", "/api/dlq/retry-all", `{"pipelineId":"pdf"}`, nil, 200, []string{`"retried":0`, `"results":[]`, `"failed":[]`}, nil},
		{"1.10 purge", "POST", "/api/dlq/purge", `{"olderThan":"7d"}`, nil, 200, []string{`"purged":0`, `"olderThan":"20`}, nil},
		{"1.10 purge by days", "POST", "/api/dlq/purge", `{"olderThanDays":7}`, nil, 200, []string{`"purged":0`}, nil},
		{"1.10 purge by nonsense", "POST", "/api/dlq/purge", `{"olderThan":"soon"}`, nil, 400, []string{`"error":"Invalid request"`}, nil},

		{"1.3.1 only what must be there", "POST", "/api/register", `{"serviceId":"svc","version":"1","baseUrl":"http://localhost:1","tasks":[{"id":"one","codeHash":"h1","inputSchema":{"fields":[]}}]}`, nil, 200, []string{`{"success":true,"codeChanges":[]}`}, []string{"orphanedTasks"}},
		{"1.3.1 no tasks", "POST", "/api/register", `{"serviceId":"none","version":"1","baseUrl":"http://localhost:1","tasks":[]}`, nil, 200, []string{`"success":true`}, nil},
		{"1.3.1 again, changed", "POST", "/api/register", `{"serviceId":"svc","version":"2","baseUrl":"http://localhost:1","tasks":[{"id":"two","codeHash":"x"},{"id":"one","codeHash":"h2","inputSchema":{"fields":[{"name":"a","type":"string","label":"A","required":true}]}}]}`, nil, 200, []string{`"codeChanges":[{"taskId":"one","oldHash":"h1","newHash":"h2","oldVersion":1,"newVersion":2}]`}, nil},
		{"1.3.1 a task is gone", "POST", "/api/register", `{"serviceId":"svc","version":"3","baseUrl":"http://localhost:1","tasks":[{"id":"one","codeHash":"h2"}]}`, nil, 200, []string{`"orphanedTasks":["two"]`}, nil},
		{"1.3.1 and gone once", "POST", "/api/register", `{"serviceId":"svc","version":"4","baseUrl":"http://localhost:1","tasks":[{"id":"one","codeHash":"h2","inputSchema":{"fields":[{"name":"a","type":"string","label":"A","required":true}]}}]}`, nil, 200, []string{`{"success":true,"codeChanges":[]}`}, nil},
		{"1.3.1 no tasks member", "POST", "/api/register", `{"serviceId":"svc","version":"1","baseUrl":"http://localhost:1"}`, nil, 400, []string{`"tasks":{"_errors":["Required"]}`}, nil},
		{"1.3.1 empty id", "POST", "/api/register", `{"serviceId":"","version":"1","baseUrl":"http://localhost:1","tasks":[]}`, nil, 400, []string{`"serviceId":{"_errors":[`}, nil},
		{"1.3.2 services", "GET", "/api/services", "", nil, 200, []string{`"id":"svc","version":"4","baseUrl":"http://localhost:1","status":"active","registeredAt":"`, `"lastHeartbeat":`, `"taskCount":1`, `"metadata":{`}, nil},
		{"1.3.3 a service", "GET", "/api/services/svc", "", nil, 200, []string{`{"service":{"id":"svc"`, `"tasks":[{"id":"one","serviceId":"svc","codeHash":"h2","codeVersion":2`}, nil},
		{"1.3.4 unknown", "GET", "/api/services/nope/tasks", "", nil, 404, []string{`"error":"Service not found"`, `"serviceId":"nope"`}, nil},

		{"1.4.1 rows are snake case", "GET", "/api/pipelines", "", nil, 200, []string{`"entry_tasks":["one"]`, `"structure":{"one":{"allowedNext":[]}}`, `"failure_mode":"fail-fast"`, `"created_at":"20`, `"updated_at":"20`, `"source":"service"`}, []string{"entryTaskIds"}},
		{"1.4.2 unknown", "GET", "/api/pipelines/nope", "", nil, 404, []string{`"error":"Pipeline not found"`, `"pipelineId":"nope"`}, nil},
		{"1.4.3 by entry task", "POST", "/api/pipelines/one/trigger", `{"a":"x"}`, nil, 200, []string{`"pipelineRunId":"prun_`, `"status":"running"`, `"inputPath":"`, `"entryTasks":["one"]`, `"queuedTasks":["trun_`}, []string{"validationWarnings"}},
		{"1.4.3 unknown", "POST", "/api/pipelines/nope/trigger", `{}`, nil, 404, []string{`"error":"Pipeline not found"`, `"pipelineId":"nope"`}, nil},
		{"1.4.3 a mode that is none", "POST", "/api/pipelines/one/trigger", `{"input":{},"validationMode":"off"}`, nil, 400, []string{`"validationMode":{"_errors":["Invalid enum value. Expected 'strict' | 'warn' | 'none', received 'off'"]}`}, nil},
		{"1.4.4 dry run", "POST", "/api/pipelines/svc/dry-run", "", nil, 200, []string{`"valid":true`, `"errors":[]`, `"warnings":[`, `"executionPlan":[{"step":0,"tasks":["one"],"type":"entry"`}, nil},
		{"1.4.4 unknown", "POST", "/api/pipelines/nope/dry-run", "", nil, 404, []string{`"error":"Pipeline not found"`}, nil},
		{"1.4.5 define", "PUT", "/api/pipelines/mine", `{"name":"Mine","entryTasks":["one"],"metadata":{"team":"a"}}`, nil, 200, []string{`"pipeline":{"id":"mine","name":"Mine"`, `"validation":{"valid":true,"errors":[],"warnings":[`, `"source":"api"`}, nil},
		{"1.4.5 define without entries", "PUT", "/api/pipelines/mine", `{"entryTasks":[]}`, nil, 400, nil, nil},
		{"1.4.5 delete what is derived", "DELETE", "/api/pipelines/svc", "", nil, 409, []string{`"pipelineId":"svc"`}, nil},
		{"1.4.5 delete", "DELETE", "/api/pipelines/mine", "", nil, 200, []string{`"success":true`}, nil},
		{"1.4.5 delete again", "DELETE", "/api/pipelines/mine", "", nil, 404, []string{`"error":"Pipeline not found"`}, nil},

		{"1.5.1 queue a task", "POST", "/api/queue/task", `{"taskId":"one","priority":3,"metadata":{"a":1},"scheduledFor":"2099-01-01T00:00:00Z"}`, nil, 200, []string{`"runId":"trun_`, `"status":"queued"`, `"taskId":"one"`, `"inputPath":"standalone/trun_`, `/input.json"`}, nil},
		{"1.5.1 unknown", "POST", "/api/queue/task", `{"taskId":"nope"}`, nil, 404, []string{`"error":"Task not found"`, `"taskId":"nope"`}, nil},
		{"1.5.1 gone", "POST", "/api/queue/task", `{"taskId":"two"}`, nil, 404, []string{`"error":"Task not found"`}, nil},
		{"1.5.2 queue several", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"one"},{"taskId":"one","input":2}]}`, nil, 200, []string{`"queued":2`, `"results":[{"runId":"trun_`}, nil},
		{"1.5.2 all or none", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"one"},{"taskId":"nope"}]}`, nil, 404, []string{`"taskId":"nope"`}, nil},
		{"1.5.3 counted", "GET", "/api/queue/status", "", nil, 200, []string{`"pending":4`, `"oldestPending":"20`}, nil},
		{"1.5.4 filtered, with aliases", "GET", "/api/queue/items?status=queued&taskId=one&limit=2&offset=1", "", nil, 200, []string{`"total":4`, `"limit":2`, `"offset":1`, `"status":"pending"`}, nil},
		{"1.5.4 limit", "GET", "/api/queue/items?limit=1001", "", nil, 400, []string{`"limit":{"_errors":["Number must be less than or equal to 1000"]}`}, nil},

		{"1.7.1 unknown run", "POST", "/api/heartbeat", `{"runId":"trun_none"}`, nil, 200, []string{`{"acknowledged":false,"shouldCancel":true}`}, nil},
		{"1.7.1 progress of an unknown run", "POST", "/api/progress", `{"runId":"trun_none","progress":0.5,"message":"m"}`, nil, 200, []string{`{"acknowledged":false,"shouldCancel":true}`}, nil},
		{"1.7.1 percent", "POST", "/api/progress", `{"runId":"x","progress":100.1}`, nil, 400, []string{`Number must be less than or equal to 100`}, nil},
		{"1.7.2 unknown run", "POST", "/api/callback/trun_none", `{"status":"success"}`, nil, 404, []string{`"error":"Task run not found"`}, nil},
		{"1.7.2 unknown run fails", "POST", "/api/callback/trun_none", `{"status":"failed","error":"x"}`, nil, 404, []string{`"error":"Task run not found"`}, nil},
		{"1.7.2 no status", "POST", "/api/callback/trun_none", `{}`, nil, 400, []string{`"status":{"_errors":["Required"]}`}, nil},

		{"1.8 history is a bare array", "GET", "/api/tasks/one/history", "", nil, 200, []string{`[{"code_version":2,"code_hash":"h2","service_version":"2","recorded_at":"20`, `{"code_version":1,"code_hash":"h1","service_version":"1"`}, []string{`{"history"`}},
		{"1.8 input schema", "GET", "/api/tasks/one/input-schema", "", nil, 200, []string{`"taskId":"one","hasSchema":true,"schema":{"fields":[{"name":"a"`}, nil},
		{"1.8 schema of an unknown task", "GET", "/api/tasks/nope/input-schema", "", nil, 404, []string{`"error":"Task not found"`}, nil},
		{"1.8 validate", "POST", "/api/tasks/one/validate-input", `{"input":{"a":1}}`, nil, 200, []string{`"valid":false`, `"errors":[{"field":"a","message":"`, `"code":"`}, nil},
		{"1.8 valid", "POST", "/api/tasks/one/validate-input", `{"input":{"a":"x"}}`, nil, 200, []string{`{"valid":true,"errors":[]}`}, nil},
		{"1.8 no input", "POST", "/api/tasks/one/validate-input", `{}`, nil, 400, []string{`"error":"Input is required"`}, nil},
		{"1.8 validate for an unknown task", "POST", "/api/tasks/nope/validate-input", `{"input":{}}`, nil, 404, []string{`"error":"Task not found"`}, nil},
		{"1.4.3 strict", "POST", "/api/pipelines/one/trigger", `{"input":{},"validationMode":"strict"}`, nil, 400, []string{`"error":"Input validation failed"`, `"validationErrors":{"one":[{"field":"a"`}, nil},
		{"1.4.3 unchecked", "POST", "/api/pipelines/one/trigger", `{"input":{},"validationMode":"none","scheduledFor":"2099-01-01T00:00:00Z"}`, nil, 200, nil, []string{"validationWarnings"}},
		{"1.8 unknown", "GET", "/api/tasks/nope/history", "", nil, 404, []string{`"error":"Task not found"`}, nil},

		{"1.9 runs, newest first", "GET", "/api/runs?pipelineId=one&status=running&from=2020-01-01&to=2099-01-01T00:00:00Z", "", nil, 200, []string{`"total":1`, `"pipelineId":"one"`, `"structureSnapshot":{"one":`, `"createdAt":"20`}, []string{"snake_case", "created_at"}},
		{"1.9 status alias", "GET", "/api/runs?status=success", "", nil, 200, []string{`"total":0`}, nil},
		{"1.9 unknown run", "GET", "/api/runs/nope", "", nil, 404, []string{`"error":"Run not found"`, `"runId":"nope"`}, nil},
		{"1.9 unknown task run", "GET", "/api/task-runs/nope", "", nil, 404, []string{`"error":"Task run not found"`, `"taskRunId":"nope"`}, nil},

		{"1.11 backends", "GET", "/api/storage/backends", "", nil, 200, []string{`{"backends":[{"id":"local","provider":"local","endpoint":"file://","bucket":"data","isDefault":true}],"default":"local"}`}, []string{"password"}},
		{"1.11 no path", "GET", "/api/storage/", "", nil, 400, []string{`"error":"Missing storage path"`}, nil},
		{"1.11 missing", "GET", "/api/storage/no/such.json", "", nil, 404, []string{`"error":"File not found"`, `"path":"no/such.json"`}, nil},
		{"1.11 out of the bucket", "GET", "/api/storage/%2e%2e/%2e%2e/etc/passwd", "", nil, 400, []string{`"error":"Invalid storage path"`}, nil},
		{"1.11 absolute", "GET", "/api/storage/%2Fetc%2Fpasswd", "", nil, 400, []string{`"error":"Invalid storage path"`}, nil},
		{"1.11 NUL", "GET", "/api/storage/a%00b", "", nil, 400, []string{`"error":"Invalid storage path"`}, nil},
	})
}

// TestContract_maintenance: sections 1.13 and 6.5, with what is refused
// meanwhile and what is not.
func TestContract_maintenance(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	var run api.TriggerResponse
	b.post("/api/pipelines/pdf/trigger", `{}`, &run)
	const busy = `"error":"Orchestrator is in maintenance mode"`
	b.post("/api/maintenance/request", "", nil)
	refused := func(mode string) []contractRow {
		var rows []contractRow
		for _, r := range [][2]string{
			{"/api/pipelines/pdf/trigger", `{}`}, {"/api/pipelines/none/trigger", `{}`}, {"/api/queue/task", `{"taskId":"text"}`},
			{"/api/queue/batch", `{"tasks":[{"taskId":"text"}]}`}, {"/api/dlq/dlq_none/retry", ``}, {"/api/dlq/retry-all", `{}`},
			{"/api/runs/" + run.PipelineRunID + "/replay", `{}`},
		} {
			rows = append(rows, contractRow{"1.13 refused while " + mode + ": " + r[0], "POST", r[0], r[1], nil, 503, []string{busy, `"code":"maintenance"`}, nil})
		}
		return append(rows,
			contractRow{"1.13 register while " + mode, "POST", "/api/register", pdf, nil, 200, nil, nil},
			contractRow{"1.13 heartbeat while " + mode, "POST", "/api/heartbeat", `{"runId":"x"}`, nil, 200, nil, nil},
			contractRow{"1.13 callback while " + mode, "POST", "/api/callback/" + run.QueuedTasks[0], `{"status":"success"}`, nil, 200, nil, nil},
			contractRow{"1.13 dry run while " + mode, "POST", "/api/pipelines/pdf/dry-run", ``, nil, 200, nil, nil},
			contractRow{"1.13 reads while " + mode, "GET", "/api/runs", ``, nil, 200, nil, nil})
	}
	b.hold(append([]contractRow{
		{"6.5 status", "GET", "/api/maintenance", "", nil, 200, []string{`"mode":"waiting_for_maintenance"`, `"canEnterMaintenance":false`, `"pendingTasks":1`, `"runningTasks":0`, `"modeChangedAt":"20`, `"message":"Waiting for 1 tasks to complete"`}, nil},
		{"6.5 enter too early", "POST", "/api/maintenance/enter", "", nil, 200, []string{`"mode":"waiting_for_maintenance"`, `"message":"Cannot enter maintenance: 1 tasks still active"`}, nil},
	}, refused("waiting")...))
	b.post("/api/runs/"+run.PipelineRunID+"/cancel", "", nil)
	b.hold(append([]contractRow{
		{"6.5 nothing is left: looking enters", "GET", "/api/maintenance", "", nil, 200, []string{`"mode":"maintenance"`, `"message":"Maintenance mode active - no new tasks accepted"`}, nil},
		{"1.6 a tick in maintenance", "POST", "/api/tick", "", nil, 200, []string{`"processed":0`}, nil},
		{"6.5 request again", "POST", "/api/maintenance/request", "", nil, 200, []string{`"message":"Already in maintenance mode"`}, nil},
	}, refused(string(store.ModeMaintenance))...))
	b.hold([]contractRow{
		{"6.5 exit", "POST", "/api/maintenance/exit", "", nil, 200, []string{`"mode":"running"`, `"message":"Orchestrator is running normally"`}, nil},
		{"6.5 exit again", "POST", "/api/maintenance/exit", "", nil, 200, []string{`"mode":"running"`}, nil},
		{"6.5 enter from running", "POST", "/api/maintenance/enter", "", nil, 409, []string{"Cannot enter maintenance directly from running mode. Call requestMaintenance() first."}, nil},
		{"1.13 accepted again", "POST", "/api/pipelines/pdf/trigger", `{}`, nil, 200, nil, nil},
	})
}
