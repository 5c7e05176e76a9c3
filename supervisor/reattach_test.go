//go:build unix

package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// startDaemon runs a supervisor in a process of its own and returns how to
// kill it with SIGKILL.
func startDaemon(t *testing.T, dir, role string) (kill func()) {
	t.Helper()
	cmd := self("daemon " + dir + " " + role)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("kill daemon: %v", err)
		}
		_ = cmd.Wait() // killed, as we asked
		if stderr.Len() > 0 {
			t.Errorf("daemon: %s", &stderr)
		}
	})
	t.Cleanup(kill)
	return kill
}

// record waits until the manifest in dir holds a live process of w1.
func record(t *testing.T, dir string) (p manifest.Process) {
	t.Helper()
	eventually(t, "process is recorded", func() bool {
		m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
		if err != nil {
			return false // held by the daemon
		}
		defer m.Close()
		p, err = m.Process(t.Context(), "w1")
		return err == nil && p.Live && p.PID > 0
	})
	return p
}

func logSize(dir string) int64 {
	info, err := os.Stat(filepath.Join(dir, "logs", "w1.log"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// A daemon that is killed again and again, at any instruction, leaves its
// worker running and neither loses nor doubles a line of it.
func TestReattach_AfterSIGKILL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kill := startDaemon(t, dir, "count")
	p := record(t, dir)
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		size := logSize(dir)
		eventually(t, "log grows", func() bool { return logSize(dir) > size+100_000 })
		kill()
		if !alive(p.PID) {
			t.Fatal("the worker ended with the daemon")
		}
		kill = startDaemon(t, dir, "count")
	}
	size := logSize(dir)
	eventually(t, "log grows", func() bool { return logSize(dir) > size })
	kill()

	r := newRig(t, dir, nil)
	r.up("w1", "count")
	st := r.running("w1")
	if st.PID != p.PID || !st.Reattached || st.TotalRestarts != 0 {
		t.Errorf("re-attached: %+v, want pid %d", st, p.PID)
	}
	if !st.StartedAt.Equal(p.StartedAt) {
		t.Errorf("started at %s, want %s", st.StartedAt, p.StartedAt)
	}
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if st, _ := r.Status("w1"); st.State != Stopped || st.LastExit == nil || st.LastExit.Code != nil || !kernelTells(t) && st.LastExit.How != manifest.Unknown ||
		kernelTells(t) && (st.LastExit.How != manifest.Killed || *st.LastExit.Signal != "SIGTERM") {
		t.Errorf("exit of a process that is not our child: %+v %+v, want SIGTERM, or unknown before Linux 6.15", st, st.LastExit)
	}

	lines := linesOf(t, r.logPath("w1"), 1<<20)
	var numbers []int
	last := map[string]int{"out": -1, "err": -1}
	for i, l := range lines {
		var n int
		if _, err := fmt.Sscanf(l.Text, "n %d", &n); err != nil || len(l.Text) != len("n 00000000") {
			if i >= len(lines)-2 {
				continue // killed by the stop in the middle of a line
			}
			t.Fatalf("line %d is broken: %q", i, l.Text)
		}
		if n <= last[l.Stream] {
			t.Fatalf("line %d: %s number %d after %d", i, l.Stream, n, last[l.Stream])
		}
		last[l.Stream] = n
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i {
			t.Fatalf("number %d is lost or doubled, of %d", i, len(numbers))
		}
	}
	t.Logf("%d lines over %d daemons", len(numbers), rounds+2)
}

// kernelTells says whether the kernel tells how a process ended that is not our
// child: Linux does since 6.15.
func kernelTells(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return unix.ByteSliceToString(name.Sysname[:]) == "Linux" && (major > 6 || major == 6 && minor >= 15)
}

// Run that ends by its context leaves the worker to the next one as well.
func TestReattach_AfterDetach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.up("w1", "sleep")
	pid := first.running("w1").PID
	first.end()
	second := newRig(t, dir, nil)
	second.up("w1", "sleep")
	st := second.running("w1")
	if st.PID != pid || !st.Reattached {
		t.Fatalf("%+v, want pid %d again", st, pid)
	}
	// Its end is seen, and it is started again. It is the child of this process
	// whichever daemon started it, so how it ended is known.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st = second.until("w1", "running again", func(s Status) bool { return s.State == Running && s.PID != pid })
	if st.Reattached || st.TotalRestarts != 1 || st.LastExit.Code != nil || st.LastExit.Signal == nil || *st.LastExit.Signal != "SIGKILL" {
		t.Errorf("after its end: %+v %+v", st, st.LastExit)
	}
}

// A host full of workers: all are taken over, none is started again.
func TestSupervisor_P6_allOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []Want
	for i := range 20 {
		want = append(want, Want{Spec: spec(fmt.Sprint("w", i), "sleep"), Running: true})
	}
	first := newRig(t, dir, nil)
	first.want(want...)
	pids := map[string]int{}
	for _, w := range want {
		pids[w.Spec.ID] = first.running(w.Spec.ID).PID
	}
	first.end()
	second := newRig(t, dir, nil)
	second.want(want...)
	for _, w := range want {
		if st := second.running(w.Spec.ID); st.PID != pids[w.Spec.ID] || !st.Reattached || st.TotalRestarts != 0 {
			t.Errorf("%+v, want pid %d again", st, pids[w.Spec.ID])
		}
	}
}

// A worker that ends while no daemon is there is started anew; what it left is
// ended, and its last words are kept as long as that held them.
func TestReattach_EndedMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.up("w1", "parent")
	pid := first.running("w1").PID
	inner := pidIn(t, first.lines("w1", 4), "child")
	first.end()
	before := len(first.lines("w1", 1))
	held := filepath.Join(dir, "fifo", "w1~1.out")
	fd, err := openFIFO(held)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "something is unread", func() bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n > 0
	})
	if err := errors.Join(unix.Close(fd), syscall.Kill(pid, syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "worker ended", func() bool { return !alive(pid) })

	second := newRig(t, dir, nil)
	second.up("w1", "sleep")
	if st := second.running("w1"); st.PID == pid || st.Reattached || st.LastExit == nil || st.LastExit.Signal == nil {
		t.Errorf("after its end: %+v", st)
	}
	eventually(t, "what it left is ended", func() bool { return !alive(inner) })
	if lines := second.lines("w1", before+1); !strings.HasPrefix(lines[before], "tick ") {
		t.Errorf("its last words are missing: %q", lines[before:])
	}
	if _, err := os.Stat(held); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its FIFO stays: %v", err)
	}
}

// A worker that drains while the daemon is replaced goes on draining: asked a
// second time, a program may end at once and lose the run it has in hand.
func TestReattach_WhileDraining(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	may := filepath.Join(dir, "may-end")
	first := newRig(t, dir, nil)
	first.up("w1", "impatient "+may)
	pid := first.running("w1").PID
	first.lines("w1", 1)
	first.want(Want{Spec: spec("w1", "impatient "+may)})
	first.lines("w1", 2)
	eventually(t, "the stop is recorded", func() bool {
		p, err := first.m.Process(t.Context(), "w1")
		return err == nil && !p.AskedAt.IsZero()
	})
	first.end()

	second := newRig(t, dir, nil)
	second.want(Want{Spec: spec("w1", "impatient "+may)})
	// Run may begin after Reconcile: then that does not wait for it.
	if st := second.until("w1", "draining", func(s Status) bool { return s.Draining }); st.PID != pid {
		t.Fatalf("%+v, want pid %d draining", st, pid)
	}
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := second.until("w1", "stopped", func(s Status) bool { return s.State == Stopped })
	if st.LastExit.Code == nil || *st.LastExit.Code != 0 {
		t.Errorf("it was asked twice: %+v", st.LastExit)
	}
	// The next process of it was not asked anything.
	second.up("w1", "sleep")
	second.running("w1")
	if p, err := second.m.Process(t.Context(), "w1"); err != nil || !p.AskedAt.IsZero() {
		t.Errorf("record of the next process: %+v, %v", p, err)
	}
}

// A worker that is not wanted any more is found and stopped, also when its
// entry vanished while no daemon was there.
func TestReattach_Unwanted(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]Want{"stopped": {{Spec: spec("w1", "sleep")}}, "removed": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := newRig(t, dir, nil)
			first.up("w1", "sleep")
			pid := first.running("w1").PID
			first.end()
			second := newRig(t, dir, nil)
			second.want(want...)
			eventually(t, "process ended", func() bool { return !alive(pid) })
		})
	}
}

// Killed between the start of a process and the record of its pid, a daemon
// must not start a second one.
func TestReattach_PIDNotRecorded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.up("w1", "sleep")
	pid := first.running("w1").PID
	first.end()
	m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Process(t.Context(), "w1")
	if err != nil {
		t.Fatal(err)
	}
	p.PID, p.StartTime = 0, 0
	if err := errors.Join(m.PutProcess(t.Context(), p), m.Close()); err != nil {
		t.Fatal(err)
	}
	second := newRig(t, dir, nil)
	second.up("w1", "sleep")
	if st := second.running("w1"); st.PID != pid {
		t.Errorf("pid %d, want %d: a duplicate was started", st.PID, pid)
	}
	if p, err := second.m.Process(t.Context(), "w1"); err != nil || p.PID != pid || p.StartTime == 0 {
		t.Errorf("found again, but not recorded: %+v %v", p, err)
	}
}

// Where the boot cannot be told (a unit with ProcSubset=pid sees no boot id) a
// worker is known again by its marker, and not started a second time.
func TestReattach_BootNotKnown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.os.(*osLauncher).boot = ""
	first.up("w1", "sleep")
	pid := first.running("w1").PID
	first.end()
	second := newRig(t, dir, nil)
	second.os.(*osLauncher).boot = ""
	second.up("w1", "sleep")
	if st := second.running("w1"); st.PID != pid || !st.Reattached {
		t.Errorf("pid %d, want %d: a duplicate was started", st.PID, pid)
	}
}

// A pid that another process has by now is neither signalled nor taken over.
func TestSupervisor_P7_stalePIDs(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*manifest.Process){
		"other start time": func(p *manifest.Process) { p.StartTime++ },
		"other boot":       func(p *manifest.Process) { p.BootID = "before the reboot" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stranger := self("sleep")
			stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := stranger.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stranger.Process.Kill(); err != nil {
					t.Errorf("the stranger was touched: %v", err)
				}
				_ = stranger.Wait() // killed, as we asked
			}()
			dir := t.TempDir()
			m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
			if err != nil {
				t.Fatal(err)
			}
			info, err := statProcess(stranger.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			boot, err := readBootID()
			if err != nil {
				t.Fatal(err)
			}
			p := manifest.Process{ID: "w1", Generation: 7, Live: true, PID: stranger.Process.Pid, StartTime: info.start, BootID: boot,
				FIFOOut: filepath.Join(dir, "fifo", "w1~7.out"), FIFOErr: filepath.Join(dir, "fifo", "w1~7.err"),
				StartedAt: time.Now(), TotalRestarts: 3}
			change(&p)
			if err := errors.Join(m.PutProcess(t.Context(), p), m.Close()); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, dir, nil)
			r.up("w1", "sleep")
			st := r.running("w1")
			if st.PID == p.PID || st.Reattached || st.TotalRestarts != 3 {
				t.Errorf("taken over: %+v", st)
			}
			if got, err := r.m.Process(t.Context(), "w1"); err != nil || got.Generation != 8 {
				t.Errorf("record: %+v %v", got, err)
			}
			if err := r.Stop(t.Context(), "w1"); err != nil {
				t.Fatal(err)
			}
			if !alive(p.PID) {
				t.Error("the stranger was killed")
			}
		})
	}
}

// The FIFO's name may be cleaned away while the worker holds it.
func TestReattach_FIFORemoved(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // elsewhere the output of such a worker is lost, which is documented
	}
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.up("w1", "count")
	pid := first.running("w1").PID
	first.end()
	if err := os.RemoveAll(filepath.Join(dir, "fifo")); err != nil {
		t.Fatal(err)
	}
	size := logSize(dir)
	second := newRig(t, dir, nil)
	second.up("w1", "count")
	if st := second.running("w1"); st.PID != pid {
		t.Errorf("pid %d, want %d", st.PID, pid)
	}
	eventually(t, "log grows", func() bool { return logSize(dir) > size })
	for i, l := range second.lines("w1", 1) {
		if !strings.HasPrefix(l, "n ") {
			t.Fatalf("line %d is broken: %q", i, l)
		}
	}
}
