package controlplane

import (
	"pipedai/api"
	"pipedai/internal/openapi"
)

func hostReference() map[string]openapi.About { //nolint:funlen // a table
	noEnrollment := openapi.Fail(404, "Enrollment not found", "enrollmentId")
	decided := openapi.Fail(409, "The request was decided already", "enrollmentId", "status")
	workspace := openapi.Param{Name: "ws", Text: "the workspace of the token; any, to admins of the default one"}
	hostMissing := openapi.Fail(404, "Host not found", "hostId")
	worker := []openapi.Param{workspace, {Name: "id", Text: "the worker"}}
	pooled := []openapi.Param{{Name: "id", Text: "the worker"}}
	return map[string]openapi.About{
		"POST /api/v1/enrollments/device": {
			Summary: "A host asks to join",
			Detail:  "It gets a secret to poll with and a short code for a person to approve (RFC 8628).",
			Answers: []openapi.Answer{{Status: 201, Text: "the codes", Body: api.DeviceStart{}}},
			Errors:  []openapi.Failure{openapi.Fail(429, "rate_limited")},
			Example: `{"label":"build box","hostname":"box","os":"linux"}`,
		},
		"POST /api/v1/enrollments/redeem": {
			Summary: "Trade a code, or the device code of an approved pairing, for credentials",
			Detail:  "Works once. Exactly one of code and deviceCode is given.",
			Errors: []openapi.Failure{
				openapi.Fail(400, "authorization_pending"), openapi.Fail(400, "slow_down"), openapi.Fail(403, "access_denied"),
				openapi.Fail(404, "not_found"), openapi.Fail(409, "already_consumed"), openapi.Fail(410, "expired_token"), openapi.Fail(429, "rate_limited"),
			},
			Example: `{"code":"enr_…","hostname":"box","os":"linux","version":"1.0.0"}`,
		},
		"GET /api/v1/enrollments": {
			Summary: "List pairings and codes, newest first",
			Params: []openapi.Param{
				{Name: "status", Text: "in one state", Enum: []string{"pending", "approved", "denied", "redeemed", "revoked", "expired"}},
				{Name: "limit", Text: "how many at most", Type: "integer", Default: "100", Min: 1, Max: 1000},
				which("workspaceId", "of another workspace, to admins of the default one"),
			},
			Errors: []openapi.Failure{workspaceMissing},
		},
		"GET /api/v1/enrollments/lookup": {
			Summary: "The pairing that a person typed the code of",
			Params:  []openapi.Param{{Name: "code", Text: "the code; case and dashes do not matter"}},
			Errors:  []openapi.Failure{openapi.Fail(404, "Code not found"), openapi.Fail(429, "rate_limited")},
		},
		"POST /api/v1/enrollments/codes": {
			Summary: "Issue a code that admits one host without a decision",
			Answers: []openapi.Answer{{Status: 201, Text: "the code, shown this once", Body: api.IssuedCode{}}},
			Errors:  []openapi.Failure{workspaceMissing, environmentMissing},
			Example: `{"label":"ci runner","expiresInSec":3600}`,
		},
		"POST /api/v1/enrollments/{id}/approve": {
			Summary: "Approve a pairing",
			Detail:  "The host joins the workspace of whoever approves, or, said by an admin of the default one, another. The body may be left out.",
			Errors:  []openapi.Failure{noEnrollment, workspaceMissing, environmentMissing, decided, openapi.Fail(410, "expired_token")},
		},
		"POST /api/v1/enrollments/{id}/deny": {Summary: "Deny a pairing", Errors: []openapi.Failure{noEnrollment, decided, openapi.Fail(410, "expired_token")}},

		"POST /api/v1/enrollments/{id}/revoke": {
			Summary: "Take back a pairing or a code that nobody redeemed",
			Detail:  "A host that has joined by it is revoked as a host.",
			Errors:  []openapi.Failure{noEnrollment, decided},
		},

		"POST /api/v1/hosts/self/checkin": {
			Summary: "A host is there, and asks what it is to do",
			Detail:  "Waits up to waitMs for an order whose key is not among known. A host whose credential is revoked hears 401 with code credential_revoked, also while it waits.",
			Example: `{"facts":{"os":"linux","arch":"amd64","version":"1.0.0","time":"2026-11-21T10:00:00.000Z"},"waitMs":30000}`,
		},
		"GET /api/v1/hosts": {
			Summary: "List hosts by name, with how they are",
			Params: []openapi.Param{
				{Name: "status", Text: "in one state", Enum: []string{"online", "offline", "never", "revoked"}},
				which("workspaceId", "of another workspace, to admins of the default one"),
			},
			Errors: []openapi.Failure{workspaceMissing},
		},
		"GET /api/v1/hosts/{id}":       {Summary: "A host and its workers", Errors: []openapi.Failure{hostMissing}},
		"POST /api/v1/hosts/{id}/note": {Summary: "Keep a note about a host", Errors: []openapi.Failure{hostMissing}, Example: `{"note":"under the desk in room 4"}`},
		"POST /api/v1/hosts/{id}/pause": {
			Summary: "Give no worker of a host new runs",
			Detail:  "Those in hand go on: the host is drained when busy is 0. It ends at until, or by resume.",
			Errors:  []openapi.Failure{hostMissing}, Example: `{"note":"new disk","until":"2026-11-21T12:00:00.000Z"}`,
		},
		"POST /api/v1/hosts/{id}/resume": {Summary: "Undo a pause", Detail: "A worker that was disabled for itself stays so.", Errors: []openapi.Failure{hostMissing}},
		"POST /api/v1/hosts/{id}/revoke": {
			Summary: "Void the credentials of a host and of its workers",
			Detail:  "What it holds open ends within five seconds on every replica. It may join again when a person lets it.",
			Errors:  []openapi.Failure{hostMissing},
		},

		"GET /api/v1/workspaces/{ws}/workers": {Summary: "List workers; a host sees those of its own", Params: []openapi.Param{workspace}, Errors: []openapi.Failure{workspaceMissing}},
		"POST /api/v1/workspaces/{ws}/workers/{id}/disable": {
			Summary: "Give a worker no new runs",
			Detail:  "Those it has in hand go on. The body may be left out; by names the operation that does it, and until is when it ends by itself.",
			Params:  worker, Errors: []openapi.Failure{workerMissing, workspaceMissing, manyHolds},
			Example: `{"note":"new disk","until":"2026-11-21T12:00:00.000Z"}`,
		},
		"POST /api/v1/workspaces/{ws}/workers/{id}/enable": {
			Summary: "Give a worker runs again",
			Detail:  "Whatever disabled it; with by, only what that operation did is taken back. The body may be left out.",
			Params:  worker, Errors: []openapi.Failure{workerMissing, workspaceMissing},
		},
		"POST /api/v1/workspaces/{ws}/workers/{id}/rotate-token": {
			Summary: "Have a worker replace its token",
			Detail:  "It is asked with its next heartbeat.",
			Params:  worker,
			Errors:  []openapi.Failure{workerMissing, workspaceMissing},
		},
		"DELETE /api/v1/workspaces/{ws}/workers/{id}": {
			Summary: "Remove a worker", Detail: "Its tokens are void at once.",
			Params: worker, Errors: []openapi.Failure{workerMissing, workspaceMissing},
		},
		"POST /api/v1/workspaces/{ws}/workers/registration-token": {
			Summary: "Mint a token that admits one new worker",
			Detail:  "It lasts a quarter of an hour and is in the answer and nowhere else. What a host mints is for workers of that host.",
			Params:  []openapi.Param{workspace},
			Answers: []openapi.Answer{{Status: 201, Text: "the token, shown this once", Body: api.MintedToken{}}},
			Errors:  []openapi.Failure{workspaceMissing},
			Example: `{"label":"build box"}`,
		},
		"POST /api/v1/workers/register": {
			Summary: "Trade a registration token for a worker and its token",
			Detail:  "Works once. A hostname that is known in the workspace is the same worker; its earlier token is void then.",
			Answers: []openapi.Answer{{Status: 201, Text: "the worker", Body: api.RegisteredWorker{}}},
			Errors: []openapi.Failure{
				openapi.Fail(403, "access_denied"), openapi.Fail(404, "not_found"), openapi.Fail(409, "already_consumed"),
				openapi.Fail(410, "expired_token"), openapi.Fail(429, "rate_limited"),
			},
			Example: `{"token":"wrk_…","hostname":"box-pdf","os":"linux","version":"1.0.0"}`,
		},
		"GET /api/v1/workers/{id}/events": {
			Summary: "What happened to a worker, oldest first",
			Params: []openapi.Param{
				{Name: "since", Text: "what follows this number; without it, the newest", Type: "integer", Min: 0, Max: 1 << 53},
				{Name: "limit", Text: "how many at most", Type: "integer", Default: "100", Min: 1, Max: eventPage},
			},
			Errors: []openapi.Failure{workerMissing},
		},
		"GET /api/v1/pool-workers": {Summary: "List the workers of the pool: what tells the state of each"},
		"GET /api/v1/admin/pool-workers": {
			Summary: "List the workers of the pool", Detail: "With all that is known of them, to operators of the default workspace.",
		},
		"POST /api/v1/admin/pool-workers/{id}/disable": {
			Summary: "Give a pool worker no new runs", Detail: "For admins of the default workspace. Runs in hand go on.",
			Params: pooled, Body: api.SwitchRequest{}, Errors: []openapi.Failure{workerMissing, manyHolds},
		},
		"POST /api/v1/admin/pool-workers/{id}/enable": {
			Summary: "Give a pool worker runs again", Detail: "For admins of the default workspace.",
			Params: pooled, Body: api.SwitchRequest{}, Errors: []openapi.Failure{workerMissing},
		},
		"DELETE /api/v1/admin/pool-workers/{id}": {
			Summary: "Remove a pool worker", Detail: "For admins of the default workspace. Its token is void at once.",
			Params: pooled, Errors: []openapi.Failure{workerMissing},
		},
		"POST /api/v1/pool-workers/{id}/self-disable": {
			Summary: "A pool worker asks for no new runs", Detail: "Only with the token of that worker, which its host holds.",
			Params: pooled, Body: api.SwitchRequest{}, Errors: []openapi.Failure{manyHolds},
		},
		"POST /api/v1/pool-workers/{id}/self-enable": {
			Summary: "A pool worker asks for runs again", Detail: "Only with the token of that worker.",
			Params: pooled, Body: api.SwitchRequest{},
		},
		"GET /api/v1/workers/{id}/events/stream": {
			Summary: "What happens to a worker, as server-sent events",
			Detail:  "The data is a LifecycleEvent. A new reader is greeted with the newest event; one that comes back gets what it missed.",
			Params: []openapi.Param{
				{Name: "since", Text: "the last number seen; the header Last-Event-ID says the same"},
				{Name: "Last-Event-ID", In: "header", Text: "the last number seen"},
			},
			Answers: []openapi.Answer{{Type: "text/event-stream", Text: "events until either side hangs up"}},
			Errors:  []openapi.Failure{workerMissing},
		},
	}
}

var (
	workspaceParam   = openapi.Param{Name: "ws", Text: "the workspace: the token's own, or any to admins of the default one"}
	workspaceMissing = openapi.Fail(404, "Workspace not found", "workspaceId")
	manyHolds        = openapi.Fail(409, "The worker is disabled for too many reasons")

	environmentMissing = openapi.Fail(404, "Environment not found", "environmentId")
)

// workerReference describes what workers and operators call about themselves.
func workerReference() map[string]openapi.About {
	return map[string]openapi.About{
		"POST /api/v1/workers/self/register": {
			Summary: "Announce a service whose runs are claimed",
			Detail:  "As /api/register, without a baseUrl.",
			Example: `{"serviceId":"pdf","version":"1.0.0","tasks":[{"id":"extract","codeHash":"0011223344556677"}]}`,
		},
		"POST /api/v1/workers/self/claim": {
			Summary: "Claim runs to execute",
			Detail:  "Waits up to waitMs for something to do. A disabled worker gets none.",
			Example: `{"serviceId":"pdf","max":4,"waitMs":30000}`,
		},
		"POST /api/v1/workers/self/heartbeat": {
			Summary: "A worker is alive, and so are the runs it names",
			Params:  []openapi.Param{{Name: api.HeaderWorkerVersion, In: "header", Text: "the version of the worker"}},
			Example: `{"runs":[{"runId":"trun_0123456789abcdef","progress":40}]}`,
		},
		"POST /api/v1/workers/self/callbacks": {
			Summary: "Report the ends of several attempts",
			Detail:  "At most 1000. Each counts on its own, and its result has the status it would have had alone.",
			Example: `{"callbacks":[{"runId":"trun_0123456789abcdef","callback":{"status":"success","outputPath":"runs/x/output.json"}}]}`,
		},
		"POST /api/v1/workers/self/run-events": {
			Summary:  "Report what happens in runs",
			Detail:   "NDJSON: a RunEventLine each line, at most 1000. An event that is known by run and seq is not kept again, so a batch whose answer was lost is sent again as it is. What is beyond the bounds (seq 10000, 16 KiB of payload) is counted as dropped. A run whose token does not fit is among the refused; when none is admitted the answer is that refusal.",
			BodyType: "application/x-ndjson",
			Answers:  []openapi.Answer{{Body: api.RunEventsAnswer{}, Text: "what became of the lines"}},
			Errors:   []openapi.Failure{openapi.Fail(403, "the run is not this worker's", "runId"), openapi.Fail(409, "the token is that of attempt 1", "runId")},
		},
		"POST /api/v1/workers/self/rotate": {
			Summary: "Replace the worker's token",
			Detail:  "The token that is shown goes on being good until the new one is used for the first time, and then as long as a run that the worker has in hand may take, a minute at least. A new one that was never used is void when another is asked for.",
			Answers: []openapi.Answer{{Status: 201, Text: "the new token, shown this once", Body: api.RotatedToken{}}},
			Errors:  []openapi.Failure{openapi.Fail(409, "conflict")},
		},
		"POST /api/v1/workers/self/events": {Summary: "Report a lifecycle event", Example: `{"type":"worker.started","ts":"2026-11-21T10:00:00.000Z"}`},

		"GET /api/v1/workspaces": {Summary: "List workspaces by name; all of them to admins of the default one"},
		"POST /api/v1/workspaces": {
			Summary: "Create a workspace", Detail: "For admins of the default one. It has an environment called default.",
			Answers: []openapi.Answer{{Status: 201, Text: "the workspace", Body: api.Workspace{}}},
			Errors:  []openapi.Failure{openapi.Fail(409, "The name is taken")},
			Example: `{"name":"research","authMode":"claude_max"}`,
		},
		"PATCH /api/v1/workspaces/{ws}": {
			Summary: "Rename a workspace, or say how its workers pay for models", Detail: "Hosts that join hear the auth mode; those that are in keep theirs.",
			Params: []openapi.Param{workspaceParam}, Errors: []openapi.Failure{workspaceMissing, openapi.Fail(409, "The name is taken")},
			Example: `{"name":"lab"}`,
		},
		"GET /api/v1/workspaces/{ws}/environments": {
			Summary: "List the environments of a workspace, oldest first", Params: []openapi.Param{workspaceParam}, Errors: []openapi.Failure{workspaceMissing},
		},
		"POST /api/v1/workspaces/{ws}/environments": {
			Summary: "Create an environment", Params: []openapi.Param{workspaceParam},
			Answers: []openapi.Answer{{Status: 201, Text: "the environment", Body: api.Environment{}}},
			Errors:  []openapi.Failure{workspaceMissing, openapi.Fail(409, "The name is taken")},
			Example: `{"name":"staging"}`,
		},
		"GET /api/v1/tokens": {
			Summary: "List tokens, newest first",
			Detail:  "Those of operators (pwk), those that list the pool (pop), and those that admit a worker (wrk, pool) or a host (enr); expired, used and revoked ones included, of those that admit as long as they are kept. Admins of the default workspace see all, others those of their workspace. Credentials of hosts and workers are not here: they end with the host or the worker.",
			Params: []openapi.Param{
				{Name: "kind", Text: "of one kind", Enum: []string{"pwk", "pop", "pool", "wrk", "enr"}}, which("workspaceId", "of one workspace"),
			},
			Errors: []openapi.Failure{workspaceMissing},
		},
		"POST /api/v1/tokens": {
			Summary: "Create a token",
			Detail:  "The token is in the answer and nowhere else. Tokens of the pool are for admins of the default workspace to create. From the first pwk token on, every caller needs one, local programs included; workers that cannot send one use the path in the answer.",
			Errors:  []openapi.Failure{workspaceMissing, environmentMissing, openapi.Fail(409, "The name is taken")},
			Example: `{"name":"ci","role":"operator","expiresInSec":7776000}`,
		},
		"DELETE /api/v1/tokens/{id}": {
			Summary: "Revoke a token",
			Detail:  "It is void at once here, and within two seconds on other replicas. What it holds open ends within five.",
			Errors: []openapi.Failure{
				openapi.Fail(404, "Token not found", "tokenId"), openapi.Fail(409, "The token is the one in use"), openapi.Fail(409, "The token was used", "tokenId"),
			},
		},
		"GET /api/v1/audit": {
			Summary: "Who did what, newest first",
			Detail:  "Every change that operators and hosts made or were refused; what workers say about their work is not here. Admins of the default workspace see all of it, others what is of theirs. Whoever follows reads with order=oldest and the seq of the last line as the cursor: no line before it comes later.",
			Params: []openapi.Param{
				which("actor", "of one token or host, by its name, or by the id of a token"),
				which("action", "one action, such as worker.disable, or all of a noun, such as worker"),
				which("object", "what was acted on, by its id"), which("workspaceId", "of one workspace"),
				since("since", "from then on"), since("until", "before then"),
				{Name: "order", Text: "which end to begin at", Enum: []string{"newest", "oldest"}, Default: "newest"},
				which("cursor", "the nextCursor of the page before, or the seq of a line"),
				{Name: "limit", Text: "how many at most", Type: "integer", Default: "100", Min: 1, Max: 1000},
			},
		},
		"GET /api/v1/session": {Summary: "Who the token says the caller is"},
		"GET /api/v1/health":  {Summary: "Whether the server answers"},
	}
}
