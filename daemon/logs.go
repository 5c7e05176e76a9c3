package daemon

import (
	"context"

	"pipedai/enroll"
	"pipedai/internal/redact"
	"pipedai/internal/secret"
	"pipedai/internal/workerlog"
	"pipedai/manifest"
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

// learnSecrets collects the tokens of this host, to keep them out of captured
// output.
func (h *host) learnSecrets(entries []manifest.Entry) {
	var known []string
	hide := func(t secret.Text) { known = append(known, t.Reveal()) }
	if creds, err := enroll.LoadCredentials(h.o.Dir.Credentials()); err == nil {
		for _, t := range creds.Secrets() {
			hide(t)
		}
	}
	for _, e := range entries {
		h.protect(e)
		if file, err := enroll.ReadWorkerFile(e.ConfigPath); err == nil {
			hide(file.WorkerToken)
		}
		if env, err := enroll.ReadWorkerEnv(e.ConfigPath); err == nil {
			for _, value := range env {
				hide(value)
			}
		}
	}
	set, refused := redact.New(known...)
	if refused > 0 {
		h.o.Log.Warn("secrets are too short to be taken out of worker output", "count", refused, "shortest", redact.MinLength)
	}
	h.secrets.Store(set)
}

// hidden is what is taken out of a worker's output: the secrets of all, for
// one may print another's.
func (h *host) hidden(string) *redact.Set { return h.secrets.Load() }
