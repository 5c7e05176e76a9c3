package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pipedai/internal/redact"
)

// Options configure a Supervisor.
type Options struct {
	Records Records
	LogDir  string // <id>.log and its backups
	FIFODir string // the FIFOs of running workers; not used on Windows

	// OnChange is told after a worker's Status changed, OnLines after lines are
	// in its log file, those that came together at a time. Both are called from
	// the worker's goroutines and must not block; they may call Status but not
	// Stop. OnLines returns whether lines are wanted at all: it is asked first
	// with none, and lines are made only when it says so. Lines that could not
	// be written have position -1.
	OnChange func(id string)
	OnLines  func(id string, lines []Line) bool
	// Find turns a Spec's Program into the path that is run. It is asked at
	// every start, so that a program that was missing is found once it is there.
	// nil looks in PATH.
	Find func(program string) (string, error)
	// Secrets, when set, returns what is taken out of output before it goes
	// anywhere. It is asked often and must be quick.
	Secrets func(id string) *redact.Set

	// Watch only looks: recorded processes and their output are taken up, and
	// nothing else is done. None is started or stopped, no end is recorded: that
	// is for the next Supervisor over the same Records.
	Watch bool

	// Cgroup is a folder of cgroup v2 in which workers get groups of their own,
	// with the controllers that may be switched on there. Empty takes the part
	// of the tree that was delegated to this process, if any. Linux only.
	Cgroup string

	LogMaxBytes int64 // a log file is rotated before it grows beyond; 5 MiB
	LogBackups  int   // rotated files kept, <id>.log.1 the newest; 3
	LogBudget   int64 // bytes of all logs together; the oldest rotated files go first; 1 GiB

	Log *slog.Logger

	// onStep is told each step of taking output; tests kill the daemon there.
	onStep func(step string)
}

// Supervisor keeps the workers it was asked for. All methods may be called
// from any goroutine.
type Supervisor struct {
	o      Options
	log    *slog.Logger
	os     launcher
	jitter func() float64
	rounds *rounds

	rotated chan struct{} // capacity 1: a log was rotated

	reconcile sync.Mutex // one at a time

	mu       sync.Mutex
	runners  map[string]*runner
	phase    phase
	spawn    func(*runner) // starts a runner's goroutine; set while running
	stopping int           // StopAll calls under way
	allDone  *sync.Cond    // stopping went to 0
	began    chan struct{} // closed when Run looks after workers
	ended    chan struct{} // closed when Run is over
}

// phase of a Supervisor; it only goes up.
type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseClosed // StopAll was called: nothing is started any more
	phaseEnded
)

// New makes a Supervisor; nothing runs before Run.
func New(o Options) *Supervisor {
	if o.LogMaxBytes <= 0 {
		o.LogMaxBytes = 5 << 20
	}
	if o.LogBackups <= 0 {
		o.LogBackups = 3
	}
	if o.LogBudget <= 0 {
		o.LogBudget = 1 << 30
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{o: o, log: o.Log, jitter: rand.Float64, runners: map[string]*runner{}, began: make(chan struct{}), ended: make(chan struct{}),
		rotated: make(chan struct{}, 1)}
	s.allDone = sync.NewCond(&s.mu)
	s.os = newLauncher(o.Log, o.Find, o.Cgroup)
	s.rounds = newRounds(o.FIFODir, o.Log, func(step string) {
		if o.onStep != nil {
			o.onStep(step)
		}
	})
	return s
}

// Run serves the workers until ctx ends. It then detaches: the processes keep
// running and the next Supervisor over the same Records takes them over. To
// stop them, call StopAll first; a StopAll under way is waited for. Run may be
// called once.
func (s *Supervisor) Run(ctx context.Context) error {
	for _, dir := range []string{s.o.LogDir, s.o.FIFODir} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("supervisor: %w", err)
		}
	}
	closeOnExec() // what our own parent left open is none of the workers' business

	detach, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var runners sync.WaitGroup
	s.mu.Lock()
	if s.phase == phaseClosed { // told to stop before it began
		s.phase = phaseEnded
		close(s.ended)
		s.mu.Unlock()
		return nil
	}
	if s.phase != phaseNew {
		s.mu.Unlock()
		return fmt.Errorf("supervisor: %w", ErrEnded)
	}
	s.phase = phaseRunning
	s.spawn = func(r *runner) { runners.Go(func() { r.run(detach) }) }
	for _, r := range s.runners {
		s.spawn(r)
	}
	close(s.began)
	s.mu.Unlock()

	runners.Go(func() { s.budget(detach) })

	<-ctx.Done()
	s.mu.Lock()
	for s.stopping > 0 {
		s.allDone.Wait()
	}
	s.phase = phaseEnded
	s.mu.Unlock()
	cancel()
	runners.Wait()
	s.rounds.close()
	close(s.ended)
	return nil
}

// Began is closed once Run looks after workers. A Reconcile after that returns
// when the recorded processes are found; one before does not wait for them.
func (s *Supervisor) Began() <-chan struct{} { return s.began }

// Start starts a worker: at once when it is stopped, crashed or backing off,
// after its end when it drains, not at all when it runs or Reconcile has taken
// it out since. It does not wait; Status tells how it went. ErrUnknown when
// Reconcile was never asked for it.
func (s *Supervisor) Start(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.runners[id]
	switch {
	case s.phase >= phaseClosed:
		return fmt.Errorf("start %s: %w", id, ErrEnded)
	case !ok:
		return fmt.Errorf("start %q: %w", id, ErrUnknown)
	}
	r.mail.post(command{verb: doStart})
	return nil
}

// Stop stops a worker and waits until its process has ended, or until ctx or
// Run ends; the worker goes on draining in the latter cases. While it cannot be
// told whether there is a process of an earlier daemon, it waits, too. A Start during
// the drain takes effect after it; Stop then still returns at the end of the
// process it asked to stop.
func (s *Supervisor) Stop(ctx context.Context, id string) error {
	s.mu.Lock()
	r, ok := s.runners[id]
	if s.phase == phaseEnded {
		s.mu.Unlock()
		return fmt.Errorf("stop %s: %w", id, ErrEnded)
	}
	if !ok {
		s.mu.Unlock()
		return fmt.Errorf("stop %q: %w", id, ErrUnknown)
	}
	done := make(chan struct{})
	r.mail.post(command{verb: doStop, reply: done})
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-s.ended:
		return fmt.Errorf("stop %s: %w", id, ErrEnded)
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", id, context.Cause(ctx))
	}
}

// Kill stops a worker without any grace: its whole group is killed at once,
// also when it drains already. It does not wait. ErrUnknown as with Start.
func (s *Supervisor) Kill(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.runners[id]
	switch {
	case s.phase == phaseEnded:
		return fmt.Errorf("kill %s: %w", id, ErrEnded)
	case !ok:
		return fmt.Errorf("kill %q: %w", id, ErrUnknown)
	}
	r.mail.post(command{verb: doKill})
	return nil
}

// StopAll stops every worker, all at once, each with its own grace, and starts
// none from then on. It waits for all of them, or until ctx ends.
func (s *Supervisor) StopAll(ctx context.Context) error {
	s.mu.Lock()
	if s.phase == phaseEnded {
		s.mu.Unlock()
		return nil
	}
	running := s.phase != phaseNew
	s.phase = max(s.phase, phaseClosed)
	s.stopping++
	var ids []string
	if running {
		for id := range s.runners {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()

	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = s.Stop(ctx, id) })
	}
	wg.Wait()

	s.mu.Lock()
	s.stopping--
	if s.stopping == 0 {
		s.allDone.Broadcast()
	}
	s.mu.Unlock()
	// One that was dropped in between has stopped, too.
	errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrUnknown) })
	return errors.Join(errs...)
}

// Status tells about one worker; false when it is not supervised.
func (s *Supervisor) Status(id string) (Status, bool) {
	s.mu.Lock()
	r, ok := s.runners[id]
	s.mu.Unlock()
	if !ok {
		return Status{}, false
	}
	return r.snapshot(), true
}

// Statuses tells about all workers, by id.
func (s *Supervisor) Statuses() []Status {
	s.mu.Lock()
	all := make([]*runner, 0, len(s.runners))
	for _, r := range s.runners {
		all = append(all, r)
	}
	s.mu.Unlock()
	out := make([]Status, 0, len(all))
	for _, r := range all {
		out = append(out, r.snapshot())
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// forget takes a dropped runner that has no process out, unless somebody
// asked for the worker again in the meantime.
//
// The record goes first: who sees that the worker is not known any more may
// rely on nothing of it being left. While the disk works (not under the lock:
// every Status would wait for it) the runner is still the one of its id, so
// nobody else writes its record; one that is asked for again goes on with the
// generation it holds in memory.
func (s *Supervisor) forget(r *runner) bool {
	if !r.mail.empty() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := s.o.Records.DropProcess(ctx, r.id); err != nil {
		r.log.Error("forget worker", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.mail.empty() {
		return false
	}
	delete(s.runners, r.id)
	return true
}

func (s *Supervisor) logPath(id string) string {
	return filepath.Join(s.o.LogDir, id+".log")
}

// fifoPaths names the FIFOs of one generation. '~' is in no id, so no id is
// the beginning of another one's files.
func (s *Supervisor) fifoPaths(id string, generation int64) (out, err string) {
	stem := filepath.Join(s.o.FIFODir, id+"~"+strconv.FormatInt(generation, 10))
	return stem + ".out", stem + ".err"
}
