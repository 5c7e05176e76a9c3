package daemon

import (
	"context"

	"pipedai/internal/workerlog"
)

// LogLimits bounds the captured output on disk; zero values are the
// supervisor's defaults.
type LogLimits struct {
	MaxBytes int64 // of a log before it is rotated
	Backups  int   // rotated logs of each worker
	Budget   int64 // of all logs together
}

// Logs implements localapi.Backend.
func (h *host) Logs(_ context.Context, id string) (*workerlog.Files, error) {
	return h.supervisor.Logs(id)
}
