package controlplane

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/pipeline"
	"pipedai/store"
)

// TestRoutes walks through the routes in the order a user meets them. Every
// route of the table must be in it.
func TestRoutes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	worker := []string{"Authorization", "Bearer " + host.WorkerToken}
	hostToken := []string{"Authorization", "Bearer " + host.OperatorToken}
	admin := bearer(b.admin)
	ws := "/api/v1/workspaces/" + host.WorkspaceID + "/workers"

	b.post("/api/register", pdf, nil)
	var run api.TriggerResponse
	b.post("/api/pipelines/pdf/trigger", `{"pdfUrl":"file:///x.pdf"}`, &run)
	if _, err := b.bucket.Put(t.Context(), "runs/x/blob.bin", strings.NewReader("\x00\xff<html>"), -1, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.bucket.Put(t.Context(), "runs/x/page.html", strings.NewReader("<script>"), -1, "text/html"); err != nil {
		t.Fatal(err)
	}
	entry := run.QueuedTasks[0]

	tests := []struct {
		name         string
		method, path string
		body         string
		header       []string
		status       int
		want, not    []string
	}{
		{"health", "GET", "/health", "", nil, 200, []string{`"status":"ok"`, `"database":"connected"`, `"canAcceptTasks":true`, `"message":"Orchestrator is running normally"`}, nil},
		{"health, head", "HEAD", "/health", "", nil, 200, nil, nil},
		{"info", "GET", "/api/info", "", nil, 200, []string{`"storageBackends":["local"]`, `"defaultStorageBackend":"local"`, `"version":"1.2.3"`, `"pollIntervalMs":1000`}, []string{"bucket-password"}},
		{"description", "GET", "/api/openapi.json", "", nil, 200, []string{`"openapi":"3.1.0"`, `"/api/runs/{id}":`, `"version":"1.2.3"`}, nil},
		{"metrics", "GET", "/metrics", "", nil, 200, []string{"pipeweave_http_requests_total", `pipeweave_task_runs{state="pending"} 1`, "pipeweave_claims_total 0", `pipeweave_completions_total{status="completed"} 0`, `pipeweave_store_seconds_count{step="start"} 1`}, nil},
		{"register again", "POST", "/api/register", strings.Replace(pdf, `"t1"`, `"t2"`, 1), nil, 200, []string{`"success":true`, `{"taskId":"text","oldHash":"t1","newHash":"t2","oldVersion":1,"newVersion":2}`}, []string{"orphanedTasks"}},
		{"services", "GET", "/api/services", "", nil, 200, []string{`"id":"pdf"`, `"baseUrl":"http://localhost:8080"`, `"taskCount":4`, `"status":"active"`}, nil},
		{"service", "GET", "/api/services/pdf", "", nil, 200, []string{`"service":{`, `"tasks":[`}, nil},
		{"service, unknown", "GET", "/api/services/none", "", nil, 404, []string{`"error":"Service not found"`, `"serviceId":"none"`, `"requestId":"req_`}, nil},
		{"service tasks, defaults", "GET", "/api/services/pdf/tasks", "", nil, 200, []string{`"id":"download","serviceId":"pdf","codeHash":"d1","codeVersion":1,"allowedNext":["text","tables"],"timeout":300,"retries":3,"retryBackoff":"exponential","retryDelayMs":1000,"maxRetryDelayMs":86400000,"heartbeatIntervalMs":60000,"concurrency":0,"priority":100,"idempotencyTTL":86400`}, nil},
		{"service tasks, unknown", "GET", "/api/services/none/tasks", "", nil, 404, []string{`"error":"Service not found"`}, nil},
		{"history", "GET", "/api/tasks/text/history", "", nil, 200, []string{`[{"code_version":2,"code_hash":"t2","service_version":"1.0.0"`}, nil},
		{"history, unknown", "GET", "/api/tasks/none/history", "", nil, 404, []string{`"error":"Task not found"`}, nil},
		{"input schema", "GET", "/api/tasks/text/input-schema", "", nil, 200, []string{`{"taskId":"text","hasSchema":false,"schema":null}`}, nil},
		{"validate input", "POST", "/api/tasks/text/validate-input", `{"input":{"a":1}}`, nil, 200, []string{`{"valid":true,"errors":[]}`}, nil},
		{"pipelines", "GET", "/api/pipelines", "", nil, 200, []string{`"entry_tasks":["download"]`, `"failure_mode":"fail-fast"`, `"structure":{`, `"source":"service"`}, nil},
		{"pipeline", "GET", "/api/pipelines/pdf", "", nil, 200, []string{`{"pipeline":{"id":"pdf"`}, nil},
		{"pipeline, by entry task", "GET", "/api/pipelines/download", "", nil, 200, []string{`"source":"task"`}, nil},
		{"pipeline, unknown", "GET", "/api/pipelines/none", "", nil, 404, []string{`"error":"Pipeline not found"`, `"pipelineId":"none"`}, nil},
		{"dry run", "POST", "/api/pipelines/pdf/dry-run", "", nil, 200, []string{`"valid":true`, `{"step":0,"tasks":["download"],"type":"entry","isEnd":false}`, `"waitsFor":["tables","text"]`}, nil},
		{"dry run, unknown", "POST", "/api/pipelines/none/dry-run", "{}", nil, 404, []string{`"error":"Pipeline not found"`}, nil},
		{"put pipeline", "PUT", "/api/pipelines/mine", `{"name":"Mine","entryTasks":["text"],"failureMode":"continue","metadata":{"team":"x"}}`, nil, 200, []string{`{"pipeline":{"id":"mine","name":"Mine"`, `"version":"1.0.0"`, `"source":"api"`, `"team":"x"`, `"structure":{`, `"validation":{"valid":true,"errors":[],"warnings":[`}, nil},
		{"put pipeline, only tried", "PUT", "/api/pipelines/tried?dryRun=1", `{"entryTasks":["none"]}`, nil, 200, []string{`"valid":false,"errors":["Tasks not found: none"]`}, nil},
		{"the tried one is not there", "GET", "/api/pipelines/tried", "", nil, 404, nil, nil},
		{"put pipeline, unknown tasks", "PUT", "/api/pipelines/bad", `{"entryTasks":["none"]}`, nil, 400, []string{`"error":"Pipeline validation failed: Tasks not found: none"`, `"code":"invalid_pipeline"`, `"errors":["Tasks not found: none"]`}, nil},
		{"put pipeline, no entries", "PUT", "/api/pipelines/bad", `{}`, nil, 400, []string{`At least one entry task is required`}, nil},
		{"put pipeline, wrong members", "PUT", "/api/pipelines/bad", `{"entryTasks":["text","text","a/b"],"failureMode":"x","metadata":[]}`, nil, 400, []string{`"failureMode":{"_errors":["Invalid enum value.`}, nil},
		{"put pipeline, wrong id", "PUT", "/api/pipelines/a%2Fb", `{"entryTasks":["text","text"],"metadata":[]}`, nil, 400, []string{`"id":{"_errors":["Must be 1 to 255`, `"1":{"_errors":["Task 'text' is given twice"]}`, `"metadata":{"_errors":["Expected object, received array"]}`}, nil},
		{"delete pipeline", "DELETE", "/api/pipelines/mine", "", nil, 200, []string{`{"success":true,"pipelineId":"mine"}`}, nil},
		{"delete pipeline again", "DELETE", "/api/pipelines/mine", "", nil, 404, []string{`"error":"Pipeline not found"`, `"pipelineId":"mine"`}, nil},
		{"delete pipeline, derived", "DELETE", "/api/pipelines/pdf", "", nil, 409, []string{`"error":"Pipeline is derived from registered tasks"`}, nil},
		{"trigger, envelope", "POST", "/api/pipelines/pdf/trigger", `{"input":{"a":1},"priority":5,"failureMode":"continue","metadata":{"by":"me"}}`, nil, 200, []string{`"status":"running"`, `"entryTasks":["download"]`, `"queuedTasks":["trun_`, `"inputPath":"pipelines/prun_`}, []string{"validationWarnings"}},
		{"trigger, curl's form type", "POST", "/api/pipelines/pdf/trigger", `{"pdfUrl":"x"}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, []string{`"status":"running"`}, nil},
		{"runs", "GET", "/api/runs?pipelineId=pdf&limit=1", "", nil, 200, []string{`"total":3`, `"limit":1`, `"offset":0`, `"failureMode":"fail-fast"`}, nil},
		{"recent runs", "GET", "/api/recent-runs?limit=5", "", nil, 200, []string{`"limit":5`, `"pipelines":{"pdf":[{"id":"prun_`}, []string{"structure"}},
		{"run counts", "GET", "/api/run-counts?hours=1", "", nil, 200, []string{`"stepMs":120000`, `"pipelines":[{"pipelineId":"pdf","runs":{`}, nil},
		{"run counts, too far", "GET", "/api/run-counts?hours=169", "", nil, 400, []string{`"hours"`}, nil},
		{"recent runs, too many", "GET", "/api/recent-runs?limit=500", "", nil, 400, []string{`"limit"`}, nil},
		{"runs by text and version", "GET", "/api/runs?text=PDF&version=1.0.0", "", nil, 200, []string{`"runs":[`}, nil},
		{"runs by text, none", "GET", "/api/runs?text=no-such-thing", "", nil, 200, []string{`"runs":[],"total":0`}, nil},
		{"runs, of a state", "GET", "/api/runs?status=success", "", nil, 200, []string{`"runs":[]`, `"total":0`}, nil},
		{"run", "GET", "/api/runs/" + run.PipelineRunID, "", nil, 200, []string{`"pipelineRunId":"` + run.PipelineRunID, `"structureSnapshot":{`, `"tasks":[{"id":"` + entry, `"firstRun":true`}, nil},
		{"changes of a run", "GET", "/api/runs/" + run.PipelineRunID + "/changes?ids=" + entry + ",trun_none", "", nil, 200, []string{`"status":"running"`, `"total":1`, `"tasks":[{"id":"` + entry}, nil},
		{"changes of a run, none", "GET", "/api/runs/" + run.PipelineRunID + "/changes?after=" + entry, "", nil, 200, []string{`"total":1,"tasks":[]`}, nil},
		{"changes of a run, too many", "GET", "/api/runs/" + run.PipelineRunID + "/changes?ids=" + strings.Repeat("a,", 501), "", nil, 400, []string{`"ids"`, "at most 500"}, nil},
		{"changes of a run, unknown", "GET", "/api/runs/none/changes", "", nil, 404, []string{`"error":"Run not found"`, `"runId":"none"`}, nil},
		{"run, unknown", "GET", "/api/runs/none", "", nil, 404, []string{`"error":"Run not found"`, `"runId":"none"`}, nil},
		{"task run", "GET", "/api/task-runs/" + entry, "", nil, 200, []string{`"taskId":"download"`, `"upstreamRefs":{}`, `"previousAttempts":[]`, `"status":"pending"`}, nil},
		{"task run, by wire id", "GET", "/api/task-runs/" + entry + ".3", "", nil, 200, []string{`"taskId":"download"`}, nil},
		{"task log as a file", "GET", "/api/task-runs/" + entry + "/logs/download?format=ndjson", "", nil, 200, nil, nil},
		{"task log, none yet", "GET", "/api/task-runs/" + entry + "/logs", "", nil, 200, []string{`"items":[]`, `"end":0`}, nil},
		{"task run, unknown", "GET", "/api/task-runs/none", "", nil, 404, []string{`"error":"Task run not found"`, `"taskRunId":"none"`}, nil},
		{"queue task", "POST", "/api/queue/task", `{"taskId":"text","input":[1,2]}`, nil, 200, []string{`"status":"queued"`, `"taskId":"text"`, `"inputPath":"standalone/trun_`}, nil},
		{"queue batch", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"text","input":[1]},{"taskId":"text","priority":1}]}`, nil, 200, []string{`{"queued":2,"results":[{"runId":"trun_`, `"taskId":"text"`, `"inputPath":"standalone/trun_`}, nil},
		{"queue batch, empty", "POST", "/api/queue/batch", `{"tasks":[]}`, nil, 200, []string{`{"queued":0,"results":[]}`}, nil},
		{"queue batch, unknown", "POST", "/api/queue/batch", `{"tasks":[{"taskId":"text"},{"taskId":"none"}]}`, nil, 404, []string{`"error":"Task not found"`, `"taskId":"none"`}, nil},
		{"queue task, unknown", "POST", "/api/queue/task", `{"taskId":"none"}`, nil, 404, []string{`"error":"Task not found"`}, nil},
		{"queue status", "GET", "/api/queue/status", "", nil, 200, []string{`"pending":6`, `"dlq":0`, `"oldestPending":"20`}, nil},
		{"queue items", "GET", "/api/queue/items?taskId=text", "", nil, 200, []string{`"total":3`, `"taskId":"text"`}, []string{`"taskId":"download"`}},
		{"heartbeat, unknown", "POST", "/api/heartbeat", `{"runId":"trun_none"}`, nil, 200, []string{`"acknowledged":false`, `"shouldCancel":true`}, nil},
		{"progress, unknown", "POST", "/api/progress", `{"runId":"trun_none","progress":12.5}`, nil, 200, []string{`"acknowledged":false`}, nil},
		{"idempotency, unknown", "POST", "/api/idempotency/check", `{"runId":"trun_none","key":"k"}`, nil, 404, []string{`"error":"Task run not found"`}, nil},
		{"idempotency, not running", "POST", "/api/idempotency/check", `{"runId":"` + entry + `","key":"k"}`, nil, 409, []string{`"code":"lease_lost"`}, nil},
		{"callback, unknown", "POST", "/api/callback/trun_none", `{"status":"success"}`, nil, 404, []string{`"error":"Task run not found"`}, nil},
		{"callback, not running", "POST", "/api/callback/" + entry, `{"status":"success"}`, nil, 200, []string{`{"acknowledged":false,"ignored":true}`}, nil},
		{"storage backends", "GET", "/api/storage/backends", "", nil, 200, []string{`"backends":[{"id":"local","provider":"local"`, `"isDefault":true`, `"default":"local"`}, []string{"credentials", "bucket-password", "basePath"}},
		{"storage, json", "GET", "/api/storage/" + run.InputPath, "", nil, 200, []string{`"content":{"pdfUrl":"file:///x.pdf"}`, `"path":"` + run.InputPath}, nil},
		{"storage, json raw", "GET", "/api/storage/" + run.InputPath + "?raw=1", "", nil, 200, []string{`{"pdfUrl":"file:///x.pdf"}`}, []string{`"content"`}},
		{"storage, bytes", "GET", "/api/storage/runs/x/blob.bin", "", nil, 200, []string{"\x00\xff<html>"}, nil},
		{"storage, html", "GET", "/api/storage/runs/x/page.html", "", nil, 200, []string{"<script>"}, nil},
		{"storage, missing", "GET", "/api/storage/runs/none.json", "", nil, 404, []string{`"error":"File not found"`, `"path":"runs/none.json"`}, nil},
		{"storage, no path", "GET", "/api/storage/", "", nil, 400, []string{`"error":"Missing storage path"`}, nil},
		{"storage, other backend", "GET", "/api/storage/runs/x/blob.bin?backend=none", "", nil, 404, []string{`"error":"Storage backend not found"`}, nil},
		{"upload without a file", "POST", "/api/upload/temp", "{}", nil, 400, []string{`"error":"No file provided"`}, nil},
		{"upload, unknown", "GET", "/api/upload/temp/tmp_x", "", nil, 404, []string{`"error":"Upload not found"`}, nil},
		{"delete upload, unknown", "DELETE", "/api/upload/temp/tmp_x", "", nil, 404, []string{`"error":"Upload not found"`}, nil},
		{"upload stats", "GET", "/api/upload/stats", "", nil, 200, []string{`{"total":0,"expired":0,"claimed":0,"deleted":0}`}, nil},
		{"cancel", "POST", "/api/runs/" + run.PipelineRunID + "/cancel", `{"reason":"enough"}`, nil, 200, []string{`"status":"cancelled"`}, nil},
		{"cancel again", "POST", "/api/runs/" + run.PipelineRunID + "/cancel", "", nil, 409, []string{`"error":"Run has ended"`}, nil},
		{"replay, planned", "GET", "/api/runs/" + run.PipelineRunID + "/replay", "", nil, 200, []string{`"queued":["download"],"later":[],"kept":0`, `"status":"cancelled"`}, nil},
		{"replay", "POST", "/api/runs/" + run.PipelineRunID + "/replay", "", nil, 200, []string{`"queued":["download"]`, `"status":"running"`}, nil},
		{"replay again", "POST", "/api/runs/" + run.PipelineRunID + "/replay", "", nil, 409, []string{`"error":"Run is running; only a failed, partial or cancelled one can be replayed"`, `"runId":"prun_`, `"code":"conflict"`}, nil},
		{"replay, unknown", "POST", "/api/runs/none/replay", "", nil, 404, []string{`"error":"Run not found"`}, nil},
		{"replay planned, unknown", "GET", "/api/runs/none/replay", "", nil, 404, []string{`"error":"Run not found"`}, nil},
		{"dead letters", "GET", "/api/dlq?limit=20", "", nil, 200, []string{`{"items":[],"total":0}`}, nil},
		{"dead letters, wrong limit", "GET", "/api/dlq?limit=0", "", nil, 400, []string{`"limit"`}, nil},
		{"dead letters, groups", "GET", "/api/dlq/groups?taskId=extract", "", nil, 200, []string{`{"groups":[],"rest":0,"total":0,"asOf":null}`}, nil},
		{"dead letters, ids", "GET", "/api/dlq/ids?group=none&limit=10", "", nil, 200, []string{`{"ids":[],"next":null}`}, nil},
		{"dead letters, of a group", "GET", "/api/dlq?group=none", "", nil, 200, []string{`{"items":[],"total":0}`}, nil},
		{"dead letter, unknown", "GET", "/api/dlq/none", "", nil, 404, []string{`"error":"DLQ item not found"`, `"dlqId":"none"`}, nil},
		{"dead letter retry, unknown", "POST", "/api/dlq/none/retry", "", nil, 404, []string{`"error":"DLQ item not found"`, `"dlqId":"none"`}, nil},
		{"dead letters, retry all", "POST", "/api/dlq/retry-all", `{"pipelineId":"pdf"}`, nil, 200, []string{`{"retried":0,"results":[],"failed":[]}`}, nil},
		{"dead letters, purge", "POST", "/api/dlq/purge", `{"olderThan":"7d"}`, nil, 200, []string{`"purged":0`, `"olderThan":"20`}, nil},
		{"dead letters, purge by retention", "POST", "/api/dlq/purge", "", nil, 200, []string{`"purged":0`}, nil},
		{"dead letters, purge of nonsense", "POST", "/api/dlq/purge", `{"olderThan":"7 fortnights"}`, nil, 400, []string{`"olderThan":{"_errors":["Must be a whole number`}, nil},
		{"dead letters, purge twice told", "POST", "/api/dlq/purge", `{"olderThan":"7d","olderThanDays":3}`, nil, 400, []string{`not both`}, nil},
		{"cancel a task run of a run", "POST", "/api/task-runs/" + entry + "/cancel", "", nil, 409, []string{`"error":"The task run belongs to a pipeline run; cancel that one"`, `"taskRunId":"trun_`}, nil},
		{"cancel a task run, unknown", "POST", "/api/task-runs/none/cancel", "", nil, 404, []string{`"error":"Task run not found"`, `"taskRunId":"none"`}, nil},
		{"cancel, unknown", "POST", "/api/runs/none/cancel", "", nil, 404, []string{`"error":"Run not found"`}, nil},
		{"maintenance", "GET", "/api/maintenance", "", nil, 200, []string{`"mode":"running"`, `"message":"Orchestrator is running normally"`, `"canEnterMaintenance":false`}, nil},
		{"maintenance, enter unasked", "POST", "/api/maintenance/enter", "", nil, 409, []string{`"error":"Cannot enter maintenance directly from running mode. Call requestMaintenance() first."`, `"mode":"running"`}, nil},
		{"maintenance, request", "POST", "/API/Maintenance/Request/", "{}", nil, 200, []string{`"mode":"waiting_for_maintenance"`, `"message":"Waiting for `}, nil},
		{"maintenance, enter early", "POST", "/api/maintenance/enter", "", nil, 200, []string{`"mode":"waiting_for_maintenance"`, `"message":"Cannot enter maintenance: `}, nil},
		{"health while waiting", "GET", "/health", "", nil, 200, []string{`"canAcceptTasks":false`, `"maintenanceMode":"waiting_for_maintenance"`}, nil},
		{"maintenance, exit", "POST", "/api/maintenance/exit", "", nil, 200, []string{`"mode":"running"`}, nil},
		{"tick", "POST", "/api/tick", "", nil, 200, []string{`"status":"ok"`, `"processed":`, `"timestamp":"20`}, nil},
		{"process", "POST", "/api/process", "", nil, 200, []string{`"status":"ok"`}, nil},

		{"host health", "GET", "/api/v1/health", "", nil, 200, []string{`{"status":"ok"}`}, nil},
		{"releases", "GET", "/api/v1/releases/latest", "", nil, 200, []string{`"pipedaiWorker":{"latest":"1.2.3"`, `"pipedaiOrchestrator":{"latest":"1.2.3"`}, nil},
		{"session", "GET", "/api/v1/session", "", admin, 200, []string{`"role":"admin"`, `"version":"1.2.3"`, `"build":"b1"`}, nil},
		{"device start", "POST", "/api/v1/enrollments/device", `{"label":"box"}`, nil, 201, []string{`"userCode":"`, `"verificationUri":"http://127.0.0.1:3000/activate"`, `"interval":5`}, nil},
		{"redeem, unknown", "POST", "/api/v1/enrollments/redeem", `{"code":"enr_none","hostname":"h","os":"linux","version":"1"}`, nil, 404, []string{`"error":"not_found"`}, nil},
		{"enrollments", "GET", "/api/v1/enrollments", "", admin, 200, []string{`"status":"redeemed"`, `"kind":"code"`, `"kind":"device"`}, []string{"enr_", "dvc_"}},
		{"enrollments, of a state", "GET", "/api/v1/enrollments?status=pending", "", admin, 200, []string{`"kind":"device"`}, []string{`"redeemed"`}},
		{"lookup, unknown", "GET", "/api/v1/enrollments/lookup?code=BBBB-BBBB", "", admin, 404, []string{`"error":"Code not found"`}, nil},
		{"issue code", "POST", "/api/v1/enrollments/codes", `{"label":"ci"}`, admin, 201, []string{`"code":"enr_`, `"status":"approved"`}, nil},
		{"approve, unknown", "POST", "/api/v1/enrollments/none/approve", "", admin, 404, []string{`"error":"Enrollment not found"`}, nil},
		{"deny, unknown", "POST", "/api/v1/enrollments/none/deny", "", admin, 404, []string{`"error":"Enrollment not found"`}, nil},
		{"revoke an enrolment, unknown", "POST", "/api/v1/enrollments/none/revoke", "", admin, 404, []string{`"error":"Enrollment not found"`}, nil},
		{"hosts", "GET", "/api/v1/hosts?status=never", "", admin, 200, []string{`"name":"box"`, `"status":"never"`, `"paused":null`, `"revokedAt":null`, `"warnings":[]`}, nil},
		{"host, unknown", "GET", "/api/v1/hosts/none", "", admin, 404, []string{`"error":"Host not found"`, `"hostId":"none"`}, nil},
		{"note a host, unknown", "POST", "/api/v1/hosts/none/note", `{"note":"x"}`, admin, 404, []string{`"error":"Host not found"`}, nil},
		{"pause a host, unknown", "POST", "/api/v1/hosts/none/pause", "", admin, 404, []string{`"error":"Host not found"`}, nil},
		{"resume a host, unknown", "POST", "/api/v1/hosts/none/resume", "", admin, 404, []string{`"error":"Host not found"`}, nil},
		{"revoke a host, unknown", "POST", "/api/v1/hosts/none/revoke", "", admin, 404, []string{`"error":"Host not found"`}, nil},
		{"rollouts", "GET", "/api/v1/rollouts", "", admin, 200, []string{`{"items":[]}`}, nil},
		{"rollouts, bad limit", "GET", "/api/v1/rollouts?limit=0", "", admin, 400, []string{`"limit"`}, nil},
		{"rollout, unknown", "GET", "/api/v1/rollouts/none", "", admin, 404, []string{`"error":"Rollout not found"`, `"rolloutId":"none"`}, nil},
		{"start a rollout, no version", "POST", "/api/v1/rollouts", "{}", admin, 400, []string{`"version"`}, nil},
		{"start a rollout, bad limit", "POST", "/api/v1/rollouts", `{"version":"2.0.0","maxUnavailable":0}`, admin, 400, []string{`"maxUnavailable"`}, nil},
		{"start a rollout, no release", "POST", "/api/v1/rollouts", `{"version":"2.0.0"}`, admin, 422, []string{`"code":"no_release"`, "pipedai-worker 2.0.0", `"fix":"`}, nil},
		{"plan a rollout, no release", "POST", "/api/v1/rollouts/plan", `{"version":"2.0.0","channel":"beta"}`, admin, 422, []string{`"code":"no_release"`, "on channel beta"}, nil},
		{"pause a rollout, unknown", "POST", "/api/v1/rollouts/none/pause", "", admin, 404, []string{`"error":"Rollout not found"`}, nil},
		{"resume a rollout, unknown", "POST", "/api/v1/rollouts/none/resume", "", admin, 404, []string{`"error":"Rollout not found"`}, nil},
		{"abort a rollout, unknown", "POST", "/api/v1/rollouts/none/abort", "", admin, 404, []string{`"error":"Rollout not found"`}, nil},
		{"roll back, unknown", "POST", "/api/v1/rollouts/none/rollback", "", admin, 404, []string{`"error":"Rollout not found"`}, nil},
		{"plan a rollback, unknown", "POST", "/api/v1/rollouts/none/rollback/plan", "", admin, 404, []string{`"error":"Rollout not found"`}, nil},
		{"check in", "POST", "/api/v1/hosts/self/checkin", "", hostToken, 200, []string{`"hostId":"host_`, `"orders":[]`, `"acknowledged":[]`, `"serverTime":"20`}, nil},
		{"self register", "POST", "/api/v1/workers/self/register", pulled, worker, 200, []string{`"success":true`}, nil},
		{"self callbacks", "POST", "/api/v1/workers/self/callbacks", `{"callbacks":[{"runId":"trun_gone","callback":{"status":"success"}}]}`, worker, 200, []string{`{"results":[{"status":404,`, `"error":"Task run not found"`, `"code":"not_found"`}, nil},
		{"self heartbeat", "POST", "/api/v1/workers/self/heartbeat", `{"runs":[{"runId":"trun_gone"}]}`, append(worker, api.HeaderWorkerVersion, "2.0.0"), 200, []string{`"cancel":["trun_gone"]`, `"disabled":false`}, nil},
		{"run events of nobody", "GET", "/api/task-runs/trun_none/events", "", admin, 404, []string{`"taskRunId":"trun_none"`}, nil},
		{"self run events", "POST", "/api/v1/workers/self/run-events", `{"runId":"trun_none","seq":1,"type":"system","payload":{}}`, worker, 403, []string{`"code":"forbidden"`}, nil},
		{"rotate the token of nobody", "POST", ws + "/wrk_none/rotate-token", "", admin, 404, []string{`"workerId":"wrk_none"`}, nil},
		{"rotate a token", "POST", ws + "/" + host.WorkerID + "/rotate-token", "", admin, 204, nil, nil},
		{"asked to", "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, append(worker, api.HeaderWorkerVersion, "2.0.0"), 200, []string{`"rotate":true`}, nil},
		{"self rotate", "POST", "/api/v1/workers/self/rotate", "", worker, 201, []string{`"workerToken":"wkt_`}, nil},
		{"self event", "POST", "/api/v1/workers/self/events", `{"type":"worker.started","ts":"2026-11-21T10:00:00.000Z"}`, worker, 204, nil, nil},
		{"self claim, nothing", "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, worker, 200, []string{`{"runs":[],"disabled":false}`}, nil},
		{"events of a worker", "GET", "/api/v1/workers/" + host.WorkerID + "/events?limit=1", "", admin, 200, []string{`"type":"worker.started"`, `"seq":`, `"next":`}, nil},
		{"workers", "GET", ws, "", admin, 200, []string{`"id":"` + host.WorkerID, `"derivedStatus":"online"`, `"version":"2.0.0"`, `"nextCursor":null`, `"currentRunId":null`}, nil},
		{"mint", "POST", ws + "/registration-token", `{"label":"pdf"}`, admin, 201, []string{`"token":"wrk_`, `"lastFour":"`, `"expiresAt":"20`, `"id":"reg_`}, nil},
		{"mint, not an operator", "POST", ws + "/registration-token", `{}`, worker, 403, []string{`"error":"forbidden"`}, nil},
		{"register, unknown", "POST", "/api/v1/workers/register", `{"token":"wrk_none","hostname":"h","os":"linux","version":"1"}`, nil, 404, []string{`"error":"not_found"`}, nil},
		{"register, pool, unknown", "POST", "/api/v1/workers/register", `{"token":"pool_x","hostname":"h","os":"linux","version":"1"}`, nil, 404, []string{`"error":"not_found"`}, nil},
		{"pool workers", "GET", "/api/v1/pool-workers", "", bearer(b.poolRead()), 200, []string{`{"items":[]}`}, nil},
		{"pool workers, admin", "GET", "/api/v1/admin/pool-workers", "", admin, 200, []string{`{"items":[]}`}, nil},
		{"disable pool worker, of a workspace", "POST", "/api/v1/admin/pool-workers/" + host.WorkerID + "/disable", "", admin, 404, []string{`"error":"Worker not found"`}, nil},
		{"enable pool worker, unknown", "POST", "/api/v1/admin/pool-workers/none/enable", "", admin, 404, []string{`"error":"Worker not found"`}, nil},
		{"delete pool worker, unknown", "DELETE", "/api/v1/admin/pool-workers/none", "", admin, 404, []string{`"error":"Worker not found"`}, nil},
		{"self-disable, of a workspace", "POST", "/api/v1/pool-workers/" + host.WorkerID + "/self-disable", "", worker, 403, []string{`"error":"forbidden"`}, nil},
		{"self-enable, of a workspace", "POST", "/api/v1/pool-workers/" + host.WorkerID + "/self-enable", "", worker, 403, []string{`"error":"forbidden"`}, nil},
		{"workspaces", "GET", "/api/v1/workspaces", "", admin, 200, []string{`"name":"default","authMode":"api_key"`, `"default":true`}, []string{"pool"}},
		{"create workspace, no name", "POST", "/api/v1/workspaces", `{}`, admin, 400, []string{`"name":{"_errors":["Required"]}`}, nil},
		{"rename workspace, unknown", "PATCH", "/api/v1/workspaces/none", `{"name":"x"}`, admin, 404, []string{`"error":"Workspace not found"`, `"workspaceId":"none"`}, nil},
		{"environments", "GET", "/api/v1/workspaces/" + host.WorkspaceID + "/environments", "", admin, 200, []string{`"name":"default"`}, nil},
		{"create environment", "POST", "/api/v1/workspaces/" + host.WorkspaceID + "/environments", `{"name":"staging"}`, admin, 201, []string{`"id":"env_`}, nil},
		{"create environment again", "POST", "/api/v1/workspaces/" + host.WorkspaceID + "/environments", `{"name":"staging"}`, admin, 409, []string{`"error":"The name is taken"`}, nil},
		{"disable", "POST", ws + "/" + host.WorkerID + "/disable", "", admin, 200, []string{`"derivedStatus":"disabled"`, `"disabled":true`}, nil},
		{"disable again", "POST", ws + "/" + host.WorkerID + "/disable", "", admin, 200, []string{`"disabled":true`}, nil},
		{"claim while disabled", "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, worker, 200, []string{`{"runs":[],"disabled":true}`}, nil},
		{"enable", "POST", ws + "/" + host.WorkerID + "/enable", "", admin, 200, []string{`"derivedStatus":"online"`}, nil},
		{"delete", "DELETE", ws + "/" + host.WorkerID, "", admin, 204, nil, nil},
		{"delete again", "DELETE", ws + "/" + host.WorkerID, "", admin, 404, []string{`"error":"Worker not found"`}, nil},
		{"deleted worker's token", "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, worker, 401, []string{`"error":"unauthorized"`}, nil},
		{"events of a deleted worker", "GET", "/api/v1/workers/" + host.WorkerID + "/events/stream", "", admin, 404, []string{`"error":"Worker not found"`}, nil},

		{"tokens", "GET", "/api/v1/tokens", "", admin, 200, []string{`"role":"admin"`, `"revokedAt":null`}, []string{b.admin.Reveal()}},
		{"revoke, unknown", "DELETE", "/api/v1/tokens/tok_none", "", admin, 404, []string{`"error":"Token not found"`, `"tokenId":"tok_none"`}, nil},
		{"create a token, bad role", "POST", "/api/v1/tokens", `{"name":"x","role":"king"}`, admin, 400, []string{`"error":"Invalid request"`}, nil},

		{"audit", "GET", "/api/v1/audit?action=worker.delete", "", admin, 200, []string{`"action":"worker.delete","object":"` + host.WorkerID, `"outcome":"ok"`, `"outcome":"refused","code":"not_found"`, `"nextCursor":null`}, nil},
		{"audit, wrong cursor", "GET", "/api/v1/audit?cursor=-1", "", admin, 400, []string{`"cursor"`}, nil},
		{"release keys, none", "GET", "/api/v1/release-keys", "", admin, 200, []string{`{"rotations":[]}`}, nil},
		{"release keys, not one", "POST", "/api/v1/release-keys", `{"first":"prk_short"}`, admin, 422, []string{`"error":"Not a release key"`}, nil},
		{"release keys, nothing", "POST", "/api/v1/release-keys", `{}`, admin, 400, []string{`"error":"Exactly one of first and rotation is needed"`}, nil},
		{"publish without a key", "POST", "/api/v1/releases/p/1.0.0", `{"payloadType":"x","payload":"e30=","signatures":[{"keyid":"k","sig":"AA=="}]}`, admin, 409, []string{`"code":"no_release_key"`}, nil},
		{"publish nothing", "POST", "/api/v1/releases/p/1.0.0", `{}`, admin, 400, []string{`"error":"Invalid request"`}, nil},
		{"releases, none", "GET", "/api/v1/releases", "", admin, 200, []string{`{"items":[]}`}, nil},
		{"releases, bad filter", "GET", "/api/v1/releases?yanked=maybe", "", admin, 400, []string{`"yanked"`}, nil},
		{"release, none", "GET", "/api/v1/releases/p/1.0.0", "", admin, 404, []string{`"error":"Release not found"`, `"program":"p"`}, nil},
		{"release, latest of none", "GET", "/api/v1/releases/p/latest?channel=beta", "", admin, 404, []string{`"channel":"beta"`}, nil},
		{"release, bad channel", "GET", "/api/v1/releases/p/latest?channel=BE%20TA", "", admin, 400, []string{`"channel"`}, nil},
		{"yank, none", "POST", "/api/v1/releases/p/1.0.0/yank", `{"reason":"bad"}`, admin, 404, []string{`"error":"Release not found"`}, nil},
		{"yank without a reason", "POST", "/api/v1/releases/p/1.0.0/yank", `{}`, admin, 400, []string{`"reason"`}, nil},
		{"artifact, none", "GET", "/api/v1/releases/p/1.0.0/artifacts/a", "", admin, 404, []string{`"error":"Artifact not found"`, `"name":"a"`}, nil},
		{"upload, none", "PUT", "/api/v1/releases/p/1.0.0/artifacts/a", "bytes", admin, 404, []string{`"error":"Artifact not found"`}, nil},

		{"console", "GET", "/runs/prun_1", "", nil, 200, []string{"the console"}, nil},
		{"no route", "GET", "/api/none", "", nil, 404, []string{`"error":"Not found"`}, []string{"the console"}},
		{"wrong method", "DELETE", "/api/runs", "", nil, 404, []string{`"error":"Not found"`}, nil},
		{"post to a page", "POST", "/", "", nil, 404, []string{`"error":"Not found"`}, nil},
		{"slashes and case", "GET", "//API//Services/pdf/Tasks/", "", nil, 200, []string{`"id":"download"`}, nil},
		{"an id keeps its case", "GET", "/api/services/PDF", "", nil, 404, []string{`"serviceId":"PDF"`}, nil},
	}
	for _, test := range tests { // in order: one walk through one server
		w := b.do(test.method, test.path, test.body, test.header...)
		body := w.Body.String()
		if w.Code != test.status {
			t.Errorf("%s: got %d %s, want %d", test.name, w.Code, body, test.status)
			continue
		}
		for _, text := range test.want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: %q is missing in %s", test.name, text, body)
			}
		}
		for _, text := range test.not {
			if strings.Contains(body, text) {
				t.Errorf("%s: %q must not be in %s", test.name, text, body)
			}
		}
		if w.Code >= 400 {
			var e api.Error
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Code == "" || e.RequestID == "" {
				t.Errorf("%s: an error needs a code and a request id: %s", test.name, body)
			}
		}
		header := w.Header()
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: wrong headers %v", test.name, header)
		}
	}

	// The stream routes are walked through by tests of their own.
	seen := walked(t, b)
	for _, route := range b.routes() {
		if !seen[route.pattern] && route.pattern != "GET /api/stream" && !strings.HasSuffix(route.pattern, "/events/stream") {
			t.Errorf("no scenario for %s", route.pattern)
		}
	}
}

// walked lists the routes that answered something.
func walked(t *testing.T, b *bench) map[string]bool {
	t.Helper()
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, family := range families {
		if family.GetName() != "pipeweave_http_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "route" {
					out[label.GetValue()] = true
				}
			}
		}
	}
	return out
}

var _ prometheus.Collector = queueCollector{}

// TestStorage_S8_neverRendered: what a task stored must not become a page of ours.
func TestStorage_S8_neverRendered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.bucket.Put(t.Context(), "runs/x/page.html", strings.NewReader("<script>alert(1)</script>"), -1, "text/html"); err != nil {
		t.Fatal(err)
	}
	header := b.do("GET", "/api/storage/runs/x/page.html", "").Header()
	for name, want := range map[string]string{
		"Content-Type":            "text/plain; charset=utf-8",
		"Content-Disposition":     "attachment; filename=page.html",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, path := range []string{
		"/api/storage/../pipeweave.db", "/api/storage/%2e%2e/pipeweave.db", "/api/storage/a/%2e%2e/b", "/api/storage/%2fetc/passwd",
		"/api/storage/a%00b", "/api/storage/..%5cx", "/API/Storage/..", "/api/storage/a/./b",
	} {
		if w := b.do("GET", path, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", path, w.Code, w.Body)
		}
	}
}

// TestMaintenance: new work is refused with the contract's body, before
// anything that may be wrong with the request.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	if _, err := b.st.SetMode(t.Context(), []store.Mode{store.ModeRunning}, store.ModeWaiting, store.ModeReason{}); err != nil {
		t.Fatal(err)
	}
	for _, refused := range [][2]string{
		{"/api/pipelines/pdf/trigger", `{}`},
		{"/api/pipelines/none/trigger", `{}`},
		{"/api/pipelines/pdf/trigger", `{"input":{},"failureMode":"sideways"}`},
		{"/api/queue/task", `{"taskId":"text"}`},
		{"/api/queue/task", `{"taskId":5}`},
		{"/api/queue/batch", `{"tasks":[{"taskId":"text"}]}`},
	} {
		path, body := refused[0], refused[1]
		w := b.do("POST", path, body)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"error":"Orchestrator is in maintenance mode"`) {
			t.Errorf("%s %s: got %d %s", path, body, w.Code, w.Body)
		}
	}
	if w := b.do("POST", "/api/register", pdf); w.Code != http.StatusOK {
		t.Errorf("registration in maintenance: got %d, want 200", w.Code)
	}
}

// TestTrigger_input: what counts as the input is stored byte for byte.
func TestTrigger_input(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	for body, want := range map[string]string{
		``:                                 `{}`,
		`{}`:                               `{}`,
		`{"priority":1}`:                   `{}`,
		`{"input":null}`:                   `{}`,
		`{"input":7}`:                      `7`,
		`{"input":{"b": 1.50, "a":"<"}}`:   `{"b": 1.50, "a":"<"}`,
		`{"b": 1.50, "priority":"high"}`:   `{"b": 1.50, "priority":"high"}`,
		`[1, 2]`:                           `[1, 2]`,
		`{"n":12345678901234567890.10e+2}`: `{"n":12345678901234567890.10e+2}`,
	} {
		var run api.TriggerResponse
		b.post("/api/pipelines/pdf/trigger", body, &run)
		if got := b.do("GET", "/api/storage/"+run.InputPath+"?raw=1", "").Body.String(); got != want {
			t.Errorf("body %s: got input %s, want %s", body, got, want)
		}
	}
}

// TestCallback: one report ends an attempt, late ones are ignored.
func TestCallback(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	c := b.serve(clientToken(host.WorkerToken))
	b.as(clientToken(host.WorkerToken), "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	var started api.TriggerResponse
	b.post("/api/pipelines/pulled/trigger", `{}`, &started)

	claim := func() api.Dispatch {
		t.Helper()
		got, err := c.Claim(t.Context(), api.ClaimRequest{ServiceID: "pulled", Max: 5, WaitMs: 10_000})
		if err != nil || len(got.Runs) != 1 {
			t.Fatalf("claim: got %v, %v", got, err)
		}
		return got.Runs[0]
	}
	first := claim()
	if first.TaskID != "fetch" || first.Attempt != 1 || string(first.UpstreamRefs) != "{}" {
		t.Errorf("got dispatch %+v", first)
	}
	if strings.Contains(first.StorageToken, testSecret.Reveal()) {
		t.Error("the shared secret left the server")
	}

	progress := 40.0
	beat, err := c.Progress(t.Context(), api.HeartbeatRequest{RunID: first.RunID, Progress: &progress, Message: "page 2"})
	if err != nil || !beat.Acknowledged || beat.ShouldCancel {
		t.Errorf("progress: got %+v, %v", beat, err)
	}
	task, err := c.TaskRun(t.Context(), first.RunID)
	if err == nil {
		t.Errorf("a worker token reads runs: %+v", task)
	}
	var wire api.TaskRun
	b.as(b.view, "GET", "/api/task-runs/"+first.RunID, "", 200, &wire)
	if string(wire.Metadata) != `{"progress":40,"progressMessage":"page 2","storageBackendId":"local"}` {
		t.Errorf("got metadata %s", wire.Metadata)
	}

	// The worker is busy from the claim on, without a heartbeat.
	var workers api.RemoteWorkers
	b.as(b.view, "GET", "/api/v1/workspaces/"+host.WorkspaceID+"/workers", "", 200, &workers)
	if run := workers.Items[0].CurrentRunID; run == nil || *run != first.RunID {
		t.Errorf("got current run %v, want %s", run, first.RunID)
	}

	next := []string{"nowhere", "keep"}
	done, err := c.Callback(t.Context(), first.RunID, api.CallbackRequest{Status: "success", SelectedNext: &next})
	if err != nil || !done.Acknowledged || done.QueuedDownstream == nil || *done.QueuedDownstream != 1 {
		t.Errorf("callback: got %+v, %v", done, err)
	}
	again, err := c.Callback(t.Context(), first.RunID, api.CallbackRequest{Status: "failed", Error: "TypeError: fetch failed"})
	if err != nil || again.Acknowledged || !again.Ignored {
		t.Errorf("late callback: got %+v, %v", again, err)
	}
	b.as(b.view, "GET", "/api/v1/workspaces/"+host.WorkspaceID+"/workers", "", 200, &workers)
	if run := workers.Items[0].CurrentRunID; run != nil {
		t.Errorf("got current run %v after its end", *run)
	}

	last := claim()
	failed, err := c.Callback(t.Context(), last.RunID, api.CallbackRequest{Status: "failed", Error: "boom"})
	if err != nil || failed.Retrying == nil || *failed.Retrying {
		t.Errorf("failed callback: got %+v, %v", failed, err)
	}
	var run api.RunDetail
	b.as(b.view, "GET", "/api/runs/"+started.PipelineRunID, "", 200, &run)
	if run.Status != string(pipeline.RunFailed) {
		t.Errorf("got run %s, want failed", run.Status)
	}
}

// TestNew refuses what could not serve.
func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Hosts: []string{"a"}}); err == nil {
		t.Error("a server without an engine was made")
	}
	if _, err := New(Options{Engine: &engine.Engine{}}); err == nil {
		t.Error("a server without names was made")
	}
}
