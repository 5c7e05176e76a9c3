package api

import "encoding/json"

// Operation is a long action of a daemon. It has a journal on disk: a daemon
// that is killed in the middle goes on, or takes back, when it starts again.
type Operation struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`               // "enable", "disable", "delete", "build", ...
	WorkerID string `json:"workerId,omitempty"` // once it is known
	AskedBy  string `json:"askedBy,omitempty"`  // "cli", "dashboard" or what the program calls itself

	Status   string   `json:"status"` // "running", "succeeded", "failed" or "cancelled"
	Step     string   `json:"step"`   // begun last; one of Steps
	Steps    []string `json:"steps"`  // of its kind, in order
	Undoing  bool     `json:"undoing"`
	Progress int      `json:"progress"` // percent
	Message  string   `json:"message,omitempty"`

	StartedAt Time `json:"startedAt"`
	UpdatedAt Time `json:"updatedAt"`
	EndedAt   Time `json:"endedAt"` // null while it runs

	Error string `json:"error,omitempty"` // why it failed, or what it is held up by
	Fix   string `json:"fix,omitempty"`

	// Cancellable says that it can still be taken back.
	Cancellable bool `json:"cancellable"`
	CancelAsked bool `json:"cancelAsked,omitempty"`

	// Upgrade is there for the kinds "upgrade" and "upgrade-all".
	Upgrade *UpgradeInfo `json:"upgrade,omitempty"`
}

// Operations answers GET /api/operations, newest first.
type Operations struct {
	Items []Operation `json:"items"`
}

// HostEvent is something that happened on a host and is kept.
type HostEvent struct {
	Seq      int64           `json:"seq"`
	At       Time            `json:"at"`
	WorkerID string          `json:"workerId,omitempty"` // none: it is about the host
	Type     string          `json:"type"`               // see the Host... constants
	Data     json.RawMessage `json:"data"`               // an object; its members go with the type
}

// HostEvents answers GET /api/events when no WebSocket is asked for: what
// happened after ?since=, oldest first. Next is what to give as since to go on.
type HostEvents struct {
	Items []HostEvent `json:"items"`
	Next  int64       `json:"next"`
}

// The types of host events.
const (
	HostDaemonStarted = "daemon.started" // version, pid
	HostDaemonStopped = "daemon.stopped" // pid
	HostDaemonKilled  = "daemon.killed"  // found at the next start: pid, startedAt

	HostWorkerStarted    = "worker.started"    // pid
	HostWorkerReattached = "worker.reattached" // pid
	HostWorkerExited     = "worker.exited"     // code, signal, draining, reason
	HostWorkerBackingOff = "worker.backing-off"
	HostWorkerCrashed    = "worker.crashed"
	HostWorkerNotStarted = "worker.not-started" // error

	// HostAction and a verb: "action.stop". Data: by, and error when it failed.
	HostAction = "action."

	// HostOperation and a status: "operation.running". Data: id, kind, by, error.
	HostOperation = "operation."

	// HostReleaseKey tells that the key by which the releases of a control plane
	// are believed was pinned, or followed to the one after it. Data: apiUrl,
	// how, keyId, from.
	HostReleaseKey = "release-key.pinned"

	HostLinkLost      = "link.lost" // apiUrl, workspaceId, error
	HostLinkRecovered = "link.recovered"
	HostRevoked       = "host.revoked" // apiUrl, workspaceId: a control plane does not trust this host any more

	HostOrderRefused = "order.refused" // order, rollout, program, version, why

	HostConnectivityChanged = "connectivity.changed" // from, to: verdicts
)
