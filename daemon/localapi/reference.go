package localapi

import (
	"pipedai/api"
	"pipedai/internal/openapi"
)

const referenceIntro = `What the daemon of a host answers to the command line and the dashboard on the same machine: JSON over HTTP/1.1 on a loopback port
(4599, or what ` + "`daemon.json`" + ` in the host's folder says). Times named ` + "`…At`" + ` are RFC 3339 in UTC with milliseconds, or null; those named ` + "`ts`" + `, and those of processes, are
milliseconds since 1970. Members are added over time, never renamed, removed or retyped: ignore those you do not know.

Every request but that for liveness and for the files of the page needs ` + "`Authorization: Bearer TOKEN`" + ` with the token in ` + "`credentials.json`" + `; the WebSocket also takes ` + "`?token=`" + `, because
browsers cannot set headers there. The daemon answers only to the Host names 127.0.0.1, localhost and [::1] with its port, refuses what pages of other origins send, and sends no
CORS headers. Whatever may have a body has to be declared as ` + "`application/json`" + `, also when it has none. A body may have 64 KiB and be nested 500 levels deep. How it is all
guarded: [security-host.md](security-host.md).

Every error has the members ` + "`error`, `code` and `requestId`" + `; the id names the line in the daemon's log and is in the header X-Request-Id of every answer. While the daemon starts,
most routes answer 503 with code ` + "`not_ready`" + ` and Retry-After. Paths are exact: a slash at the end is another path.`

// refusals are the errors that any route can answer.
func refusals() []openapi.Refusal {
	return []openapi.Refusal{
		{Status: 400, Code: "invalid_request, validation_failed", When: "a parameter or the body is not what the route reads"},
		{Status: 401, Code: "unauthorized", When: "the token is missing or not this host's; the answer is the same whatever was wrong with it"},
		{Status: 403, Code: "foreign_host, foreign_origin", When: "the Host is not one of this daemon's names, or a page of another origin asks"},
		{Status: 404, Code: "not_found", When: "no such route, or no such worker"},
		{Status: 405, Code: "invalid_request", When: "the path is right and the method is not; Allow says which are"},
		{Status: 413, Code: "payload_too_large", When: "the body is larger than 64 KiB"},
		{Status: 415, Code: "unsupported_media_type", When: "the body is not declared as JSON, or it is compressed"},
		{Status: 429, Code: "rate_limited", When: "too many requests without a valid token; Retry-After says when. A valid token is never held back"},
		{Status: 500, Code: "internal", When: "the cause is in the daemon's log, under the request id"},
		{Status: 503, Code: "not_ready", When: "the daemon is starting or stopping; Retry-After says when"},
		{Status: 503, Code: "unavailable", When: "the manifest cannot be used now: another program holds it, the disk is full, or no more files can be opened; `detail` says which, `fix` what helps"},
	}
}

// The parts that several routes share.
var (
	workerUnknown  = openapi.Fail(404, "no managed worker has this id")
	upstreamFailed = openapi.Fail(502, "the control plane refused or did not answer")
)

// action describes a verb on one worker.
func action(summary, detail string, more ...openapi.Failure) openapi.About {
	return openapi.About{Summary: summary, Detail: detail, Errors: append(more, workerUnknown, badFlag)}
}

func tailOf(what, def string, most int) openapi.Param {
	return openapi.Param{Name: "tail", Text: "how many of the newest " + what, Type: "integer", Default: def, Min: 1, Max: most}
}

// reference says of every route what its types do not. A new route needs a row
// here; a test fails without.
func reference() map[string]openapi.About { //nolint:funlen // a table
	return map[string]openapi.About{
		"GET /api/healthz": {
			Summary: "Whether the daemon is alive, and whether it looks after its workers yet",
			Detail:  "Says nothing about the host or its workers.",
		},
		"GET /api/openapi.json": {Summary: "This interface as an OpenAPI 3.1 document", Answers: []openapi.Answer{{Type: "application/json", Text: "the document"}}},
		"GET /metrics": {
			Summary: "Metrics in the text format of Prometheus",
			Answers: []openapi.Answer{{Type: "text/plain", Text: "the metrics"}},
		},
		"GET /api/self": {Summary: "The daemon, its host, its links to control planes, and what needs attention"},
		"POST /api/upgrade-self": {
			Summary: "Upgrade the daemon itself; workers keep running",
			Detail: "Exactly one of `version` (exact, or `latest`) and `fromLocal` says what it is to become. It answers when that is on this host and says that it is what was asked for; then the daemon " +
				"lets go of everything, the new version has to do all that a daemon does, and only then it takes the place of this one. Otherwise this one goes on, and the operation says why. " +
				"Meanwhile the API answers 503 or not at all for some seconds. With `?async=1` or `Prefer: respond-async` the answer does not wait for the download: it is 202.",
			Params: []openapi.Param{{Name: "async", Text: "1 does not wait"}},
			Answers: []openapi.Answer{
				{Status: 200, Body: api.UpgradeSelfResult{}, Text: "the version is here; the operation goes on"},
				{Status: 202, Body: api.UpgradeSelfResult{}, Text: "the operation that goes on"},
			},
			Errors: []openapi.Failure{
				openapi.Fail(409, "another upgrade is under way, the version failed here before, is older than this one, or is not trusted"),
				openapi.Fail(422, "the program is not what it should be"), upstreamFailed, unwritten, badFlag,
			},
			Example: `{"version":"1.2.3"}`,
		},
		"POST /api/reload": {
			Summary: "Take up what another program changed in the manifest or in the configuration of workers",
			Example: `{"restart":["wrk_1"]}`, Errors: []openapi.Failure{workerUnknown},
		},
		"GET /api/connectivity": {
			Summary: "What the probes of the network saw, oldest first",
			Params:  []openapi.Param{tailOf("samples", "500", maxConnectivityTail)},
		},
		"GET /api/usage": {
			Summary: "What workers took lately, oldest first",
			Detail:  "The daemon keeps an hour of it, and forgets it when it ends. What a worker takes now is in its status.",
			Params:  []openapi.Param{tailOf("samples of each worker", "500", maxUsageTail)},
		},
		"POST /api/restart": {
			Summary: "Let a new daemon take this one's place; workers keep running",
			Example: `{"reason":"new configuration"}`, Errors: []openapi.Failure{openapi.Fail(409, "the daemon is stopping already")},
		},
		"POST /api/detach": {
			Summary: "End the daemon and leave its workers running",
			Example: `{"reason":"maintenance"}`, Errors: []openapi.Failure{openapi.Fail(409, "the daemon is stopping already")},
		},
		"GET /api/events": {
			Summary: "What happened, oldest first; or, over a WebSocket, what changes",
			Detail:  eventsDetail,
			Params: []openapi.Param{
				{Name: "token", Text: "the token, for clients that cannot send headers"},
				{Name: "since", Text: "over HTTP, the next of the last answer; over a WebSocket the seq of the last frame seen: what was missed comes instead of the snapshot, if it is still held", Type: "integer"},
				{Name: "worker", Text: "only what is about this worker; the status is about all"},
				{Name: "logs", Text: "over a WebSocket: 0 for no lines of logs, or ids with commas between for lines of those workers; otherwise lines of all"},
				{Name: "limit", Text: "over HTTP: how many at most; without since, the newest", Type: "integer", Default: "200", Min: 1, Max: maxEvents},
			},
			Answers: []openapi.Answer{
				{Status: 200, Body: api.HostEvents{}, Text: "the events that are kept; their numbers are not those of frames"},
				{Status: 101, Body: api.LocalFrame{}, Text: "text frames, each of them:"},
			},
			Errors: []openapi.Failure{openapi.Fail(404, "worker is no possible id")},
		},

		"GET /api/workers": {Summary: "Every worker of this host as manifest, supervisor and control plane see it, in the order of the manifest"},
		"POST /api/workers": {
			Summary: "Register a new worker and run it here",
			Detail:  "What can be found wrong is found before a token is asked for. With `?async=1` or `Prefer: respond-async` the answer does not wait: it is 202 and holds the operation.",
			Params:  []openapi.Param{{Name: "async", Text: "1 does not wait"}},
			Answers: []openapi.Answer{
				{Status: 201, Body: api.BuildResult{}, Text: "the worker"},
				{Status: 202, Body: api.BuildResult{}, Text: "the operation that goes on"},
			},
			Errors: []openapi.Failure{
				openapi.Fail(409, "the label is taken, or a credential or the worker program is missing"), openapi.Fail(422, "the token or a task file cannot be used"),
				upstreamFailed, unwritten, badFlag,
			},
			Example: `{"apiUrl":"https://api.example.com","label":"pdf"}`,
		},
		"GET /api/workers/{id}": {
			Summary: "One worker, with its settings and how its last processes ended",
			Detail:  "Of its environment only the names are told.", Errors: []openapi.Failure{workerUnknown},
		},
		"PATCH /api/workers/{id}": {
			Summary: "Change what a worker is given: environment, folder, stop grace, restarts, limits",
			Detail: "What is left out stays; 0, an empty text and an empty list bring the default back, null takes a variable out. It takes effect when the process starts the next time. " +
				"Members that are not known are refused. Values of secretEnv are kept in a file of the owner's and never told.",
			Body: api.WorkerSettingsChange{}, Example: `{"limits":{"memoryBytes":2147483648,"cpu":1.5},"env":{"MODEL":"small","OLD":null},"stopGraceMs":600000}`,
			Errors: []openapi.Failure{openapi.Fail(422, "a setting is out of its bounds; nothing was changed"), workerUnknown},
		},
		"POST /api/workers/{id}/start": action("Keep a worker running",
			"This host's business alone. One that waits to be started again starts at once; one that is stopping starts again when it has stopped.", underWay, unwritten),
		"POST /api/workers/{id}/stop": withNow(action("Let a worker finish its run, then keep it stopped",
			"This host's business alone. The answer waits a while for the end of the process; `draining` says that it goes on.", unwritten)),
		"POST /api/workers/{id}/restart": withNow(action("Let a worker finish its run, then start it again",
			"This host's business alone. One that is stopped is started.", underWay, unwritten)),
		"POST /api/workers/{id}/enable": action("Ask the control plane to give a worker work", "Nothing changes here when it refuses.", upstreamFailed, noWorkspace, underWay, unwritten),
		"POST /api/workers/{id}/disable": {
			Summary: "Ask the control plane to give a worker no more work",
			Detail:  "Nothing changes here when it refuses. The run in hand goes on, and so does the process.",
			Params:  []openapi.Param{{Name: "drain", Text: "1 answers when the run in hand has ended, or after a while with the operation that waits for it"}},
			Errors:  []openapi.Failure{upstreamFailed, noWorkspace, underWay, unwritten, workerUnknown, badFlag},
		},
		"DELETE /api/workers/{id}": {
			Summary: "Remove a worker here and at its control plane",
			Detail: "It gets no more work, finishes the run it has in hand, and is removed then; the answer waits a while for that, and says with `draining` and `operation` that it goes on. " +
				"Nothing changes here when the control plane refuses; one that does not know the worker is content. An id that is not managed is no error.",
			Params: []openapi.Param{{Name: "now", Text: "1 does not wait for the run in hand"}},
			Errors: []openapi.Failure{upstreamFailed, noWorkspace, underWay, unwritten, workerUnknown, badFlag},
		},
		"POST /api/workers/{id}/upgrade": {
			Summary: "Put a worker on another version of its program",
			Detail: "Exactly one of `version` (an exact one, or `latest`), `fromLocal` and `rollback`. The version is fetched beside the others; then the worker gets no more work, finishes its run, starts " +
				"from it, and has to prove itself, or everything is as before. The answer comes when that is over; with `?async=1` or `Prefer: respond-async`, or when it takes long, it is 202 and holds the operation.",
			Params: []openapi.Param{{Name: "async", Text: "1 does not wait"}},
			Answers: []openapi.Answer{
				{Status: 200, Body: api.UpgradeResult{}, Text: "it is over"},
				{Status: 202, Body: api.UpgradeResult{}, Text: "the operation that goes on"},
			},
			Errors: []openapi.Failure{
				openapi.Fail(409, "another upgrade is under way on this host, or an operation on the worker; or the version is refused: not signed by the pinned key, expired, yanked, older, or it failed here before"),
				openapi.Fail(422, "the request, or no such version; or, with code upgrade_failed, it was taken back: details.failure says why"), upstreamFailed, unwritten, workerUnknown, badFlag,
			},
			Example: `{"version":"1.4.0","timeoutMs":60000}`,
		},
		"POST /api/workers/upgrade": {
			Summary: "Put workers on another version, one after the other",
			Detail: "Those that run and are idle go first, the first of them as the canary; it stops at the first that fails. Without `version` and `fromLocal` each gets the newest of its control plane. " +
				"What became of each is in `upgrade.items` of the operation, which outlives the daemon.",
			Params: []openapi.Param{{Name: "async", Text: "1 does not wait"}},
			Answers: []openapi.Answer{
				{Status: 200, Body: api.UpgradeResult{}, Text: "it is over"},
				{Status: 202, Body: api.UpgradeResult{}, Text: "the operation that goes on"},
			},
			Errors: []openapi.Failure{
				openapi.Fail(409, "another upgrade is under way on this host"),
				openapi.Fail(422, "the request; or, with code upgrade_failed, one failed and the rest was not touched"), unwritten, workerUnknown, badFlag,
			},
			Example: `{"version":"1.4.0"}`,
		},
		"POST /api/connectivity/check": {
			Summary: "Look at what stands between this host and its control planes",
			Detail:  "Name, connection, certificate, answer, clock, credential and event stream of each, one after the other and all control planes at the same time. Changes nothing; ends within 30 seconds. `ok` says that nothing failed.",
		},
		"GET /api/config": {
			Summary: "What the daemon was started with, and where each value comes from",
			Detail:  "A change takes effect when the daemon starts again. Passwords in URLs are not told.",
		},
		"GET /api/adoptable": {
			Summary: "Stand-alone workers of this host that could be managed, and what runs them now",
			Detail:  "Looks at every worker.json and worker.NAME.json in the host's folder, at processes and at the units of service managers; changes nothing.",
			Errors:  []openapi.Failure{openapi.Fail(422, "the host's folder cannot be read")},
		},
		"POST /api/adopt": {
			Summary: "Manage stand-alone workers",
			Detail: "Every file has its own outcome in `items`; one that fails does not keep others from being adopted. A worker that something else runs is left alone unless `takeOver` is set: then its " +
				"unit is disabled and stopped, or its process asked to end, before the daemon runs it. That can take as long as a run; the answer waits a while and is 202 with the operation when it goes on.",
			Answers: []openapi.Answer{
				{Status: 200, Body: api.AdoptResult{}, Text: "what became of each file"},
				{Status: 202, Body: api.AdoptResult{}, Text: "the operation that goes on"},
			},
			Errors:  []openapi.Failure{openapi.Fail(409, "somebody else is adopting workers"), openapi.Fail(422, "a path is not absolute, or a process cannot be adopted"), unwritten},
			Example: `{"paths":["/home/u/.pipedai/worker.json"],"takeOver":true}`,
		},
		"POST /api/adopt/undo": {
			Summary: "Give an adopted worker back",
			Detail: "The daemon stops it, once the run that it has in hand is through, and no longer manages it; then what ran it before is as it was. That can take as long as a run; the answer waits a " +
				"while and is 202 with the operation when it goes on. Giving back once more what was given back is no error.",
			Answers: []openapi.Answer{
				{Status: 200, Body: api.AdoptResult{}, Text: "what became of it"},
				{Status: 202, Body: api.AdoptResult{}, Text: "the operation that goes on"},
			},
			Errors:  []openapi.Failure{openapi.Fail(404, "no such worker was adopted"), openapi.Fail(409, "somebody else is adopting workers"), unwritten},
			Example: `{"workerId":"wrk_1"}`,
		},
		"GET /api/operations": {
			Summary: "Long actions, newest first: at least the newest 200 are kept",
			Params:  []openapi.Param{{Name: "limit", Text: "how many at most", Type: "integer", Default: "50", Min: 1, Max: maxOperations}},
		},
		"GET /api/operations/{id}": {Summary: "One long action", Errors: []openapi.Failure{operationUnknown}},
		"POST /api/operations/{id}/cancel": {
			Summary: "Have a long action taken back",
			Detail:  "The answer does not wait until it is.",
			Errors:  []openapi.Failure{operationUnknown, openapi.Fail(409, "it has ended, or it is too late")},
		},
		"GET /api/workers/{id}/logs": {
			Summary: "Lines that a worker wrote, oldest first: the newest, or a page of them",
			Detail: "Every line has a position that survives rotation and restarts; a frame of the WebSocket has the same. Ask for what is after the last line you have, and nothing is missing or double. " +
				"A search looks at files for two seconds at most and says how far it got.",
			Params: append([]openapi.Param{
				tailOf("lines", "500", maxLogTail),
				{Name: "limit", Text: "how many lines; goes before tail", Type: "integer", Min: 1, Max: maxLogLimit},
				{Name: "after", Text: "a position: the oldest lines behind it; -1 begins at the first", Type: "integer"},
				{Name: "before", Text: "a position: the newest lines before it", Type: "integer"},
				{Name: "count", Text: "1: count the lines that fit, too", Enum: []string{"0", "1"}},
			}, logFilterParams...),
			Errors: []openapi.Failure{workerUnknown},
		},
		"GET /api/workers/{id}/logs/download": {
			Summary: "Everything that is held of what a worker wrote, or all lines that fit, as a file",
			Params: append([]openapi.Param{
				{Name: "format", Default: "text", Enum: []string{"text", formatNDJSON}, Text: "lines of time, stream and text, or an object of JSON for each, as the route for lines has them"},
			}, logFilterParams...),
			Answers: []openapi.Answer{{Type: "text/plain", Text: "the lines"}, {Type: "application/x-ndjson", Text: "with format=ndjson"}},
			Errors:  []openapi.Failure{workerUnknown, openapi.Fail(400, "what is asked for cannot be read")},
		},
		"GET /api/workers/{id}/runs": {
			Summary: "The runs of which a worker left events on this host, newest first, at most 50",
			Errors:  []openapi.Failure{workerUnknown},
		},
		"GET /api/workers/{id}/runs/{run}/events": {
			Summary: "Events of a run, in the order of the file",
			Detail:  "A run without events yet has none. Only what was appended since the last request is read.",
			Params: []openapi.Param{
				{Name: "run", Text: "the id of the run"},
				{Name: "after", Text: "events with a greater seq, at most 5,000 of them; goes before tail", Type: "integer"},
				tailOf("events", "500", maxRunTail),
			},
			Errors: []openapi.Failure{workerUnknown},
		},
	}
}

// withNow adds the parameter that ends a run in hand.
func withNow(a openapi.About) openapi.About {
	a.Params = []openapi.Param{{Name: "now", Text: "1 does not wait for the run in hand: the whole process group is killed"}}
	return a
}

var (
	badFlag          = openapi.Fail(400, "a parameter is neither 1 nor 0, or is not one of this verb")
	underWay         = openapi.Fail(409, "an operation on the worker is under way")
	unwritten        = openapi.Fail(503, "the manifest cannot be written; what the control plane agreed to is made good by itself")
	operationUnknown = openapi.Fail(404, "no operation has this id")
)

var logFilterParams = []openapi.Param{
	{Name: "since", Text: "a time, RFC 3339 or milliseconds: not older lines"},
	{Name: "until", Text: "a time: older lines"},
	{Name: "stream", Text: "lines of one stream", Enum: []string{"out", "err"}},
	{Name: "grep", Text: "lines that hold this text, at most 1,000 bytes"},
	{Name: "regex", Text: "1: grep is a regular expression (RE2)", Enum: []string{"0", "1"}},
	{Name: "ignoreCase", Text: "1: grep in any case", Enum: []string{"0", "1"}},
}

// noWorkspace is what an entry of an old worker program lacks.
var noWorkspace = openapi.Fail(409, "the worker cannot be switched from this host")

const eventsDetail = "Over a WebSocket the first frame is a snapshot of all workers; every frame carries a number. Frames of kind `operation` and `event` tell of long actions and of what is kept. A client that comes back names the last one it saw. What a client sends is ignored. " +
	"The daemon pings every 20 seconds. Close codes: 1001 the daemon is stopping, 4401 the token was replaced, 4408 the client reads too slowly; either way it comes back with since."
