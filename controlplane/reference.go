package controlplane

import (
	"maps"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/openapi"
)

const referenceIntro = `JSON over HTTP/1.1, UTF-8. Times are RFC 3339 in UTC with milliseconds, or null. Members are added over time, never renamed, removed or
retyped: ignore those you do not know. Of what you send, unknown members are ignored and null means absent; a body that begins with ` +
	"`{` or `[`" + ` is read as JSON whatever its Content-Type says, and no body is ` + "`{}`" + `. A body may have 10 MiB
and be nested 500 levels deep.

Repeated slashes in a path count as one and a slash at the end is ignored; the fixed words of the engine's paths are read in any case, ids
are not. GET also answers HEAD. A path or method that is not here is 404 ` + "`Not found`" + `.

Every error has the members ` + "`error`, `code` and `requestId`" + `; the id names the line in the server's log and is in the header X-Request-Id of
every answer. Programs branch on the code. While the server starts, every route answers 503 with code ` + "`not_ready`" + ` and Retry-After;
while its database does not answer or takes no writes, those that need it answer 503 with code ` + "`unavailable`" + ` and Retry-After.

Tokens are sent as ` + "`Authorization: Bearer TOKEN`" + `. There are no CORS headers: a page of another origin cannot read an answer, and the
guard before the routes refuses its requests. The server answers only to the Host names it was given.`

// refusals are the errors that any route can answer.
func refusals() []openapi.Refusal {
	return []openapi.Refusal{
		{Status: 400, Code: "invalid_request, validation_failed", When: "the body is not JSON, or not what the route reads: `details` is a tree with `_errors` at each place that is wrong"},
		{Status: 401, Code: "unauthorized", When: "a token is needed, or the one given is not valid"},
		{Status: 403, Code: "forbidden, foreign_host, foreign_origin", When: "the token does not allow it, or the Host or Origin is not this server's"},
		{Status: 404, Code: "not_found", When: "no such route"},
		{Status: 413, Code: "payload_too_large", When: "the body is larger than 10 MiB"},
		{Status: 429, Code: "rate_limited", When: "too many failed attempts from this address; Retry-After says when"},
		{Status: 500, Code: "internal", When: "the cause is in the log, under the request id"},
		{Status: 503, Code: "not_ready", When: "the server is starting; Retry-After says when"},
	}
}

// reference says of every route what its types do not.
func reference() map[string]openapi.About {
	out := engineReference()
	maps.Copy(out, hostReference())
	maps.Copy(out, workerReference())
	maps.Copy(out, releaseReference())
	maps.Copy(out, rolloutReference())
	return out
}

// logFilterParams say which lines of a task's log fit.
var logFilterParams = []openapi.Param{
	{Name: "level", Type: "string", Text: "lines of this level"},
	{Name: "grep", Type: "string", Text: "lines that hold this text, at most 1,000 bytes; colours between do not matter"},
	{Name: "regex", Text: "1: grep is a regular expression (RE2)", Enum: []string{"1"}},
	{Name: "ignoreCase", Text: "1: grep in any case", Enum: []string{"1"}},
}

// letterParams say which dead letters are meant; the first one, of which group.
var letterParams = []openapi.Param{
	which("group", "of one group, by its id in /api/dlq/groups"), which("pipelineId", "of one pipeline"), which("taskId", "of one task"),
	since("from", "failed at or after"), since("to", "failed at or before"),
	{Name: "includeRetried", Text: "1: with those that were retried", Enum: []string{"1", "true"}},
}

// noLog is how reading the log of a task run fails.
var noLog = []openapi.Failure{openapi.Fail(404, "Task run not found", "taskRunId"), openapi.Fail(410, "The log is not in storage any more", "taskRunId")}

func engineReference() map[string]openapi.About { //nolint:funlen // a table
	return map[string]openapi.About{
		"GET /health": {
			Summary: "Whether the server and its database answer",
			Answers: []openapi.Answer{
				{Body: api.Health{}, Text: "the database answers"},
				{Status: 503, Body: healthFailure{}, Text: "the database does not answer"},
			},
		},
		"GET /api/info":         {Summary: "Version, mode and storage of the server"},
		"GET /api/openapi.json": {Summary: "This interface as an OpenAPI 3.1 document", Answers: []openapi.Answer{{Type: "application/json", Text: "the document"}}},
		"GET /metrics": {
			Summary: "Metrics in the text format of Prometheus",
			Answers: []openapi.Answer{{Type: "text/plain", Text: "the metrics"}},
		},
		"GET /api/stream": {
			Summary: "What changes, as server-sent events",
			Detail:  "Each event names what changed; readers fetch what they show. The data is a StreamEvent. A reader that falls behind is cut off and comes back with the last number it saw.",
			Params: []openapi.Param{
				{Name: "since", Text: "the last number seen; the header Last-Event-ID says the same"},
				{Name: "Last-Event-ID", In: "header", Text: "the last number seen"},
			},
			Answers: []openapi.Answer{{Type: "text/event-stream", Text: "events until either side hangs up"}},
		},

		"GET /api/maintenance": {
			Summary: "The maintenance mode, and what is left to do",
			Detail:  "In waiting_for_maintenance no work is accepted; what there is goes on, retries and successors included, and when nothing is left the mode becomes maintenance by itself. Retries and schedules far ahead count as pending.",
		},
		"POST /api/maintenance/request": {
			Summary: "Accept no more work, and wait for what there is",
			Detail:  "The reason is shown to everybody with the name of the token, until work is accepted again. A second request changes neither.",
			Example: `{"reason":"database upgrade until noon"}`,
		},
		"POST /api/maintenance/enter": {
			Summary: "Begin maintenance",
			Detail:  "While something is left to do the mode stays, with 200, and the message says how much.",
			Errors:  []openapi.Failure{openapi.Fail(409, engine.ErrNotRequested.Error(), "mode")},
		},
		"POST /api/maintenance/exit": {Summary: "Accept work again"},

		"POST /api/register": {
			Summary: "Announce a service and its tasks",
			Detail:  "For workers that are reached over HTTP; baseUrl is required. Accepted in every maintenance mode. Members with a default may be left out.",
			Example: `{"serviceId":"pdf","version":"1.0.0","baseUrl":"http://10.0.0.7:8080","tasks":[{"id":"download","codeHash":"5e1f0a2b3c4d5e6f","allowedNext":["extract"]},{"id":"extract","codeHash":"0011223344556677","retries":5}]}`,
		},
		"GET /api/services": {
			Summary: "List services, newest registration first, and who serves them",
			Detail:  "A service is degraded while a worker of the last 24 hours is not heard of, and unserved when none takes its work. Workers of workspaces that the caller does not see are counted in elsewhere.",
		},
		"GET /api/services/{id}":       {Summary: "A service, who serves it, and its tasks", Errors: []openapi.Failure{serviceMissing}},
		"GET /api/services/{id}/tasks": {Summary: "The tasks of a service, by id", Errors: []openapi.Failure{serviceMissing}},
		"GET /api/tasks/{id}/history":  {Summary: "The code versions of a task, newest first", Errors: []openapi.Failure{taskMissing}},
		"GET /api/tasks/{id}/input-schema": {
			Summary: "What the input of a task must look like", Detail: "The language is described in input-schemas.md.",
			Errors: []openapi.Failure{taskMissing},
		},
		"POST /api/tasks/{id}/validate-input": {
			Summary: "Hold an input against the schema of a task",
			Detail:  "Nothing is started. A task without a schema takes any input.",
			Errors:  []openapi.Failure{openapi.Fail(400, "Input is required"), taskMissing},
			Example: `{"input":{"pdfUrl":"https://example.com/report.pdf"}}`,
		},

		"GET /api/pipelines": {Summary: "List pipelines by name"},
		"GET /api/recent-runs": {
			Summary: "The newest runs of every pipeline, without their graphs",
			Params:  []openapi.Param{{Name: "limit", Type: "integer", Default: "20", Min: 1, Max: 200, Text: "how many of each pipeline at most"}},
		},
		"GET /api/run-counts": {
			Summary: "How the runs of the last hours stand, over time and by pipeline",
			Detail:  "For a page that is left open: the newest 50,000 runs of the span are counted, so it costs the same however long the history is.",
			Params:  []openapi.Param{{Name: "hours", Type: "integer", Default: "24", Min: 1, Max: 168, Text: "how far back"}},
		},
		"GET /api/pipelines/{id}": {Summary: "A pipeline", Errors: []openapi.Failure{pipelineMissing}},
		"PUT /api/pipelines/{id}": {
			Summary: "Define a pipeline by hand",
			Detail:  "Its graph is what the registered tasks make of its entries, and follows them; runs under way keep theirs. It replaces a derived pipeline of the same id.",
			Params:  []openapi.Param{{Name: "dryRun", Text: "1: only look, and answer 200 with what is wrong", Enum: []string{"1", "true"}}},
			Errors:  []openapi.Failure{openapi.Fail(400, "Pipeline validation failed: …")},
			Example: `{"name":"Reports","entryTasks":["download"],"failureMode":"continue","version":"2.0.0"}`,
		},
		"DELETE /api/pipelines/{id}": {
			Summary: "Remove a definition made by hand",
			Detail:  "A derived one may take its place. Its runs stay.",
			Errors: []openapi.Failure{
				pipelineMissing,
				openapi.Fail(409, "Pipeline has active runs", "pipelineId"), openapi.Fail(409, "Pipeline is derived from registered tasks", "pipelineId"),
			},
		},
		"POST /api/pipelines/{id}/trigger": {
			Summary: "Start a run",
			Detail:  "A body with a member input is the envelope described here, and so is one that holds nothing but its other members; any other body is the input itself, byte for byte.",
			Body:    api.TriggerRequest{},
			Errors: []openapi.Failure{
				openapi.Fail(400, "Pipeline validation failed: …"), inputRefused,
				pipelineMissing, inMaintenance,
			},
			Example: `{"input":{"pdfUrl":"https://example.com/report.pdf"},"priority":10,"failureMode":"continue"}`,
		},
		"POST /api/pipelines/{id}/dry-run": {
			Summary: "Validate and plan a run without starting it",
			Body:    dryRunRequest{},
			Errors:  []openapi.Failure{pipelineMissing},
			Example: `{"input":{"pdfUrl":"https://example.com/report.pdf"}}`,
		},
		"GET /api/runs": {
			Summary: "List pipeline runs, newest first",
			Params: page(1000, which("pipelineId", "of one pipeline"), which("version", "of one version of the pipeline"), which("status", "in one state; success means completed, queued means pending"),
				which("text", "in the id of the run or of its pipeline, or in its error, in any case"), since("from", "created at or after"), since("to", "created before")),
		},
		"GET /api/runs/{id}": {Summary: "A pipeline run with its task runs", Errors: []openapi.Failure{runMissing}},
		"GET /api/runs/{id}/changes": {
			Summary: "Where a run stands, and some of its task runs",
			Detail: "For a reader that holds the run and hears of changes from /api/stream: a large run is read whole once. " +
				"The task runs are those that ids names and up to 500 that were created after the one that after names.",
			Params: []openapi.Param{
				which("ids", "task runs of the run, with commas between them; 500 at most"),
				which("after", "the last task run that the reader holds"),
			},
			Errors: []openapi.Failure{runMissing},
		},
		"POST /api/runs/{id}/cancel": {
			Summary: "Cancel a run",
			Detail:  "What is pending ends at once; what is running is asked to stop with its next heartbeat.",
			Errors:  []openapi.Failure{runMissing, openapi.Fail(409, "Run has ended", "runId")},
			Example: `{"reason":"wrong input"}`,
		},
		"GET /api/runs/{id}/replay": {
			Summary: "What a replay of a run would do",
			Detail:  "queued are the tasks that would run at once, later those that would run again after them; kept counts the task runs that stay.",
			Errors:  []openapi.Failure{runMissing, openapi.Fail(409, "…", "runId")},
		},
		"POST /api/runs/{id}/replay": {
			Summary: "Run again what broke in a run, and keep what completed",
			Detail:  "For a run that is failed, partial or cancelled; otherwise, and while a task of it has not ended yet, the answer is 409 with the reason. The run keeps its id and its graph.",
			Errors:  []openapi.Failure{runMissing, openapi.Fail(409, "…", "runId"), inMaintenance},
		},
		"GET /api/task-runs/{id}": {
			Summary: "A task run",
			Detail:  "The id may be the one a worker knows, with the number of its attempt.",
			Errors:  []openapi.Failure{openapi.Fail(404, "Task run not found", "taskRunId")},
		},
		"GET /api/task-runs/{id}/logs": {
			Summary: "Lines of the log of a task run",
			Detail: "Oldest first: the last ones, or a page of them. The log is that of the last attempt; a worker stores it when the attempt ends, and until then there are no lines. " +
				"A search takes two seconds at most and says how far it got.",
			Params: append([]openapi.Param{
				{Name: "limit", Type: "integer", Default: "500", Min: 1, Max: maxTaskLogLines, Text: "how many lines"},
				{Name: "after", Type: "integer", Text: "a position: the oldest lines behind it; -1 begins at the first"},
				{Name: "before", Type: "integer", Text: "a position: the newest lines before it"},
				{Name: "count", Text: "1: count the lines that fit, too", Enum: []string{"1"}},
			}, logFilterParams...),
			Errors: noLog,
		},
		"GET /api/task-runs/{id}/logs/download": {
			Summary: "The whole log of a task run as a file, or all lines of it that fit",
			Params: append([]openapi.Param{
				{Name: "format", Default: "text", Enum: []string{"text", "ndjson"}, Text: "lines of time, level and text, or an object of JSON for each, as the route for lines has them"},
			}, logFilterParams...),
			Answers: []openapi.Answer{{Type: "text/plain", Text: "the lines"}, {Type: "application/x-ndjson", Text: "with format=ndjson"}},
			Errors:  noLog,
		},
		"GET /api/task-runs/{id}/events": {
			Summary: "What workers reported of a task run, oldest first",
			Detail:  "Events of every attempt, in the order they came. Read on with after, the next of the last answer; nothing new is an empty list.",
			Params: []openapi.Param{
				{Name: "after", Text: "the id of the last event seen", Type: "integer", Default: "0"},
				atMost(1000),
			},
			Errors: []openapi.Failure{openapi.Fail(404, "Task run not found", "taskRunId")},
		},
		"POST /api/task-runs/{id}/cancel": {
			Summary: "Cancel a task run that is part of no pipeline run",
			Detail:  "When it is pending it ends at once; when it is running it is asked to stop with its next heartbeat, and ends as cancelled unless it completes.",
			Errors:  []openapi.Failure{openapi.Fail(404, "Task run not found", "taskRunId"), openapi.Fail(409, "…", "taskRunId")},
			Example: `{"reason":"wrong input"}`,
		},

		"GET /api/dlq": {
			Summary: "List dead letters, newest failure first",
			Detail:  "Those that were retried are left out. input is null where it cannot be read, is larger than 256 KiB, or those before it took 16 MiB.",
			Params:  page(1000, letterParams...),
		},
		"GET /api/dlq/groups": {
			Summary: "Dead letters that failed alike, together",
			Detail:  "All that the filter admits are looked at, however many there are; the 500 largest groups are told.",
			Params:  letterParams[1:],
		},
		"GET /api/dlq/ids": {
			Summary: "The ids of dead letters, newest failure first",
			Detail:  "To retry or purge exactly those that somebody saw and confirmed: read all their ids with to as asOf of the groups, then hand them on, up to 1,000 at a time.",
			Params: append([]openapi.Param{
				which("after", "next of the answer before"),
				{Name: "limit", Text: "how many at most", Type: "integer", Default: "10000", Min: 1, Max: mostLetterIDs},
			}, letterParams...),
		},
		"GET /api/dlq/{id}": {
			Summary: "A dead letter",
			Detail:  "The id is its own, or that of the task run that failed.",
			Errors:  []openapi.Failure{letterMissing},
		},
		"POST /api/dlq/{id}/retry": {
			Summary: "Run a dead letter again",
			Detail:  "As a new task run with the current code and retries, the input and priority of the old one, in the same pipeline run, which goes on. A second time is 409, and so is whatever else stands against it; the sentence says what.",
			Errors:  []openapi.Failure{letterMissing, openapi.Fail(409, "DLQ item was already retried", "dlqId"), inMaintenance},
		},
		"POST /api/dlq/retry-all": {
			Summary: "Run the dead letters of a pipeline or task again, or all",
			Detail:  "Newest first, 1,000 unless limit says otherwise. What cannot be retried is listed under failed and keeps nothing else.",
			Errors:  []openapi.Failure{inMaintenance},
			Example: `{"pipelineId":"pdf"}`,
		},
		"POST /api/dlq/purge": {
			Summary: "Delete old dead letters, retried or not",
			Detail:  "olderThan is an age, a whole number and one of s, m, h, d and w; olderThanDays says it in days. Neither means the configured retention. With ids exactly those are deleted, 1,000 at most, and no age counts.",
			Example: `{"olderThan":"7d"}`,
		},

		"POST /api/queue/task": {
			Summary: "Queue one task run outside any pipeline",
			Body:    api.QueueTaskRequest{},
			Errors:  []openapi.Failure{inputRefused, taskMissing, inMaintenance},
			Example: `{"taskId":"extract","input":{"page":1}}`,
		},
		"POST /api/queue/batch": {
			Summary: "Queue task runs: all of them or none",
			Detail:  "At most 10,000, in one transaction.",
			Body:    api.QueueBatchRequest{},
			Errors:  []openapi.Failure{inputRefused, taskMissing, inMaintenance},
			Example: `{"tasks":[{"taskId":"extract","input":{"page":1}},{"taskId":"extract","input":{"page":2}}]}`,
		},
		"GET /api/queue/status": {Summary: "Count task runs by state", Detail: "The counts are kept, so asking is cheap. dlq counts dead letters not yet retried."},
		"GET /api/queue/items": {
			Summary: "List task runs, by priority, then age",
			Params: page(1000, which("status", "in one state; success means completed, queued means pending"), which("taskId", "of one task"),
				which("pipelineRunId", "of one pipeline run"),
				openapi.Param{Name: "codeVersion", Type: "integer", Text: "with one version of the code"},
				openapi.Param{Name: "order", Text: "newest: newest first", Enum: []string{"newest"}}),
		},
		"POST /api/tick":    {Summary: "Do one round of everything", Detail: "For serverless mode, where whoever calls this is the clock; it works in both modes."},
		"POST /api/process": {Summary: "The older name of /api/tick"},

		"POST /api/heartbeat": {
			Summary: "A worker says that a run is alive",
			Detail:  "A run that is unknown or no longer this attempt's is answered with 200 too: acknowledged is false and shouldCancel true.",
			Example: `{"runId":"trun_0123456789abcdef"}`,
		},
		"POST /api/progress": {
			Summary: "A worker says how far a run is; counts as a heartbeat",
			Example: `{"runId":"trun_0123456789abcdef","progress":40,"message":"page 4 of 10"}`,
		},
		"POST /api/idempotency/check": {
			Summary: "A worker asks whether its work was done before",
			Detail:  "With a key it made of input and code version. After a hit it reports the cached result instead of executing; while another open task run has the key, inProgress is true and it asks again; otherwise the key is its own, and its result will be remembered.",
			Errors:  []openapi.Failure{openapi.Fail(404, "Task run not found"), openapi.Fail(409, "The attempt is over")},
			Example: `{"runId":"trun_0123456789abcdef","key":"a3f5"}`,
		},
		"POST /api/callback/{id}": {
			Summary: "A worker reports the end of an attempt",
			Detail:  "The id is the one of the dispatch. A report of an attempt that is over (again, late, superseded) is answered with 200 and ignored, and changes nothing; an enrolled worker hears 409 once another attempt has followed.",
			Errors:  []openapi.Failure{openapi.Fail(404, "Task run not found"), openapi.Fail(409, "another attempt has followed this one")},
			Example: `{"status":"success","outputPath":"runs/prun_1/outputs/trun_0123456789abcdef.json","outputSize":120,"assets":{"page":{"path":"runs/prun_1/assets/trun_0123456789abcdef/page","size":4,"type":"text"}},"selectedNext":["publish"]}`,
		},

		"POST /api/upload/temp": {
			Summary: "Upload a file for a task",
			Detail:  "multipart/form-data with one part named file, at most 100 MiB. The id goes anywhere into an input; a run that starts with it within 24 hours keeps the file.",
			Params:  []openapi.Param{{Name: "X-User-Id", In: "header", Text: "who uploads; the address of the client otherwise"}},
			Answers: []openapi.Answer{{Body: api.Uploaded{}, Text: "the file is stored"}},
			Errors: []openapi.Failure{
				openapi.Fail(400, "No file provided"), openapi.Fail(400, "Only one file per request"), openapi.Fail(400, "The file did not arrive whole"),
				openapi.Fail(413, "Payload too large"),
			},
		},
		"GET /api/upload/temp/{id}": {Summary: "An uploaded file", Errors: []openapi.Failure{openapi.Fail(404, "Upload not found")}},
		"DELETE /api/upload/temp/{id}": {
			Summary: "Delete an uploaded file that no run claimed",
			Errors: []openapi.Failure{
				openapi.Fail(404, "Upload not found"), openapi.Fail(409, "Upload already claimed by task run", "claimedByRunId"), openapi.Fail(410, "Upload already deleted"),
			},
		},
		"GET /api/upload/stats": {Summary: "Count uploaded files"},

		"GET /api/storage/backends": {Summary: "The configured storage backends, without credentials"},
		"GET /api/storage": {
			Summary: "List objects",
			Detail:  "In the order of their paths. Without a prefix the answer is 400; an empty one lists everything.",
			Params: []openapi.Param{
				{Name: "prefix", Text: "what the path starts with"},
				{Name: "after", Text: "list what comes after this path"},
				atMost(1000),
				{Name: "backend", Text: "the id of a backend; the default one otherwise"},
				{Name: "folders", Text: "1: only what is directly under the prefix, and the folders there under folders", Enum: []string{"1"}},
			},
			Answers: []openapi.Answer{{Body: api.StorageList{}, Text: "the objects"}},
			Errors: []openapi.Failure{
				openapi.Fail(400, "Missing storage path"),
				openapi.Fail(404, "Storage backend not found", "backend"),
			},
		},
		"GET /api/storage/{path...}": {
			Summary: "Read an object",
			Detail:  "JSON up to 16 MiB is answered parsed; anything else, and everything with raw=1 or download, as the bytes it is, for download. A Range gives a part of the bytes. Without a backend it is read from the one that its run uses. A whole object is checked against the recorded SHA-256, and not served when it differs.",
			Params: []openapi.Param{
				{Name: "path", Text: "the path of the object, slashes and all"},
				{Name: "raw", Text: "1: bytes, for JSON too", Enum: []string{"1", "true"}},
				{Name: "download", Text: "present: the same"},
				{Name: "backend", Text: "the id of a backend; the one of the run otherwise"},
			},
			Answers: []openapi.Answer{
				{Body: api.StorageContent{}, Text: "a JSON object, parsed"},
				{Type: "text/plain", Text: "text"},
				{Type: "application/octet-stream", Text: "bytes"},
				{Status: 206, Type: "application/octet-stream", Text: "the part that Range asked for"},
				{Status: 304, Text: "what If-None-Match names is still it"},
				{Status: 416, Type: "text/plain", Text: "the range begins behind the end"},
			},
			Errors: []openapi.Failure{
				openapi.Fail(400, "Invalid storage path"),
				openapi.Fail(404, "File not found", "path"),
				openapi.Fail(404, "Storage backend not found", "backend"),
			},
		},
	}
}
