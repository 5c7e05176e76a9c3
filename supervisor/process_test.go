//go:build unix

package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSupervisor_ExitCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	for _, code := range []int{0, 1, 42} {
		id := fmt.Sprint("exit", code)
		s := spec(id, fmt.Sprint("exit ", code))
		s.Policy.Budget = 3
		r.want(Want{Spec: s, Running: true})
		st := r.until(id, "crashed", func(s Status) bool { return s.State == Crashed })
		if st.LastExit == nil || st.LastExit.Code == nil || *st.LastExit.Code != code || st.LastExit.Signal != nil {
			t.Errorf("last exit %+v, want code %d", st.LastExit, code)
		}
		if st.Restarts != 3 || st.TotalRestarts != 3 || !strings.Contains(st.RestartReason, "gave up") {
			t.Errorf("after the budget: %+v", st)
		}
		// A reconcile for another worker's sake does not wake it; a person does.
		r.want(Want{Spec: s, Running: true})
		if st := r.until(id, "crashed", func(Status) bool { return true }); st.State != Crashed {
			t.Errorf("reconcile moved a crashed worker to %s", st.State)
		}
		if err := r.Start(id); err != nil {
			t.Fatal(err)
		}
		r.until(id, "crashed again", func(s Status) bool { return s.State == Crashed && s.TotalRestarts == 6 })
		r.want() // forgotten before the next
		eventually(t, "forgotten", func() bool { _, ok := r.Status(id); return !ok })
	}
}

func TestSupervisor_Signal(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	r.up("w1", "sleep")
	st := r.running("w1")
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := r.until("w1", "running again", func(s Status) bool { return s.State == Running && s.PID != st.PID })
	if again.LastExit.Signal == nil || *again.LastExit.Signal != "SIGKILL" || again.Restarts != 1 {
		t.Errorf("after a kill: %+v %+v", again, again.LastExit)
	}
}

func TestSupervisor_SpawnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	s := spec("w1", "sleep")
	s.Program = filepath.Join(t.TempDir(), "missing")
	s.Policy.Backoff = []time.Duration{time.Hour}
	r.want(Want{Spec: s, Running: true})
	st := r.until("w1", "backing off", func(s Status) bool { return s.State == BackingOff })
	if !strings.Contains(st.LastError, "missing") || st.Restarts != 1 || st.NextStartAt.IsZero() {
		t.Errorf("after a spawn error: %+v", st)
	}
	if st.LastExit == nil || st.LastExit.Code != nil || st.LastExit.Signal != nil {
		t.Errorf("last exit %+v, want one without code and signal", st.LastExit)
	}
	// Installed since: the next start finds it.
	if err := os.Symlink(os.Args[0], s.Program); err != nil {
		t.Fatal(err)
	}
	if err := r.Start("w1"); err != nil {
		t.Fatal(err)
	}
	r.running("w1")
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Program); err != nil {
		t.Fatal(err)
	}
	if err := r.Start("w1"); err != nil {
		t.Fatal(err)
	}
	r.until("w1", "backing off again", func(s Status) bool { return s.State == BackingOff })
	// Stopped at once while backing off; a spec that was repaired is used.
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if st, _ := r.Status("w1"); st.State != Stopped || st.Restarts != 0 {
		t.Errorf("stopped while backing off: %+v", st)
	}
	r.up("w1", "sleep")
	if st := r.running("w1"); st.LastError != "" {
		t.Errorf("error of before is still shown: %+v", st)
	}
}

func TestSupervisor_StartWhileBackingOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	s := spec("w1", "exit 1")
	s.Policy.Backoff = []time.Duration{time.Hour}
	r.want(Want{Spec: s, Running: true})
	r.until("w1", "backing off", func(s Status) bool { return s.State == BackingOff })
	s.Env = spec("w1", "sleep").Env
	r.want(Want{Spec: s, Running: true})
	if err := r.Start("w1"); err != nil {
		t.Fatal(err)
	}
	if st := r.running("w1"); st.Restarts != 0 || !st.NextStartAt.IsZero() {
		t.Errorf("started by hand: %+v", st)
	}
}

func TestSupervisor_StartDuringDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	r.up("w1", "slow-stop 300")
	first := r.running("w1")
	r.lines("w1", 1)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(t.Context(), "w1") }()
	r.until("w1", "draining", func(s Status) bool { return s.Draining })
	if err := r.Start("w1"); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the stop did not end: %v", err)
	}
	second := r.until("w1", "running again", func(s Status) bool { return s.State == Running && s.PID != first.PID })
	if second.Draining || second.Restarts != 0 {
		t.Errorf("after the queued start: %+v", second)
	}
	p, err := r.m.Process(t.Context(), "w1")
	if err != nil || p.Generation != 2 || p.PID != second.PID || !p.Live {
		t.Errorf("record: %+v, %v", p, err)
	}
}

func TestSupervisor_KillsGroupAfterGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	s := spec("w1", "deaf")
	s.StopGrace = 200 * time.Millisecond
	r.want(Want{Spec: s, Running: true})
	st := r.running("w1")
	inner := pidIn(t, r.lines("w1", 1), "inner")
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{st.PID, inner} {
		eventually(t, "end of the group", func() bool { return !alive(pid) })
	}
	if st, _ := r.Status("w1"); st.State != Stopped || st.LastExit.Signal == nil || *st.LastExit.Signal != "SIGKILL" {
		t.Errorf("after the grace: %+v %+v", st, st.LastExit)
	}
}

func TestSupervisor_P5_grandchildKeepsOutputOpen(t *testing.T) {
	t.Parallel()
	for how, role := range map[string]string{"group": "leave group", "setsid": "leave setsid", "other group": "scatter"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, t.TempDir(), nil)
			s := spec("w1", role)
			s.Policy.FinalCodes = []int{0}
			start := time.Now()
			r.want(Want{Spec: s, Running: true})
			r.until("w1", "stopped", func(s Status) bool { return s.State == Stopped && s.LastExit != nil })
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("the exit was seen after %s", took)
			}
			left := pidIn(t, r.lines("w1", 1), "left")
			if how == "setsid" { // it left on purpose
				if !alive(left) {
					t.Error("a process in a session of its own was killed")
				}
				if err := syscall.Kill(left, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
				return
			}
			eventually(t, "end of what was left in the session", func() bool { return !alive(left) })
		})
	}
}

func TestSupervisor_Flood(t *testing.T) {
	t.Parallel()
	const n = 50_000
	r := newRig(t, t.TempDir(), func(o *Options) {
		o.LogMaxBytes, o.LogBackups = 1<<20, 20
	})
	s := spec("w1", fmt.Sprint("flood ", n))
	s.Policy.FinalCodes = []int{0}
	r.want(Want{Spec: s, Running: true})
	r.until("w1", "stopped", func(s Status) bool { return s.State == Stopped && s.LastExit != nil })
	lines := r.lines("w1", n)
	if len(lines) != n {
		t.Fatalf("%d lines, want %d", len(lines), n)
	}
	for i, l := range lines {
		if want := fmt.Sprintf("line %06d %s", i, strings.Repeat("x", i%97)); l != want {
			t.Fatalf("line %d is %q, want %q", i, l, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "logs", "w1.log*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("rotated files: %v %v", files, err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 1<<20 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %o", name, info.Size(), info.Mode().Perm())
		}
	}
}

func TestSupervisor_OddLines(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	s := spec("w1", "odd")
	s.Policy.FinalCodes = []int{0}
	r.want(Want{Spec: s, Running: true})
	r.until("w1", "stopped", func(s Status) bool { return s.State == Stopped && s.LastExit != nil })
	lines := linesOf(t, r.logPath("w1"), 100)
	var out, long []string
	for _, l := range lines {
		switch {
		case l.Stream == "err":
			if l.Text != "no line end" {
				t.Errorf("unfinished last line: %q", l.Text)
			}
		case strings.HasPrefix(l.Text, "é"):
			long = append(long, l.Text)
		default:
			out = append(out, l.Text)
		}
		if len(l.Text) > maxLine || !utf8.ValidString(l.Text) || l.TS.IsZero() {
			t.Errorf("bad line of %d bytes: %.60q", len(l.Text), l.Text)
		}
	}
	if want := []string{"nul\x00 esc\x1b[31m bad\uFFFD", ""}; !slices.Equal(out, want) {
		t.Errorf("lines %q, want %q", out, want)
	}
	whole := ""
	for i, piece := range long {
		text, cut := strings.CutSuffix(piece, cutMark)
		if cut != (i < len(long)-1) {
			t.Errorf("piece %d of %d: marked %v", i, len(long), cut)
		}
		whole += text
	}
	if whole != strings.Repeat("é", 10000) {
		t.Errorf("the pieces of the long line give %d bytes", len(whole))
	}
}

func TestSupervisor_InheritsNoDescriptors(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return // the check needs Linux; the code path is the same elsewhere
	}
	leak, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0) // not close-on-exec, as from a careless parent
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	r := newRig(t, t.TempDir(), nil)
	s := spec("w1", "fds")
	s.Policy.FinalCodes = []int{0}
	r.want(Want{Spec: s, Running: true})
	r.until("w1", "stopped", func(s Status) bool { return s.State == Stopped && s.LastExit != nil })
	for _, l := range r.lines("w1", 3) {
		var fd int
		var to string
		if _, err := fmt.Sscanf(l, "fd %d %s", &fd, &to); err == nil && fd > 2 &&
			(to == os.DevNull || strings.HasPrefix(to, r.dir) || strings.HasPrefix(to, "pipe:")) {
			t.Errorf("inherited: %s", l)
		}
	}
}

func TestSupervisor_StopAllInParallel(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	var want []Want
	for i := range 5 {
		want = append(want, Want{Spec: spec(fmt.Sprint("w", i), "slow-stop 700"), Running: true})
	}
	r.want(want...)
	for i := range 5 {
		r.running(fmt.Sprint("w", i))
		r.lines(fmt.Sprint("w", i), 1)
	}
	start := time.Now()
	if err := r.StopAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("five drains of 0.7 s took %s", took)
	}
	for _, st := range r.Statuses() {
		if st.State != Stopped || *st.LastExit.Code != 0 {
			t.Errorf("after stop all: %+v", st)
		}
	}
	if err := r.Start("w0"); err == nil {
		t.Error("a start after stop all was accepted")
	}
}

// Removed entries are stopped and forgotten; one that comes back while it
// drains is kept.
func TestSupervisor_ReconcileRemoves(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), nil)
	a, b := Want{Spec: spec("a", "slow-stop 200"), Running: true}, Want{Spec: spec("b", "sleep"), Running: true}
	r.want(a, b)
	first := r.running("a")
	bPID := r.running("b").PID
	r.lines("a", 1)
	r.want(b)
	r.until("a", "draining", func(s Status) bool { return s.Draining })
	r.want(a, b)
	r.until("a", "running again", func(s Status) bool { return s.State == Running && s.PID != first.PID })
	if st, _ := r.Status("b"); st.PID != bPID {
		t.Error("the other worker was touched")
	}
	r.want(a)
	eventually(t, "b is forgotten", func() bool { _, ok := r.Status("b"); return !ok })
	if alive(bPID) {
		t.Error("the removed worker still runs")
	}
	if all, err := r.m.Processes(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("recorded processes: %+v %v", all, err)
	}
}

// Not parallel: it counts the descriptors of the whole process.
func TestSupervisor_Cycles(t *testing.T) {
	cycles := 500
	if testing.Short() {
		cycles = 50
	}
	r := newRig(t, t.TempDir(), nil)
	r.up("w1", "sleep")
	var pids []int
	cycle := func() {
		pids = append(pids, r.running("w1").PID)
		if err := r.Stop(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		if err := r.Start("w1"); err != nil {
			t.Fatal(err)
		}
		r.running("w1")
	}
	descriptors := func() int {
		names, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for range 5 {
		cycle()
	}
	before := descriptors()
	for range cycles {
		cycle()
	}
	// Two for each of the few places in which output is taken.
	if after := descriptors(); after > before+2+2*(runtime.GOMAXPROCS(0)+1) {
		t.Errorf("open descriptors grew from %d to %d", before, after)
	}
	for _, pid := range pids {
		if _, err := statProcess(pid); err == nil {
			t.Errorf("process %d is still there, if only as a zombie", pid)
		}
	}
	if files, err := os.ReadDir(filepath.Join(r.dir, "fifo")); err != nil || len(files) > 2+runtime.GOMAXPROCS(0)+1 {
		t.Errorf("left in the FIFO folder: %v %v", files, err)
	}
	if p, err := r.m.Process(t.Context(), "w1"); err != nil || p.Generation != int64(cycles)+6 {
		t.Errorf("generation %d, %v", p.Generation, err)
	}
}
