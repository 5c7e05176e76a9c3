package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"pipedai/internal/redact"
	"pipedai/manifest"
)

// recordTimeout bounds one write of the manifest; it waits for other programs
// that hold the file.
const recordTimeout = 10 * time.Second

// drainTimeout bounds how long the output of an ended process is awaited: a
// grandchild in a session of its own may hold the FIFO open for ever.
const drainTimeout = 500 * time.Millisecond

// launcher makes and finds processes; the OS one is osLauncher.
type launcher interface {
	// identify fills in what is known of p before it is made: the boot of the
	// machine and, where there is one, the control group.
	identify(p *manifest.Process)
	// launch starts a process for p, whose PID and StartTime it fills in.
	launch(spec Spec, p *manifest.Process, to sink) (process, error)
	// attach finds the live process p records; errGone when it is not there
	// any more. A missing pid is found by the process's marker and filled in.
	attach(p *manifest.Process, to sink) (process, error)
}

// errGone: the recorded process ended, or its pid belongs to another one.
var errGone = errors.New("the recorded process is gone")

// process is a leader with its group and its output.
type process interface {
	done() <-chan struct{} // closed when the leader ended
	ask() error            // asks the leader to end
	kill() error           // kills the whole group
	// finish is called once, after done: it ends what is left of the group,
	// drains the output for at most drain and says how the leader ended.
	finish(drain time.Duration) Exit
	// age is how long it has run, by a clock that nobody can set; false when
	// there is none.
	age() (time.Duration, bool)
	// unlimited says which limits are not kept, and why.
	unlimited() string
	// detach gives it up without touching it, for the next daemon.
	detach()
}

// sink takes the output of a worker.
type sink struct {
	log     *logFile
	rounds  *rounds
	secrets func() *redact.Set // never nil
	// onLines takes the lines that were written, and the position of the first.
	onLines func(data []byte, pos int64)
}

// runner looks after one worker. Fields above mu belong to the goroutine of
// run; those below are shared.
type runner struct {
	s    *Supervisor
	id   string
	mail *mailbox
	log  *slog.Logger
	sink sink

	ready chan struct{} // closed when the recorded process was looked for

	recovered  bool // the recorded process was looked for
	spec       Spec
	wantUp     bool
	drop       bool
	proc       process
	generation int64
	found      *found            // what Reconcile read, until it is used
	unrecorded *Exit             // the end of generation that is recorded with the next start
	startedAt  time.Time         // monotonic
	warned     bool              // of a start or a look that this host has no room for
	waiters    []chan<- struct{} // for the end of what was asked to stop
	backoff    *time.Timer
	stable     *time.Timer
	grace      *time.Timer
	askedAt    time.Time // of the stop under way

	mu     sync.Mutex
	status Status
}

func newRunner(s *Supervisor, id string) *runner {
	r := &runner{
		s: s, id: id, mail: newMailbox(), log: s.log.With("worker", id), ready: make(chan struct{}),
		status:  Status{ID: id, State: Stopped},
		backoff: stoppedTimer(), stable: stoppedTimer(), grace: stoppedTimer(),
	}
	r.sink = s.newSink(id, r.log)
	return r
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run serves the worker until ctx ends, which detaches its process, or until
// it was dropped.
func (r *runner) run(ctx context.Context) {
	defer r.sink.log.close()
	defer r.stopTimers()
	if err := r.recover(); err != nil {
		r.log.Error("look for the recorded process", "error", err) // tried again before a start or a stop
	}
	close(r.ready)
	for {
		var ended <-chan struct{}
		if r.proc != nil && !r.s.o.Watch {
			ended = r.proc.done()
		}
		select {
		case <-ctx.Done():
			if r.proc != nil {
				r.proc.detach()
			}
			r.flush()
			return
		case <-r.mail.filled:
			for _, c := range r.mail.take() {
				r.handle(c)
			}
		case <-ended:
			r.ended()
		case <-r.backoff.C:
			if r.wantUp {
				r.start()
			} else { // it was not known what there is to stop
				r.stop(nil)
			}
		case <-r.stable.C:
			r.update(func(s *Status) { s.Restarts = 0 })
		case <-r.grace.C:
			r.log.Warn("worker did not stop in time, killing its group", "grace", r.spec.grace())
			if err := r.proc.kill(); err != nil {
				r.log.Error("kill worker", "error", err)
			}
		}
		if r.drop && r.recovered && r.proc == nil && r.s.forget(r) {
			return
		}
	}
}

func (r *runner) stopTimers() {
	r.backoff.Stop()
	r.stable.Stop()
	r.grace.Stop()
}

func (r *runner) handle(c command) {
	if r.s.o.Watch {
		if c.verb == doWant {
			r.spec = c.want.Spec
		}
		if c.reply != nil {
			close(c.reply)
		}
		return
	}
	switch c.verb {
	case doWant:
		changed := r.spec.hash() != c.want.Spec.hash()
		turned := !r.wantUp
		r.spec, r.drop = c.want.Spec, false
		if r.draining() {
			r.drains(r.askedAt) // the grace may be another one
		}
		if !c.want.Running {
			r.stop(nil)
			return
		}
		r.wantUp = true
		// A crashed worker stays so until somebody starts it or changes it:
		// Reconcile is called for every worker's sake.
		if st := r.state(); st == Stopped || st == Crashed && (changed || turned) {
			r.startFresh()
		}
	case doStart:
		if r.drop {
			return // taken out after this was asked for
		}
		r.wantUp = true
		if r.proc == nil {
			r.startFresh()
		} // else it runs, or drains and starts again when it has ended
	case doStop:
		r.stop(c.reply)
	case doKill:
		r.stop(nil)
		if r.proc != nil {
			if err := r.proc.kill(); err != nil {
				r.log.Error("kill worker", "error", err)
			}
		}
	case doDrop:
		r.drop = true
		r.stop(c.reply)
	}
}

// lookAgain is the pause between looks for a process that is to be stopped.
const lookAgain = time.Second

func (r *runner) stop(reply chan<- struct{}) {
	r.wantUp = false
	if reply != nil {
		r.waiters = append(r.waiters, reply)
	}
	if err := r.recover(); err != nil {
		// It may run: nobody is told that it was stopped before that is known.
		if !r.warned {
			r.warned = true
			r.log.Error("look for the recorded process; it is looked for until that is possible", "error", err)
		}
		r.update(func(s *Status) { s.NextStartAt = time.Time{} })
		r.backoff.Reset(lookAgain)
		return
	}
	if r.proc == nil {
		r.backoff.Stop()
		r.flush()
		r.move(evStop, func(s *Status) { s.Restarts, s.NextStartAt = 0, time.Time{} })
		r.answer()
		return
	}
	if r.draining() {
		return
	}
	r.drains(time.Now())
	if err := r.proc.ask(); err != nil {
		r.log.Warn("ask worker to stop", "error", err)
		return
	}
	// Told after it was asked: a daemon that is killed in between asks a second
	// time, which is better than never.
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := r.s.o.Records.AskedProcess(ctx, r.id, r.generation, r.askedAt); err != nil {
		r.log.Error("record that the worker was asked to stop", "error", err)
	}
}

// drains notes that the process was asked to end at that time, here or by the
// daemon before this one, and waits for the rest of its grace.
func (r *runner) drains(askedAt time.Time) {
	r.askedAt = askedAt
	r.update(func(s *Status) { s.Draining = true })
	grace := r.spec.grace()
	r.grace.Reset(min(max(0, grace-time.Since(askedAt)), grace)) // the clock may have been set
}

// ended follows the end of the leader.
func (r *runner) ended() {
	r.grace.Stop()
	r.stable.Stop()
	exit := r.proc.finish(drainTimeout)
	r.proc = nil
	r.log.Info("worker ended", "how", describe(ending{exit: &exit}), "generation", r.generation)
	if r.draining() {
		r.cleared(exit)
		r.move(evEnd, func(s *Status) { r.noProcess(s, exit); s.Restarts = 0; s.RestartReason = "" })
		r.answer()
		if r.wantUp {
			r.startFresh()
		}
		return
	}
	d := r.judge(ending{exit: &exit})
	if d.action == actRestart && d.delay == 0 && r.mail.empty() {
		r.unrecorded = &exit // in one step with the start that follows
		r.conclude(d, exit, nil)
		r.backoff.Stop()
		r.start()
		return
	}
	r.cleared(exit)
	r.conclude(d, exit, nil)
}

// answer tells those who wait for a stop that there is no process any more.
func (r *runner) answer() {
	for _, w := range r.waiters {
		close(w)
	}
	r.waiters = nil
}

// judge asks the policy.
func (r *runner) judge(e ending) decision {
	st := r.snapshot()
	return decide(r.spec.Policy, history{restarts: st.Restarts, total: st.TotalRestarts, startedAt: r.startedAt}, e, time.Now(), r.s.jitter())
}

// conclude does what the policy says.
func (r *runner) conclude(d decision, exit Exit, spawnErr error) {
	ev := evRetry
	switch d.action {
	case actRest:
		ev = evEnd
	case actGiveUp:
		ev = evGiveUp
		r.log.Error("worker left crashed", "reason", d.reason)
	}
	r.move(ev, func(s *Status) {
		r.noProcess(s, exit)
		s.Restarts, s.TotalRestarts, s.RestartReason = d.restarts, d.total, d.reason
		if spawnErr != nil {
			s.LastError = spawnErr.Error()
		}
		if d.action == actRestart {
			s.NextStartAt = time.Now().Add(d.delay)
		}
	})
	if d.action == actRestart {
		r.backoff.Reset(d.delay)
	}
}

func (*runner) noProcess(s *Status, exit Exit) {
	s.PID, s.StartedAt, s.Draining, s.Reattached = 0, time.Time{}, false, false
	s.LastExit = &exit
}

// record writes p down. It does not end with the runner's context: what
// happened must be told to the next daemon.
func (r *runner) record(p manifest.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	return r.s.o.Records.PutProcess(ctx, p)
}

func (r *runner) cleared(exit Exit) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := r.s.o.Records.ClearProcess(ctx, r.id, r.generation, exit); err != nil {
		// The next daemon finds out by itself that the process is gone.
		r.log.Error("record end of worker", "error", err)
	}
}

// move makes a legal move and tells about it; an illegal one is a bug that is
// logged and not made.
func (r *runner) move(ev event, change func(*Status)) {
	r.update(func(s *Status) {
		to, ok := s.State.next(ev)
		if !ok {
			r.log.Error("illegal move of a worker", "state", s.State, "event", ev)
			return
		}
		s.State = to
		change(s)
	})
}

func (r *runner) update(change func(*Status)) {
	r.mu.Lock()
	before := r.status
	change(&r.status)
	changed := before != r.status
	r.mu.Unlock()
	if changed && r.s.o.OnChange != nil {
		r.s.o.OnChange(r.id)
	}
}

func (r *runner) snapshot() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.status
	st.LogBytes, st.LogDropped = r.sink.log.held.Load(), r.sink.log.lost.Load()
	return st
}

func (r *runner) state() State { return r.snapshot().State }

func (r *runner) draining() bool { return r.snapshot().Draining }
