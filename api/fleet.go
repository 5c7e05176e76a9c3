package api

// What operators see of hosts and do with them, under /api/v1/hosts.

// Host is a machine whose daemon joined the workspace.
type Host struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"` // its hostname when it joined
	Label        string   `json:"label,omitempty"`
	OS           string   `json:"os,omitempty"`
	Arch         string   `json:"arch,omitempty"`
	OSVersion    string   `json:"osVersion,omitempty"`
	Version      string   `json:"version,omitempty"` // of pipedai-orchestrator
	Capabilities []string `json:"capabilities"`
	// Status is "online" while the host checks in, "offline" when it does not,
	// "never" when it never did and "revoked" when it may not any more.
	Status     string `json:"status"`
	LastSeenAt Time   `json:"lastSeenAt"`
	// ClockSkewMs is how far the host's clock is ahead of the server's.
	ClockSkewMs  int64  `json:"clockSkewMs"`
	Note         string `json:"note,omitempty"`
	RegisteredAt Time   `json:"registeredAt"`
	RevokedAt    Time   `json:"revokedAt"` // null: it is trusted
	RevokedBy    string `json:"revokedBy,omitempty"`
	// Paused says that an operator paused the host, and how; null: nobody did.
	Paused *Hold `json:"paused"`
	// Workers counts the workers of the host, Busy those that have a run in hand
	// and Disabled those that get none.
	Workers  int `json:"workers"`
	Busy     int `json:"busy"`
	Disabled int `json:"disabled"`
	// Warnings are sentences about what is not as it should be, such as a clock
	// that is off.
	Warnings  []string `json:"warnings"`
	Workspace string   `json:"workspaceId"`
}

// Hosts answers GET /api/v1/hosts, by name.
type Hosts struct {
	Items []Host `json:"items"`
}

// HostDetail answers GET /api/v1/hosts/{id} and what is done with one.
type HostDetail struct {
	Host
	Items []RemoteWorker `json:"items"` // its workers, by hostname
}

// Hold is a reason why a worker gets no new runs. It gets some again when every
// hold of it is lifted.
type Hold struct {
	// By is what made it, and what alone lifts it besides a plain enable: the ID
	// of an operation; empty for a person who disabled the worker, "host" for one
	// who paused its host.
	By    string `json:"by,omitempty"`
	Who   string `json:"who,omitempty"` // the name of the token it was made with
	Note  string `json:"note,omitempty"`
	Since Time   `json:"since"`
	Until Time   `json:"until"` // it lifts itself then; null: it does not
}

// HoldHost is the By of a pause of the whole host.
const HoldHost = "host"

// SwitchRequest is the body, which may be left out, of the routes that disable
// and enable a worker.
type SwitchRequest struct {
	// Note says why, to whoever finds the worker disabled.
	Note string `json:"note,omitempty" validate:"max=1000"`
	// Until is when the worker is enabled by itself.
	Until Time `json:"until"`
	// By names the operation that disables; an enable with it lifts the hold of
	// that operation alone. One without lifts all.
	By string `json:"by,omitempty" validate:"max=64"`
}

// PauseRequest is POST /api/v1/hosts/{id}/pause.
type PauseRequest struct {
	Note  string `json:"note,omitempty" validate:"max=1000"`
	Until Time   `json:"until"` // null: until somebody resumes it
}

// NoteRequest is POST /api/v1/hosts/{id}/note.
type NoteRequest struct {
	Note string `json:"note" validate:"max=1000"` // empty takes it away
}

// WorkerEvents answers GET /api/v1/workers/{id}/events, oldest first.
type WorkerEvents struct {
	Items []WorkerEvent `json:"items"`
	Next  int64         `json:"next"` // what to send as since for what follows
}

// WorkerEvent is a lifecycle event with its number.
type WorkerEvent struct {
	Seq int64 `json:"seq"`
	LifecycleEvent
}
