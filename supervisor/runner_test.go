package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/manifest"
)

// memory is Records without a file.
type memory struct {
	mu   sync.Mutex
	rows map[string]manifest.Process
	fail error // of PutProcess
	deny error // of Process
}

func (m *memory) Processes(context.Context) ([]manifest.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []manifest.Process
	for _, p := range m.rows {
		out = append(out, p)
	}
	return out, nil
}

func (m *memory) Process(_ context.Context, id string) (manifest.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deny != nil {
		return manifest.Process{}, m.deny
	}
	p, ok := m.rows[id]
	if !ok {
		return p, manifest.ErrNotFound
	}
	return p, nil
}

func (m *memory) PutProcess(_ context.Context, p manifest.Process) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.rows[p.ID].Generation > p.Generation {
		return manifest.ErrStale
	}
	m.rows[p.ID] = p
	return nil
}

func (m *memory) ReplaceProcess(ctx context.Context, p manifest.Process) error {
	return m.PutProcess(ctx, p)
}

func (m *memory) ClearProcess(_ context.Context, id string, generation int64, exit manifest.Exit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.rows[id]
	if p.Generation != generation {
		return manifest.ErrStale
	}
	p.Live, p.PID, p.Exit = false, 0, &exit
	m.rows[id] = p
	return nil
}

func (m *memory) AskedProcess(_ context.Context, id string, generation int64, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.rows[id]
	if p.Generation != generation {
		return manifest.ErrStale
	}
	p.AskedAt = at
	m.rows[id] = p
	return nil
}

func (m *memory) DropProcess(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.rows[id].Live {
		delete(m.rows, id)
	}
	return nil
}

// stage launches processes that end when a test says so.
type stage struct {
	mu       sync.Mutex
	launched []*actor
	at       []time.Time
	fail     error
	survivor *actor // of an earlier daemon
	deny     error  // of attach
}

type actor struct {
	pid    int
	ends   chan struct{}
	once   sync.Once
	exit   Exit
	asked  chan struct{}
	killed bool
	deaf   bool // does not end when asked
	old    time.Duration
}

func (a *actor) end(code int) {
	a.once.Do(func() { a.exit = Exit{Code: &code, At: time.Now()}; close(a.ends) })
}

func (a *actor) done() <-chan struct{} { return a.ends }
func (a *actor) ask() error {
	close(a.asked)
	if !a.deaf {
		a.end(0)
	}
	return nil
}
func (a *actor) kill() error               { a.killed = true; a.end(137); return nil }
func (a *actor) finish(time.Duration) Exit { return a.exit }
func (a *actor) detach()                   {}

func (a *actor) age() (time.Duration, bool) { return a.old, a.old > 0 }
func (a *actor) unlimited() string          { return "" }

func (*stage) identify(p *manifest.Process) { p.BootID = "boot" }

func (s *stage) launch(_ Spec, p *manifest.Process, _ sink) (process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	if s.fail != nil {
		return nil, s.fail
	}
	a := &actor{pid: 100 + len(s.launched), ends: make(chan struct{}), asked: make(chan struct{})}
	p.PID, p.StartTime = a.pid, 1
	s.launched = append(s.launched, a)
	return a, nil
}

func (s *stage) attach(*manifest.Process, sink) (process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.deny != nil:
		return nil, s.deny
	case s.survivor != nil:
		return s.survivor, nil
	}
	return nil, errGone
}

func (s *stage) last() *actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.launched[len(s.launched)-1]
}

// bubble runs f inside a synctest bubble over a supervisor with fake parts.
func bubble(t *testing.T, f func(t *testing.T, s *Supervisor, st *stage, m *memory)) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, m := &stage{}, &memory{rows: map[string]manifest.Process{}}
		s := New(Options{Records: m, LogDir: dir, FIFODir: dir})
		s.os, s.jitter = st, func() float64 { return 0.5 }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		defer cancel()
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		f(t, s, st, m)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func reconcile(t *testing.T, s *Supervisor, want ...Want) {
	t.Helper()
	if err := s.Reconcile(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func status(t *testing.T, s *Supervisor) Status {
	t.Helper()
	synctest.Wait()
	st, ok := s.Status("w1")
	if !ok {
		t.Fatal("w1 is not supervised")
	}
	return st
}

func up(p Policy) Want { return Want{Spec: Spec{ID: "w1", Program: "x", Policy: p}, Running: true} }

func TestRunner_Budget(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, _ *memory) {
		reconcile(t, s, up(Policy{Budget: 7}))
		for range 8 {
			st.last().end(1)
			for status(t, s).State == BackingOff {
				time.Sleep(time.Second) // the bubble's clock
			}
		}
		got := status(t, s)
		if got.State != Crashed || got.Restarts != 7 || got.TotalRestarts != 7 {
			t.Errorf("after the budget: %+v", got)
		}
		if len(st.at) != 8 {
			t.Fatalf("%d launches, want 8", len(st.at))
		}
	})
}

func TestRunner_BackoffPauses(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, _ *memory) {
		st.fail = errors.New("no such program")
		reconcile(t, s, up(Policy{}))
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		var pauses []time.Duration
		for i := 1; i < len(st.at); i++ {
			pauses = append(pauses, st.at[i].Sub(st.at[i-1]))
		}
		want := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 5 * time.Minute}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		got := status(t, s)
		if got.State != BackingOff || got.LastError != "no such program" || !got.NextStartAt.Equal(st.at[6].Add(5*time.Minute)) {
			t.Errorf("status %+v", got)
		}
	})
}

func TestRunner_CountsDecay(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, _ *memory) {
		reconcile(t, s, up(Policy{}))
		st.last().end(1)
		time.Sleep(time.Second)
		if got := status(t, s); got.State != Running || got.Restarts != 1 {
			t.Fatalf("after one crash: %+v", got)
		}
		time.Sleep(time.Minute)
		if got := status(t, s); got.Restarts != 0 || got.TotalRestarts != 1 {
			t.Errorf("after a stable minute: %+v", got)
		}
		// A stop and a start begin anew; the total stays.
		if err := s.Stop(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		if err := s.Start("w1"); err != nil {
			t.Fatal(err)
		}
		if got := status(t, s); got.State != Running || got.TotalRestarts != 1 {
			t.Errorf("started again: %+v", got)
		}
	})
}

func TestRunner_Grace(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, _ *memory) {
		w := up(Policy{})
		w.Spec.StopGrace = 90 * time.Second
		reconcile(t, s, w)
		a := st.last()
		a.deaf = true
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx, "w1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an impatient stop: %v", err)
		}
		if got := status(t, s); !got.Draining || got.State != Running || a.killed {
			t.Errorf("while draining: %+v", got)
		}
		if err := s.Stop(t.Context(), "w1"); err != nil { // asked once only
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 90*time.Second || !a.killed {
			t.Errorf("killed %v after %s", a.killed, took)
		}
	})
}

// Two stops, a start between them, and a late end: everybody gets an answer
// and the last word counts.
func TestRunner_Generations(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		reconcile(t, s, up(Policy{}))
		first := st.last()
		first.deaf = true
		stops := make(chan error, 2)
		go func() { stops <- s.Stop(t.Context(), "w1") }()
		synctest.Wait()
		if err := s.Start("w1"); err != nil {
			t.Fatal(err)
		}
		go func() { stops <- s.Stop(t.Context(), "w1") }()
		synctest.Wait()
		if err := s.Start("w1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first.end(0)
		if err := errors.Join(<-stops, <-stops); err != nil {
			t.Error(err)
		}
		got := status(t, s)
		if got.State != Running || got.PID != st.last().pid || st.last() == first || len(st.launched) != 2 {
			t.Fatalf("after the race: %+v, %d launches", got, len(st.launched))
		}
		// The end of the first is told once more, late.
		if err := m.ClearProcess(t.Context(), "w1", 1, Exit{}); !errors.Is(err, manifest.ErrStale) {
			t.Errorf("late end: %v, want ErrStale", err)
		}
		if p, _ := m.Process(t.Context(), "w1"); !p.Live || p.Generation != 2 || p.PID != got.PID {
			t.Errorf("record: %+v", p)
		}
	})
}

// What cannot be recorded is not started, and is tried again.
func TestRunner_RecordFails(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		m.fail = manifest.ErrReadOnly
		reconcile(t, s, up(Policy{Budget: 1}))
		time.Sleep(time.Minute)
		if got := status(t, s); got.State != BackingOff || len(st.at) != 0 || got.LastError == "" {
			t.Fatalf("%+v, %d launches", got, len(st.at))
		}
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		time.Sleep(10 * time.Second)
		if got := status(t, s); got.State != Running || got.LastError != "" {
			t.Errorf("after the disk recovered: %+v", got)
		}
	})
}

// While it cannot be told whether the worker runs already, none is started.
func TestRunner_RecordCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		// A first look finds a process that cannot be watched; the record, which
		// may be another one by then, is read again before the next.
		m.rows["w1"] = manifest.Process{ID: "w1", Generation: 4, Live: true, PID: 77, BootID: "boot"}
		st.deny = errors.New("too many open files")
		m.deny = manifest.ErrLocked
		reconcile(t, s, up(Policy{}))
		time.Sleep(time.Minute)
		if got := status(t, s); got.State != BackingOff || len(st.at) != 0 || got.LastError == "" {
			t.Fatalf("%+v, %d launches", got, len(st.at))
		}
		m.mu.Lock()
		m.deny, st.deny = nil, nil
		m.rows["w1"] = manifest.Process{ID: "w1", Generation: 4, TotalRestarts: 9, BootID: "boot"}
		m.mu.Unlock()
		time.Sleep(10 * time.Second)
		if got := status(t, s); got.State != Running || got.TotalRestarts < 9 {
			t.Errorf("after it could be read: %+v", got)
		}
		if p, _ := m.Process(t.Context(), "w1"); p.Generation != 5 {
			t.Errorf("generation %d, want 5", p.Generation)
		}
	})
}

// A process that is there but cannot be watched at the moment (no descriptor
// left, say) is not taken for one that ended: a second one would be started
// beside it.
func TestRunner_ProcessCannotBeWatched(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		st.survivor = &actor{pid: 77, ends: make(chan struct{}), asked: make(chan struct{})}
		st.deny = errors.New("too many open files")
		m.rows["w1"] = manifest.Process{ID: "w1", Generation: 4, Live: true, PID: 77, BootID: "boot"}
		reconcile(t, s, up(Policy{}))
		time.Sleep(time.Minute)
		if got := status(t, s); len(st.at) != 0 || !strings.Contains(got.LastError, "too many open files") {
			t.Fatalf("%+v, %d launches", got, len(st.at))
		}
		st.mu.Lock()
		st.deny = nil
		st.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if got := status(t, s); got.State != Running || got.PID != 77 || !got.Reattached || len(st.at) != 0 {
			t.Errorf("once it could be watched: %+v, %d launches", got, len(st.at))
		}
	})
}

// A stop, too, must not take a process that cannot be watched at the moment for
// one that ended: it would be reported as stopped and run on, looked after by
// nobody.
func TestRunner_StopWhileNotKnown(t *testing.T) {
	for name, ask := range map[string]func(*testing.T, *Supervisor) <-chan error{
		"stopped": func(t *testing.T, s *Supervisor) <-chan error {
			done := make(chan error, 1)
			go func() { done <- s.Stop(t.Context(), "w1") }()
			return done
		},
		"dropped": func(t *testing.T, s *Supervisor) <-chan error {
			reconcile(t, s)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
				st.survivor = &actor{pid: 77, ends: make(chan struct{}), asked: make(chan struct{})}
				st.deny = errors.New("too many open files")
				m.rows["w1"] = manifest.Process{ID: "w1", Generation: 4, Live: true, PID: 77, BootID: "boot"}
				reconcile(t, s, up(Policy{}))
				done := ask(t, s)
				time.Sleep(time.Minute)
				select {
				case err := <-done:
					t.Fatalf("stopped while it may run: %v", err)
				default:
				}
				st.mu.Lock()
				st.deny = nil
				st.mu.Unlock()
				time.Sleep(time.Minute)
				select {
				case <-st.survivor.ends:
				default:
					t.Error("it was never asked to stop")
				}
				if done != nil {
					if err := <-done; err != nil || status(t, s).State != Stopped {
						t.Errorf("%v, %+v", err, status(t, s))
					}
				} else if _, known := s.Status("w1"); known || len(m.rows) != 0 {
					t.Errorf("not forgotten: %+v", m.rows)
				}
				if len(st.at) != 0 {
					t.Errorf("%d launches", len(st.at))
				}
			})
		})
	}
}

// A start that was asked for before the worker was taken out does not bring it
// back.
func TestRunner_StartMeetsDrop(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		reconcile(t, s, up(Policy{}))
		st.last().deaf = true
		reconcile(t, s)
		synctest.Wait()
		if err := s.Start("w1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st.last().end(0)
		time.Sleep(time.Minute)
		if _, known := s.Status("w1"); known || len(st.at) != 1 {
			t.Errorf("%d launches", len(st.at))
		}
	})
}

// How a worker ended is told to the next daemon also when the start that was
// to follow at once was not to be.
func TestRunner_EndIsRecordedWithoutAStart(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "worker.json")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		w := up(Policy{Backoff: []time.Duration{0}})
		w.Spec.Config = config
		reconcile(t, s, w)
		if err := errors.Join(os.Remove(config), os.Symlink("/etc/passwd", config)); err != nil {
			t.Fatal(err)
		}
		st.last().end(7)
		synctest.Wait()
		if p, _ := m.Process(t.Context(), "w1"); p.Live || p.Exit == nil || p.Exit.Code == nil || *p.Exit.Code != 7 {
			t.Errorf("record: %+v %+v", p, p.Exit)
		}
	})
}

// Run that ends in the middle of somebody's Stop answers it.
func TestRunner_StopMeetsDetach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, m := &stage{}, &memory{rows: map[string]manifest.Process{}}
		s := New(Options{Records: m, LogDir: dir, FIFODir: dir})
		s.os = st
		ctx, cancel := context.WithCancel(t.Context())
		run, stop := make(chan error, 1), make(chan error, 1)
		go func() { run <- s.Run(ctx) }()
		synctest.Wait()
		reconcile(t, s, up(Policy{}))
		st.last().deaf = true
		go func() { stop <- s.Stop(t.Context(), "w1") }()
		synctest.Wait()
		cancel()
		if err := <-stop; !errors.Is(err, ErrEnded) {
			t.Errorf("stop: %v, want ErrEnded", err)
		}
		if err := <-run; err != nil {
			t.Error(err)
		}
		if p, _ := m.Process(t.Context(), "w1"); !p.Live {
			t.Error("the worker was not left to the next daemon")
		}
	})
}

func TestReconcile_Refuses(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, _ *memory) {
		bad := up(Policy{})
		bad.Spec.ID = "../w2"
		if err := s.Reconcile(t.Context(), []Want{bad, up(Policy{}), up(Policy{})}); !errors.Is(err, ErrSpec) {
			t.Errorf("bad spec: %v", err)
		}
		if got := status(t, s); got.State != Running || len(st.launched) != 1 {
			t.Errorf("the good one: %+v", got)
		}
		for _, err := range []error{s.Start("nobody"), s.Stop(t.Context(), "nobody")} {
			if !errors.Is(err, ErrUnknown) {
				t.Errorf("unknown worker: %v", err)
			}
		}
		if _, err := s.Logs("../../etc/passwd"); err == nil {
			t.Error("a path was accepted as an id")
		}
	})
}
