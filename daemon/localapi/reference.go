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
		{Status: 415, Code: "unsupported_media_type", When: "the body is not declared as JSON"},
		{Status: 429, Code: "rate_limited", When: "too many requests without a valid token; Retry-After says when. A valid token is never held back"},
		{Status: 500, Code: "internal", When: "the cause is in the daemon's log, under the request id"},
		{Status: 503, Code: "not_ready", When: "the daemon is starting or stopping; Retry-After says when"},
	}
}

// The parts that several routes share.
var (
	workerUnknown  = openapi.Fail(404, "no managed worker has this id")
	upstreamFailed = openapi.Fail(502, "the control plane refused or did not answer")
)

// action describes a verb on one worker.
func action(summary, detail string, more ...openapi.Failure) openapi.About {
	return openapi.About{Summary: summary, Detail: detail, Errors: append(more, workerUnknown)}
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
		"POST /api/reload": {
			Summary: "Take up what another program changed in the manifest or in the configuration of workers",
			Example: `{"restart":["wrk_1"]}`, Errors: []openapi.Failure{workerUnknown},
		},
		"GET /api/connectivity": {
			Summary: "What the probes of the network saw, oldest first",
			Params:  []openapi.Param{tailOf("samples", "500", maxConnectivityTail)},
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
			Summary: "What changes, over a WebSocket",
			Detail:  eventsDetail,
			Params: []openapi.Param{
				{Name: "token", Text: "the token, for clients that cannot send headers"},
				{Name: "since", Text: "the seq of the last frame seen: what was missed comes instead of the snapshot, if it is still held", Type: "integer"},
			},
			Answers: []openapi.Answer{{Status: 101, Body: api.LocalFrame{}, Text: "text frames, each of them:"}},
			Errors:  []openapi.Failure{openapi.Fail(426, "this is a WebSocket")},
		},

		"GET /api/workers": {Summary: "Every worker of this host as manifest, supervisor and control plane see it, in the order of the manifest"},
		"POST /api/workers/{id}/start": action("Keep a worker running",
			"This host's business alone. One that waits to be started again starts at once; one that is stopping starts again when it has stopped."),
		"POST /api/workers/{id}/stop": action("Let a worker finish its run, then keep it stopped",
			"This host's business alone. The answer waits a while for the end of the process; `draining` says that it goes on."),
		"POST /api/workers/{id}/enable":  action("Ask the control plane to give a worker work", "Nothing changes here when it refuses.", upstreamFailed, noWorkspace),
		"POST /api/workers/{id}/disable": action("Ask the control plane to give a worker no more work", "Nothing changes here when it refuses.", upstreamFailed, noWorkspace),
		"DELETE /api/workers/{id}": {
			Summary: "Remove a worker here and at its control plane",
			Detail:  "Nothing changes here when the control plane refuses; one that does not know the worker is content. An id that is not managed is no error.",
			Errors:  []openapi.Failure{upstreamFailed, noWorkspace, workerUnknown},
		},
		"GET /api/workers/{id}/logs": {
			Summary: "The newest lines that a worker wrote, oldest first",
			Params:  []openapi.Param{tailOf("lines", "500", maxLogTail)}, Errors: []openapi.Failure{workerUnknown},
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

// noWorkspace is what an entry of an old worker program lacks.
var noWorkspace = openapi.Fail(409, "the worker cannot be switched from this host")

const eventsDetail = "The first frame is a snapshot of all workers; every frame carries a number. A client that comes back names the last one it saw. What a client sends is ignored. " +
	"The daemon pings every 20 seconds. Close codes: 1001 the daemon is stopping, 4408 the client reads too slowly; either way it comes back with since."
