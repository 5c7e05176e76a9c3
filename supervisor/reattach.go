package supervisor

import (
	"context"
	"errors"
	"time"

	"pipedai/manifest"
)

// recover looks for the process an earlier daemon recorded and takes it over.
// Only its pid, start time and boot id together prove that it is the one; a
// process that fails the proof is left alone.
func (r *runner) recover() {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	p, err := r.s.o.Records.Process(ctx, r.id)
	if errors.Is(err, manifest.ErrNotFound) {
		return
	}
	if err != nil {
		r.log.Error("read the recorded process", "error", err)
		r.update(func(s *Status) { s.LastError = err.Error() })
		return
	}
	r.generation = p.Generation
	r.update(func(s *Status) { s.TotalRestarts, s.LastExit = p.TotalRestarts, p.Exit })
	if !p.Live {
		return
	}
	found := p
	proc, err := r.s.os.attach(&found, r.sink)
	if err != nil {
		if !errors.Is(err, errGone) {
			r.log.Error("re-attach to worker", "pid", p.PID, "error", err)
		}
		exit := Exit{At: time.Now()}
		r.log.Info("worker ended while no daemon was here", "pid", p.PID)
		r.cleared(exit)
		r.update(func(s *Status) { s.LastExit = &exit; s.RestartReason = "ended while no daemon was here" })
		return
	}
	if found.PID != p.PID {
		if err := r.record(found); err != nil {
			r.log.Error("record process", "error", err)
		}
	}
	r.proc, r.startedAt = proc, p.StartedAt
	ran := time.Since(p.StartedAt)
	r.move(evAttach, func(s *Status) {
		s.PID, s.StartedAt, s.Reattached = found.PID, p.StartedAt, true
		if ran < DefaultStable {
			s.Restarts = p.Restarts
		}
	})
	r.stable.Reset(max(0, DefaultStable-ran))
	r.wantUp = true // until Reconcile says otherwise
	r.log.Info("re-attached to worker", "pid", found.PID, "generation", p.Generation)
}
