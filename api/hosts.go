package api

import "encoding/json"

// The remote API that hosts and their workers call, under /api/v1.

// DeviceStartRequest begins a pairing: POST /api/v1/enrollments/device. The
// facts are shown to the person who approves; only label is known to older
// clients.
type DeviceStartRequest struct {
	Label    string `json:"label,omitempty" validate:"max=255"`
	Hostname string `json:"hostname,omitempty" validate:"max=255"`
	OS       string `json:"os,omitempty" validate:"max=64"`
	Version  string `json:"version,omitempty" validate:"max=64"`
}

// DeviceStart answers it.
type DeviceStart struct {
	ID                      string  `json:"id"`
	DeviceCode              string  `json:"deviceCode"`
	UserCode                string  `json:"userCode"`
	VerificationURI         string  `json:"verificationUri"`
	VerificationURIComplete string  `json:"verificationUriComplete"`
	Interval                float64 `json:"interval"` // seconds
	ExpiresAt               Time    `json:"expiresAt"`
	ExpiresIn               float64 `json:"expiresIn"` // seconds from now; added, so that a host's clock need not be right
}

// RedeemRequest trades a code or an approved device code for credentials:
// POST /api/v1/enrollments/redeem. Exactly one of Code and DeviceCode.
type RedeemRequest struct {
	Code       string `json:"code,omitempty" validate:"required_without=DeviceCode,excluded_with=DeviceCode"`
	DeviceCode string `json:"deviceCode,omitempty"`
	Hostname   string `json:"hostname" validate:"required,max=255"`
	OS         string `json:"os" validate:"required,max=64"`
	Version    string `json:"version" validate:"required,max=64"`
	Label      string `json:"label,omitempty" validate:"max=255"`
}

// RedeemResult answers it.
type RedeemResult struct {
	WorkerID      string `json:"workerId"`
	WorkerToken   string `json:"workerToken"`
	OperatorToken string `json:"operatorToken"`
	APIURL        string `json:"apiUrl"`
	WorkspaceID   string `json:"workspaceId"`
	EnvironmentID string `json:"environmentId"`
	AuthMode      string `json:"authMode"`
	// ReleaseKeys is the history of the key that signs releases, for the host to
	// trust from now on; absent while the server has none.
	ReleaseKeys *ReleaseKeys `json:"releaseKeys,omitempty"`
}

// RemoteWorker is one row of GET /api/v1/workspaces/{id}/workers.
type RemoteWorker struct {
	ID            string  `json:"id"`
	Status        string  `json:"status"`                  // "online" or "offline"
	DerivedStatus string  `json:"derivedStatus,omitempty"` // "busy", "online", "offline" or "disabled"
	CurrentRunID  *string `json:"currentRunId"`
	Version       *string `json:"version"`
	LastSeenAt    Time    `json:"lastSeenAt"`
	Disabled      bool    `json:"disabled"`
	Hostname      string  `json:"hostname,omitempty"`
	Label         string  `json:"label,omitempty"`
	OS            string  `json:"os,omitempty"`
	RegisteredAt  Time    `json:"registeredAt"`
	Host          string  `json:"host,omitempty"`  // the name of the host that keeps it
	Holds         []Hold  `json:"holds,omitempty"` // why it is disabled
}

// RemoteWorkers is the list.
type RemoteWorkers struct {
	Items      []RemoteWorker `json:"items"`
	NextCursor *string        `json:"nextCursor"`
}

// LifecycleEvent is the data of one server-sent event of GET
// /api/v1/workers/{id}/events/stream, and the body of POST
// /api/v1/workers/self/events.
type LifecycleEvent struct {
	Type string          `json:"type" validate:"required,max=64"`
	TS   Time            `json:"ts"`
	Data json.RawMessage `json:"data,omitempty"`
}

// The types of lifecycle events that workers report.
const (
	EventWorkerStarted      = "worker.started"
	EventWorkerStopped      = "worker.stopped"
	EventPollError          = "poll.error"
	EventPollRecovered      = "poll.recovered"
	EventConcurrencyChanged = "concurrency.changed"
)

// Release names the newest version of a program.
type Release struct {
	Latest   string `json:"latest"` // or "unknown"
	Source   string `json:"source"` // "release", or "control-plane" for the server's own version
	Sequence int64  `json:"sequence,omitempty"`
	KeyID    string `json:"keyId,omitempty"` // of the key that signed the release
}

// Releases answers GET /api/v1/releases/latest.
type Releases struct {
	Worker       Release `json:"pipedaiWorker"`
	Orchestrator Release `json:"pipedaiOrchestrator"`
	ControlPlane Release `json:"pipeweave"`
	Channel      string  `json:"channel"`
}

// The worker's half of the remote API. Every call carries the worker token,
// and the worker is who the token says.

// HeaderWorkerVersion carries the worker's version with each heartbeat.
const HeaderWorkerVersion = "X-Pipedai-Worker-Version"

// ClaimRequest asks for work: POST /api/v1/workers/self/claim. The answer
// waits up to WaitMs for something to claim.
type ClaimRequest struct {
	ServiceID string `json:"serviceId" validate:"required"`
	Max       int    `json:"max" validate:"gte=1,lte=1000"`
	WaitMs    int64  `json:"waitMs" validate:"gte=0,lte=60000"`
}

// ClaimResponse answers it. Runs is empty, never null, when nothing came up.
type ClaimResponse struct {
	Runs []Dispatch `json:"runs"`
	// Disabled says that an operator switched the worker off: it gets no work
	// until that changes.
	Disabled bool `json:"disabled"`
}

// WorkerBeatRequest is POST /api/v1/workers/self/heartbeat: the worker is
// alive, and these are the runs it has in hand.
type WorkerBeatRequest struct {
	Runs []HeartbeatRequest `json:"runs" validate:"dive"`
}

// WorkerBeatResponse answers it. Cancel lists the wire ids of runs the worker
// should stop: cancelled, or no longer its own.
type WorkerBeatResponse struct {
	Cancel   []string `json:"cancel"`
	Disabled bool     `json:"disabled"`
	// Rotate asks the worker to replace its token, see RotatedToken.
	Rotate bool `json:"rotate,omitempty"`
}

// RotatedToken answers POST /api/v1/workers/self/rotate. The token that was
// used goes on being good until the new one is used; from then on as long as
// the longest run that the worker has in hand.
type RotatedToken struct {
	WorkerToken string `json:"workerToken"`
}

// CallbacksRequest is POST /api/v1/workers/self/callbacks: the ends of several
// attempts, each of which counts or does not on its own, as with POST
// /api/callback/{runId}.
type CallbacksRequest struct {
	Callbacks []RunCallback `json:"callbacks" validate:"required,max=1000,dive"`
}

// MaxCallbacks is the most reports of one request.
const MaxCallbacks = 1000

// RunCallback is the end of one attempt, under its wire run id.
type RunCallback struct {
	RunID    string          `json:"runId" validate:"required"`
	Callback CallbackRequest `json:"callback"`
}

// CallbacksResponse answers it, in the order of the request.
type CallbacksResponse struct {
	Results []CallbackResult `json:"results"`
}

// CallbackResult is the answer to one report: its HTTP status had it come
// alone, and the answer, or the error and its code.
type CallbackResult struct {
	Status int `json:"status"`
	CallbackResponse
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
}
