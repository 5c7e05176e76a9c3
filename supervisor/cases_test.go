//go:build unix

package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/manifest"
)

// A program that ends at once is tried with growing pauses and then left
// crashed: it costs next to nothing, and somebody is told.
func TestSupervisor_P1_crashLoopEnds(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		reconcile(t, s, up(Policy{}))
		begun := time.Now()
		for i := 0; status(t, s).State != Crashed; i++ {
			if status(t, s).State == Running {
				st.last().end(i % 2)
			}
			time.Sleep(time.Second)
		}
		if got := status(t, s); len(st.at) != DefaultBudget+1 || time.Since(begun) < time.Hour || got.TotalRestarts != DefaultBudget ||
			!strings.Contains(got.RestartReason, "gave up") {
			t.Errorf("%d starts in %s: %+v", len(st.at), time.Since(begun), got)
		}
		if err := s.Start("w1"); err != nil {
			t.Fatal(err)
		}
		if got := status(t, s); got.State != Running || got.Restarts != 0 {
			t.Errorf("started by hand: %+v", got)
		}
	})
}

// Not parallel: it counts the children and descriptors of the whole process.
func TestSupervisor_P3_shortChildren(t *testing.T) {
	children := 2000
	if testing.Short() {
		children = 100
	}
	r := newRig(t, t.TempDir(), nil)
	zombies := func() (n int) {
		all, err := listProcesses()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.parent == os.Getpid() && p.zombie {
				n++
			}
		}
		return n
	}
	descriptors := func() int {
		names, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	r.want(Want{Spec: Spec{ID: "w1", Program: "/bin/true", Policy: Policy{Backoff: []time.Duration{0}, Budget: -1}}, Running: true})
	r.until("w1", "warm", func(s Status) bool { return s.TotalRestarts > 20 })
	before := descriptors()
	r.until("w1", "through", func(s Status) bool { return s.TotalRestarts > 20+children })
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if n := zombies(); n > 0 {
		t.Errorf("%d zombies", n)
	}
	// Two for each of the few places in which output is taken.
	if after := descriptors(); after > before+2*(runtime.GOMAXPROCS(0)+1) {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if exits, err := r.m.Exits(t.Context(), "w1"); err != nil || len(exits) != manifest.KeptExits || exits[0].How == "" {
		t.Errorf("%d exits kept, %v", len(exits), err)
	}
}

// A step of the wall clock changes no duration: not of a pause, nor of a run
// that an earlier daemon began.
func TestSupervisor_P10_wallClockSteps(t *testing.T) {
	t.Parallel()
	info, err := statProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if age, ok := sinceStart(info.start); ok && (age <= 0 || age > time.Hour) {
		t.Errorf("this test has run for %s", age)
	} else if !ok {
		t.Log("this system keeps no other clock of a process than the wall's")
	}
	bubble := func(step time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			st, m := &stage{survivor: &actor{pid: 77, ends: make(chan struct{}), asked: make(chan struct{}), old: 30 * time.Second}}, &memory{rows: map[string]manifest.Process{}}
			m.rows["w1"] = manifest.Process{ID: "w1", Generation: 4, Live: true, PID: 77, BootID: "boot", Restarts: 3, StartedAt: time.Now().Add(-step)}
			s := New(Options{Records: m, LogDir: t.TempDir(), FIFODir: t.TempDir()})
			s.os = st
			done := make(chan error, 1)
			go func() { done <- s.Run(t.Context()) }()
			synctest.Wait()
			reconcile(t, s, up(Policy{}))
			time.Sleep(29 * time.Second)
			if got := status(t, s); got.Restarts != 3 {
				t.Errorf("step %s: forgot its restarts before a stable run: %+v", step, got)
			}
			time.Sleep(2 * time.Second)
			if got := status(t, s); got.Restarts != 0 {
				t.Errorf("step %s: a stable run of 61 s changes nothing: %+v", step, got)
			}
			if err := s.StopAll(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	bubble(24 * time.Hour)
	bubble(-24 * time.Hour)
}

// While this host has no room a start is tried until it has, however often; it
// is said once.
func TestSupervisor_P13_P15_noRoomOnThisHost(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.EAGAIN, syscall.ENOMEM} {
		t.Run(cause.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
				logged := &countingHandler{}
				s.log = slog.New(logged)
				st.mu.Lock()
				st.fail = fmt.Errorf("fork/exec x: %w", cause)
				st.mu.Unlock()
				reconcile(t, s, up(Policy{Backoff: []time.Duration{0, time.Second}, Budget: 2}))
				time.Sleep(time.Minute)
				if got := status(t, s); got.State != BackingOff || !strings.Contains(got.LastError, cause.Error()) || got.LastExit.How != manifest.NotStarted {
					t.Errorf("%+v", got)
				}
				tries := len(st.at)
				if tries < 20 || tries > 700 {
					t.Errorf("%d tries in a minute", tries)
				}
				if n := logged.count(slog.LevelWarn); n != 1 {
					t.Errorf("said %d times", n)
				}
				if err := s.Stop(t.Context(), "w1"); err != nil {
					t.Fatal(err)
				}
				if got := status(t, s); got.State != Stopped {
					t.Errorf("stopped: %+v", got)
				}
				st.mu.Lock()
				st.fail = nil
				st.mu.Unlock()
				if err := s.Start("w1"); err != nil {
					t.Fatal(err)
				}
				if got := status(t, s); got.State != Running || got.LastError != "" {
					t.Errorf("with room again: %+v", got)
				}
			})
		})
	}
}

// countingHandler counts what is logged.
type countingHandler struct {
	mu   sync.Mutex
	seen []slog.Level
}

func (*countingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *countingHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *countingHandler) WithGroup(string) slog.Handler          { return h }
func (h *countingHandler) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, r.Level)
	return nil
}

func (h *countingHandler) count(level slog.Level) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.seen {
		if l >= level {
			n++
		}
	}
	return n
}

// One rule for ids, wherever they come from: no path, no device, no trick.
func TestSupervisor_P18_ids(t *testing.T) {
	t.Parallel()
	s := New(testOptions(t.TempDir(), &memory{rows: map[string]manifest.Process{}}))
	for _, id := range []string{
		"", ".", "..", "../../x", "..%2f", "a/b", `a\b`, "con", "CON", "aux.txt", "nul", "com1", "lpt9", "a\x00b", strings.Repeat("a", 300),
		"wörker", "ａ", "w\u200b1", "trailing.", "trailing ", " leading", "a\nb", "-\r", "~", "a:b",
	} {
		if err := s.Reconcile(t.Context(), []Want{{Spec: Spec{ID: id, Program: "x"}, Running: true}}); err == nil {
			t.Errorf("%q is supervised", id)
		}
		if _, err := s.Logs(id); err == nil {
			t.Errorf("the log of %q is read", id)
		}
		e := manifest.Entry{ID: id, Label: "x", APIURL: "http://x", ConfigPath: "/x", Mode: manifest.ModePool}
		if e.Validate() == nil {
			t.Errorf("%q is an entry", id)
		}
	}
}

// A worker that somebody halted can still be stopped, in the ordinary way.
func TestSupervisor_StopsAHaltedWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	r.up("w1", "sleep")
	pid := r.running("w1").PID
	r.lines("w1", 1)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if st, _ := r.Status("w1"); st.LastExit.Code == nil || *st.LastExit.Code != 0 || time.Since(begun) > 8*time.Second {
		t.Errorf("after %s: %+v", time.Since(begun), st.LastExit)
	}
}

// Later entries win, a bare name takes a variable out.
func TestEnvironment(t *testing.T) {
	t.Setenv("SUP_A", "daemon")
	t.Setenv("SUP_B", "daemon")
	env := Environment("SUP_A=1", "SUP_A=2", "SUP_B", "SUP_C")
	if !slices.Contains(env, "SUP_A=2") || slices.Contains(env, "SUP_A=1") || slices.Contains(env, "SUP_A=daemon") {
		t.Error("the last entry does not win")
	}
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "SUP_B") || strings.HasPrefix(e, "SUP_C") }) {
		t.Error("a bare name stays")
	}
}
