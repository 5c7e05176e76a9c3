package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/manifest"
)

// found is what Reconcile read of a worker that nobody looks after yet.
type found struct {
	process manifest.Process
	has     bool
}

// lookUp is the record of the worker, from Reconcile when it has just read all
// of them.
func (r *runner) lookUp(ctx context.Context) (manifest.Process, error) {
	if f := r.found; f != nil {
		r.found = nil
		if !f.has {
			return manifest.Process{}, manifest.ErrNotFound
		}
		return f.process, nil
	}
	return r.s.o.Records.Process(ctx, r.id)
}

// recover looks for the process an earlier daemon recorded and takes it over.
// Only its pid, start time and boot id together prove that it is the one; a
// process that fails the proof is left alone.
//
// It does this until it is known whether there is one. A record that cannot be
// read, or a process that is there and cannot be watched, is an error: started
// now, the worker might run twice.
func (r *runner) recover() error {
	if r.recovered {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	p, err := r.lookUp(ctx)
	if errors.Is(err, manifest.ErrNotFound) {
		r.recovered = true
		return nil
	}
	if err != nil {
		r.update(func(s *Status) { s.LastError = err.Error() })
		return err
	}
	r.generation = p.Generation
	r.update(func(s *Status) { s.TotalRestarts, s.LastExit = p.TotalRestarts, p.Exit })
	if !p.Live {
		r.recovered = true
		return nil
	}
	found := p
	proc, err := r.s.os.attach(&found, r.sink)
	if err != nil && !errors.Is(err, errGone) {
		err = fmt.Errorf("re-attach to process %d: %w", p.PID, err)
		r.update(func(s *Status) { s.LastError = err.Error() })
		return err
	}
	r.recovered = true
	if err != nil {
		exit := Exit{At: time.Now(), How: manifest.Unknown, Detail: "ended while no daemon was here"}
		if found.Exit != p.Exit { // the kernel told how
			exit = *found.Exit
		}
		r.log.Info("worker ended while no daemon was here", "pid", p.PID)
		if !r.s.o.Watch {
			r.cleared(exit)
		}
		r.update(func(s *Status) { s.LastExit = &exit; s.RestartReason = "ended while no daemon was here" })
		return nil
	}
	if found.PID != p.PID && !r.s.o.Watch {
		if err := r.record(found); err != nil {
			r.log.Error("record process", "error", err)
		}
	}
	ran, ok := proc.age()
	if !ok {
		ran = max(0, time.Since(p.StartedAt))
	}
	// Without its wall clock: that one may be set while the worker runs.
	r.proc, r.startedAt = proc, time.Now().Add(-ran)
	r.backoff.Stop()
	r.move(evAttach, func(s *Status) {
		s.LastError, s.NextStartAt = "", time.Time{}
		s.PID, s.StartedAt, s.Reattached = found.PID, p.StartedAt, true
		if ran < r.spec.Policy.stable() {
			s.Restarts = p.Restarts
		}
	})
	r.stable.Reset(max(0, r.spec.Policy.stable()-ran))
	if !p.AskedAt.IsZero() && !r.s.o.Watch { // it drains; asked again it might end at once
		r.drains(p.AskedAt)
	}
	r.log.Info("re-attached to worker", "pid", found.PID, "generation", p.Generation)
	return nil
}
