package supervisor

import (
	"context"
	"fmt"
	"time"

	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// startFresh starts at once, as if nothing had gone wrong before.
func (r *runner) startFresh() {
	r.backoff.Stop()
	r.update(func(s *Status) { s.Restarts = 0 })
	r.start()
}

// start makes the next generation. What could not be made counts as an exit.
func (r *runner) start() {
	if err := r.recover(); err != nil {
		r.notSpawned(fmt.Errorf("whether it runs already is not known: %w", err), true)
		return
	}
	if r.proc != nil { // it does, and was taken over
		if len(r.waiters) > 0 { // a stop came before it could be found
			r.stop(nil)
			r.wantUp = true // after its end
		}
		return
	}
	r.answer()
	r.move(evStart, func(s *Status) {
		s.NextStartAt, s.Reattached, s.LastError, s.Unlimited = time.Time{}, false, "", ""
	})
	if err := hostdir.Plain(r.spec.Config); err != nil {
		r.flush()
		r.notSpawned(err, false)
		return
	}
	st := r.snapshot()
	p := manifest.Process{
		ID: r.id, Generation: r.generation + 1, Live: true, SpecHash: r.spec.hash(),
		StartedAt: time.Now(), Restarts: st.Restarts, TotalRestarts: st.TotalRestarts, Exit: st.LastExit,
	}
	p.FIFOOut, p.FIFOErr = r.s.fifoPaths(r.id, p.Generation)
	r.s.os.identify(&p)
	if err := r.announce(p); err != nil {
		// Not written down, it could be started twice. The disk may recover.
		r.notSpawned(fmt.Errorf("not recorded: %w", err), true)
		return
	}
	r.generation = p.Generation
	proc, err := r.s.os.launch(r.spec, &p, r.sink)
	if err != nil {
		r.cleared(Exit{At: time.Now(), How: manifest.NotStarted, Detail: err.Error()})
		r.notSpawned(err, isTransient(err))
		return
	}
	r.proc, r.startedAt = proc, time.Now()
	// When this write fails the process is still found by its marker.
	recordErr := r.record(p)
	r.move(evSpawned, func(s *Status) {
		s.PID, s.StartedAt, s.Unlimited = p.PID, p.StartedAt, proc.unlimited()
		if recordErr != nil {
			s.LastError = recordErr.Error()
		}
	})
	r.stable.Reset(r.spec.Policy.stable())
	r.warned = false
	r.log.Info("worker started", "pid", p.PID, "generation", r.generation)
}

// announce writes down that p is about to be made, and in the same step how
// the one before it ended when that is not recorded yet.
func (r *runner) announce(p manifest.Process) error {
	if r.unrecorded == nil {
		return r.record(p)
	}
	p.Exit = r.unrecorded
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := r.s.o.Records.ReplaceProcess(ctx, p); err != nil {
		return err
	}
	r.unrecorded = nil
	return nil
}

// flush records an end that was to be recorded with the next start, now that
// there may be none.
func (r *runner) flush() {
	if r.unrecorded != nil {
		r.cleared(*r.unrecorded)
		r.unrecorded = nil
	}
}

// spawnPause is the least time between two tries of a start that fails, however
// short the policy's: nothing that is missing comes back within it.
const spawnPause = 100 * time.Millisecond

func (r *runner) notSpawned(err error, transient bool) {
	switch {
	case !transient:
		r.log.Error("start worker", "error", err)
	case !r.warned: // it is tried until it works: once is enough
		r.warned = true
		r.log.Warn("start worker; it is tried again until this host has room", "error", err)
	}
	r.startedAt = time.Time{}
	d := r.judge(ending{spawnErr: err, transient: transient})
	d.delay = max(d.delay, spawnPause)
	r.conclude(d, Exit{At: time.Now(), How: manifest.NotStarted, Detail: err.Error()}, err)
}
