package api

import "encoding/json"

// The daemon's local API.

// FusedWorker is one worker of this host as three sources see it.
type FusedWorker struct {
	ID                  string        `json:"id"`
	Label               string        `json:"label"`
	Mode                string        `json:"mode"` // "workspace" or "pool"
	APIURL              string        `json:"apiUrl"`
	DesiredState        string        `json:"desiredState"` // "enabled" or "disabled"
	Local               *LocalStatus  `json:"local"`
	Remote              *RemoteStatus `json:"remote"`
	LastEvent           *LastEvent    `json:"lastEvent"`
	Busy                bool          `json:"busy"`
	CurrentRunID        *string       `json:"currentRunId"`
	WorkerVersion       *string       `json:"workerVersion"`
	LatestWorkerVersion *string       `json:"latestWorkerVersion"`
	VersionStale        bool          `json:"versionStale"`

	// Added: the two desired states apart, and how fresh the remote facts are.
	Running         bool   `json:"running"` // local desired state: keep it running
	Enabled         bool   `json:"enabled"` // remote desired state: give it work
	RemoteFetchedAt Time   `json:"remoteFetchedAt"`
	RemoteStale     bool   `json:"remoteStale"` // too old to be relied on, or never told
	RemoteError     string `json:"remoteError,omitempty"`

	// Pin is the installed version it is to run; empty is the default program of
	// this host. PreviousPin is what a rollback goes back to; null when there is
	// nothing. Both were added, like Upgrade, which is null while none is under way.
	Pin         string         `json:"pin,omitempty"`
	PreviousPin *string        `json:"previousPin"`
	Upgrade     *WorkerUpgrade `json:"upgrade"`
}

// LocalStatus is what the supervisor knows.
type LocalStatus struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // "stopped", "starting", "running", "backing-off" or "crashed"
	PID       *int      `json:"pid"`
	StartedAt *int64    `json:"startedAt"` // ms
	Restarts  int       `json:"restarts"`
	LastExit  *LastExit `json:"lastExit"`

	// Added.

	Draining      bool   `json:"draining"`                // asked to stop, still working
	LastError     string `json:"lastError,omitempty"`     // why it could not be started
	NextStartAt   *int64 `json:"nextStartAt"`             // ms; while backing off
	TotalRestarts int    `json:"totalRestarts"`           // never lowered
	Reattached    bool   `json:"reattached"`              // outlived an earlier daemon
	RestartReason string `json:"restartReason,omitempty"` // what the restart policy said
	NotLimited    string `json:"notLimited,omitempty"`    // which of its limits are not kept here, and why
	LogBytes      int64  `json:"logBytes"`                // of captured output on disk
	LogDropped    int64  `json:"logDropped"`              // lines that could not be written since the daemon began

	// What the process and all it started take together, up to 10 s old; null
	// without a process, or where the system does not tell.

	MemoryBytes *int64   `json:"memoryBytes"` // resident
	CPUSeconds  *float64 `json:"cpuSeconds"`
}

// LastExit is how the last process ended. Both null: it could not be started,
// or the kernel did not tell; How says which.
type LastExit struct {
	Code   *int    `json:"code"`
	Signal *string `json:"signal"`
	At     int64   `json:"at"` // ms

	// How is "exited", "killed", "unknown" or "not-started". Added.
	How string `json:"how,omitempty"`
}

// RemoteStatus is what the control plane said last.
type RemoteStatus struct {
	Status        string  `json:"status"`
	DerivedStatus string  `json:"derivedStatus,omitempty"`
	CurrentRunID  *string `json:"currentRunId"`
	Version       *string `json:"version"`
	LastSeenAt    Time    `json:"lastSeenAt"`
	Disabled      bool    `json:"disabled"`
}

// LastEvent is the newest lifecycle event.
type LastEvent struct {
	Type string `json:"type"`
	At   string `json:"at"`
}

// FusedWorkers answers GET /api/workers.
type FusedWorkers struct {
	Items []FusedWorker `json:"items"`
}

// ActionResult answers the verbs.
type ActionResult struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	OK     bool   `json:"ok"`

	// Draining says that a stop was accepted and the worker still finishes the
	// run it has in hand. Added.
	Draining bool `json:"draining,omitempty"`
	// InFlight is how many runs the worker had in hand, as far as its control
	// plane said. Added.
	InFlight int `json:"inFlight,omitempty"`
	// Operation names what goes on after this answer. Added.
	Operation string `json:"operation,omitempty"`
}

// ReloadRequest is POST /api/reload: another program changed the manifest or
// the configuration of workers. Restart names the workers whose configuration
// is another one now. Both members were added.
type ReloadRequest struct {
	Restart []string `json:"restart,omitempty" validate:"max=1000"`
}

// Reloaded answers it.
type Reloaded struct {
	Workers int `json:"workers"`
}

// LocalRun is one file of run events a worker left on this host.
type LocalRun struct {
	RunID     string `json:"runId"`
	UpdatedAt int64  `json:"updatedAt"` // ms
	Bytes     int64  `json:"bytes"`
}

// LocalRuns answers GET /api/workers/{id}/runs, newest first.
type LocalRuns struct {
	Items []LocalRun `json:"items"`
}

// LocalRunEvent is one line of such a file.
type LocalRunEvent struct {
	Seq     int64           `json:"seq"`
	Type    string          `json:"type"`
	TS      string          `json:"ts"`
	Payload json.RawMessage `json:"payload"`
}

// LocalRunEvents answers GET /api/workers/{id}/runs/{runId}/events, in the
// order of the file.
type LocalRunEvents struct {
	Items []LocalRunEvent `json:"items"`
}

// LocalHealth answers GET /api/healthz of the daemon: it is alive, and Ready
// says whether it serves workers already. PID tells it from the daemon of
// another home that has taken over its port; it was added.
type LocalHealth struct {
	Status string `json:"status"` // "ok" or "starting"
	Ready  bool   `json:"ready"`
	PID    int    `json:"pid"`
}

// SelfStatus answers GET /api/self.
type SelfStatus struct {
	Version       string  `json:"version"`
	Latest        *string `json:"latest"`
	Stale         bool    `json:"stale"`
	LastCheckedAt Time    `json:"lastCheckedAt"`

	// Added.

	Hostname      string        `json:"hostname"`
	OS            string        `json:"os"`
	PID           int           `json:"pid"`
	StartedAt     Time          `json:"startedAt"`
	Build         string        `json:"build"`
	Home          string        `json:"home"`
	State         string        `json:"state"` // "starting", "needs_login", "revoked", "running", "degraded", "draining", "upgrading"
	ControlPlanes []RemoteState `json:"controlPlanes"`
	Health        []HealthItem  `json:"health"`
	Host          HostFacts     `json:"host"`

	// Pairing is a pairing that waits for approval.
	Pairing *HostPairing `json:"pairing,omitempty"`
	// LatestError says why the newest version is not known, or not known anew.
	LatestError string `json:"latestError,omitempty"`
	// Channel is the one whose newest version Latest is.
	Channel string `json:"channel"`
	// Installed is what runs after an upgrade failed for good.
	Installed SelfInstalled `json:"installed"`
	// Upgrade is the upgrade of this program that is under way.
	Upgrade *Operation `json:"upgrade,omitempty"`
	// Failed are versions that did not do here, the newest last.
	Failed []SelfFailure `json:"failed"`
}

// RemoteState is the link to one control plane.
type RemoteState struct {
	APIURL       string `json:"apiUrl"`
	Reachable    bool   `json:"reachable"`
	LastOKAt     Time   `json:"lastOkAt"`
	Error        string `json:"error,omitempty"`
	WorkspaceID  string `json:"workspaceId,omitempty"`
	Pool         bool   `json:"pool,omitempty"`        // the shared pool instead of a workspace
	FailingSince Time   `json:"failingSince,omitzero"` // while it does not answer
	RevokedAt    Time   `json:"revokedAt,omitzero"`    // it does not trust this host any more
	CheckedInAt  Time   `json:"checkedInAt,omitzero"`  // when this host told it last how it is
	ClockSkewMs  int64  `json:"clockSkewMs,omitempty"` // how far this host's clock was ahead then
}

// HealthItem is one thing that needs attention, with what helps.
type HealthItem struct {
	Code     string `json:"code"`
	Severity string `json:"severity"` // "warning" or "error"
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"`
	Command  string `json:"command,omitempty"`
}

// LocalFrame is one WebSocket frame of GET /api/events. Kind says which of
// the members are there. Every frame carries a sequence number; the first one
// is a "status" frame with everything. A client that reconnects with
// ?since=<seq> gets what it missed, or a fresh snapshot when that is no longer
// held (Reset is then true).
type LocalFrame struct {
	Kind  string `json:"kind"` // "status", "log", "connectivity", "operation" or "event"
	Seq   int64  `json:"seq"`
	Reset bool   `json:"reset,omitempty"`

	Items []FusedWorker `json:"items,omitzero"` // status; empty, not absent, without workers

	ID     string `json:"id,omitempty"` // log
	TS     int64  `json:"ts,omitempty"`
	Stream string `json:"stream,omitempty"` // "out" or "err"
	Line   string `json:"line,omitempty"`
	Pos    *int64 `json:"pos,omitempty"` // see LogLine; absent for a line that could not be written

	Sample *ConnectivitySample `json:"sample,omitempty"` // connectivity

	Operation *Operation `json:"operation,omitempty"` // operation: as it is now
	Event     *HostEvent `json:"event,omitempty"`     // event
}
