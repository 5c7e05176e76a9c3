package api

// AdoptRequest is POST /api/adopt: worker.json files of stand-alone workers
// become managed. Without Paths and PIDs it is all that GET /api/adoptable
// finds in the host's folder.
type AdoptRequest struct {
	Paths []string `json:"paths,omitempty" validate:"max=100,dive,required,max=4096"`
	// PIDs names the workers by processes that run them.
	PIDs []int `json:"pids,omitempty" validate:"max=100"`
	// TakeOver stops what runs a worker now, and keeps it from being started
	// again, before the daemon runs it. Without it such a worker is left alone.
	TakeOver bool `json:"takeOver,omitempty"`
	// Disabled adopts without running.
	Disabled bool `json:"disabled,omitempty"`
}

// AdoptResult answers POST /api/adopt and GET /api/adoptable, in the order of
// the files' names.
type AdoptResult struct {
	Items []AdoptItem `json:"items"`
	// Operation is set when a take-over goes on after the answer.
	Operation *Operation `json:"operation,omitempty"`
}

// AdoptItem is one worker.json and what became, or could become, of it.
type AdoptItem struct {
	Path        string `json:"path"`
	Label       string `json:"label"`
	WorkerID    string `json:"workerId,omitempty"`
	APIURL      string `json:"apiUrl,omitempty"`
	WorkspaceID string `json:"workspaceId,omitempty"`
	Mode        string `json:"mode,omitempty"` // "workspace" or "pool"

	Status string `json:"status"` // see the Adopt... constants
	Reason string `json:"reason,omitempty"`
	Fix    string `json:"fix,omitempty"`
	// Warnings are what to know besides.
	Warnings []string `json:"warnings,omitempty"`

	// Processes and Units are what runs it besides the daemon, or would.
	Processes []AdoptProcess `json:"processes,omitempty"`
	Units     []AdoptUnit    `json:"units,omitempty"`

	// Adopted says that it was adopted and can be given back to what ran it before.
	Adopted bool `json:"adopted,omitempty"`
}

// UndoAdoptRequest is POST /api/adopt/undo: an adopted worker is given back to
// what ran it before. The answer is an AdoptResult with that one item.
type UndoAdoptRequest struct {
	WorkerID string `json:"workerId" validate:"required,max=255"`
}

// The statuses of an AdoptItem.
const (
	AdoptAdoptable  = "adoptable"  // nothing is in the way
	AdoptRunning    = "running"    // something runs it, or would at the next boot: it needs a take-over
	AdoptUnfinished = "unfinished" // a take-over or an undo was cut off, or waits for a run to end
	AdoptManaged    = "managed"    // it is in the manifest already
	AdoptUnusable   = "unusable"   // the file is none of a worker, or may not be used
	AdoptAdopted    = "adopted"    // now
	AdoptTakenOver  = "taken-over" // now, and what ran it does not any more
	AdoptUndone     = "undone"     // it is as it was before
	AdoptFailed     = "failed"     // nothing was changed, or it was taken back; Reason says why
)

// AdoptProcess is a process that runs a worker.
type AdoptProcess struct {
	PID     int    `json:"pid"`
	User    string `json:"user,omitempty"` // when it is another one's
	Unit    string `json:"unit,omitempty"` // that it belongs to
	Command string `json:"command"`
}

// AdoptUnit is what a service manager has for a worker.
type AdoptUnit struct {
	Manager string `json:"manager"` // "systemd", "systemd-user" or "launchd"
	Name    string `json:"name"`
	File    string `json:"file,omitempty"`
	Active  bool   `json:"active"`
	Enabled bool   `json:"enabled"` // it starts by itself, at boot or at log-in
}
