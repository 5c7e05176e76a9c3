package api

// How well a service is served, and by whom.

// The words of Service.Health.
const (
	HealthServing  = "serving"  // something takes its work
	HealthDegraded = "degraded" // something does, and something that did is missing
	HealthUnserved = "unserved" // nothing does: its work waits
)

// ServiceInstance is one that serves a service: a worker that pulls its work,
// or the address that the work is pushed to.
type ServiceInstance struct {
	Name     string `json:"name"`               // what people call the worker, or the address
	WorkerID string `json:"workerId,omitempty"` // none of an address
	Host     string `json:"host,omitempty"`     // the name of the host that keeps the worker
	// Workspace is that of the worker; empty: the pool, or an address.
	Workspace string `json:"workspaceId,omitempty"`
	// Version is the one it registered; empty while it has registered none.
	Version    string `json:"version,omitempty"`
	Status     string `json:"status"` // "busy", "online", "offline" or "disabled"
	LastSeenAt Time   `json:"lastSeenAt"`
	Since      Time   `json:"since"` // it serves this service
	// What it has in hand; the newest of several.
	CurrentTaskID string `json:"currentTaskId,omitempty"`
	CurrentRunID  string `json:"currentRunId,omitempty"` // of the pipeline; empty: of none
}
