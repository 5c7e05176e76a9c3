package api

// LeaveRequest is POST /api/restart and POST /api/detach: the daemon ends and
// leaves its workers running. After a restart a new daemon takes them up again;
// after a detach nobody does until one is started.
type LeaveRequest struct {
	// Reason is told in the daemon's log.
	Reason string `json:"reason,omitempty" validate:"max=200"`
}

// Leaving answers both, before the daemon ends. PID and StartedAt name the
// daemon that leaves: the next one has another start.
type Leaving struct {
	PID       int    `json:"pid"`
	StartedAt Time   `json:"startedAt"`
	ComesBack bool   `json:"comesBack"`
	By        string `json:"by"`      // "systemd", "systemd-user", "launchd", "windows", "nssm"; empty: it starts itself anew
	Workers   int    `json:"workers"` // how many run on; on Windows they are stopped first
}
