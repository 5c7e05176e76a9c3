package supervisor

import (
	"fmt"
	"log/slog"

	"pipedai/internal/hostdir"
	"pipedai/internal/redact"
	"pipedai/internal/workerlog"
)

// newSink makes what takes the output of a worker.
func (s *Supervisor) newSink(id string, log *slog.Logger) sink {
	file := newLogFile(s.logPath(id), s.o.LogMaxBytes, s.o.LogBackups, log)
	file.at, file.max, file.rotated = s.o.onStep, s.logMax, s.logRotated
	to := sink{log: file, rounds: s.rounds, onLines: func([]byte, int64) {}}
	to.secrets = func() *redact.Set { return nil }
	if s.o.Secrets != nil {
		to.secrets = func() *redact.Set { return s.o.Secrets(id) }
	}
	if s.o.OnLines != nil {
		to.onLines = func(data []byte, pos int64) {
			if !s.o.OnLines(id, nil) {
				return
			}
			lines := workerlog.Split(data, pos)
			if pos < 0 {
				for i := range lines {
					lines[i].Pos = -1
				}
			}
			s.o.OnLines(id, lines)
		}
	}
	return to
}

// Logs opens the captured output of a worker, with what earlier daemons
// captured, also of a worker that is gone. Nothing captured yet is no error.
func (s *Supervisor) Logs(id string) (*workerlog.Files, error) {
	if err := hostdir.ValidID(id); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	return workerlog.Open(s.logPath(id))
}
