//go:build unix

package daemon

import (
	"errors"
	"syscall"
	"testing"

	"pipedai/api"
)

// A daemon that leaves is followed by one that goes on as if nothing had been.
func TestRun_P8_restartKeepsWorkers(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1", "w2")
	dir := newHome(t, p.URL, "w1", "w2")
	first := startDaemon(t, testOptions(dir))
	pids := []int{first.pid(t, "w1"), first.pid(t, "w2")}
	counting(t, dir, "w1")

	answer, err := first.Restart(t.Context(), api.LeaveRequest{Reason: "for the test"})
	if err != nil || !answer.ComesBack || answer.Workers != 2 || answer.By != "" {
		t.Fatalf("restart: %+v, %v", answer, err)
	}
	var left *LeftError
	if err := first.stop(); !errors.As(err, &left) || !left.ComeBack || left.Reason != "for the test" || left.Port == 0 {
		t.Fatalf("Run returned %v", err)
	}
	if _, err := ReadInfo(dir); !errors.Is(err, ErrNoInfo) {
		t.Errorf("a daemon that is gone is still announced: %v", err)
	}
	before := counted(t, dir, "w1")
	second := startDaemon(t, testOptions(dir))
	for i, id := range []string{"w1", "w2"} {
		if pid := second.pid(t, id); pid != pids[i] {
			t.Errorf("the pid of %s went from %d to %d", id, pids[i], pid)
		}
	}
	until(t, "lines come again, none missing", func() bool { return counted(t, dir, "w1") > before+50 })
}

func TestRun_detachStaysAway(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	first := startDaemon(t, testOptions(dir))
	pid := first.pid(t, "w1")
	if _, err := first.Detach(t.Context(), api.LeaveRequest{}); err != nil {
		t.Fatal(err)
	}
	var left *LeftError
	if err := first.stop(); !errors.As(err, &left) || left.ComeBack {
		t.Fatalf("Run returned %v", err)
	}
	if !alive(pid) {
		t.Error("the worker ended with its daemon")
	}
	startDaemon(t, testOptions(dir)) // and stops it at the end of the test
}

// In the foreground a daemon becomes the next one without a new process. Its
// workers stay its children, so how they end is known.
func TestRun_34_restartInTheForeground(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	child := spawnDaemon(t, dir)
	first := child.client(t, dir)
	pid := first.pid(t, "w1")
	before, err := ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	counting(t, dir, "w1")
	if _, err := first.Restart(t.Context(), api.LeaveRequest{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the new daemon answers", func() bool {
		info, err := ReadInfo(dir)
		return err == nil && info.PID == before.PID && !info.StartedAt.Equal(before.StartedAt.Time)
	})
	second := child.client(t, dir)
	if again := second.pid(t, "w1"); again != pid {
		t.Fatalf("the worker's pid went from %d to %d", pid, again)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "how the worker ended is known, and it runs again", func() bool {
		w := second.worker(t, "w1")
		return w.Local.PID != nil && *w.Local.PID != pid && w.Local.LastExit != nil &&
			w.Local.LastExit.Signal != nil && *w.Local.LastExit.Signal == "SIGKILL"
	})
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the ended worker is a zombie: %v", err)
	}
	if err := child.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-child.ended
}

func TestLeave_onceAndNotWhileStopping(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	h.end = func() {}
	if _, err := h.Leave(t.Context(), true, ""); asAPI(t, err).Code != api.CodeNotReady {
		t.Errorf("before it is ready: %v", err)
	}
	h.phase.Store(phaseReady)
	for range 2 { // a double click is one restart
		if answer, err := h.Leave(t.Context(), true, "r"); err != nil || !answer.ComesBack {
			t.Errorf("restart: %+v, %v", answer, err)
		}
	}
	if _, err := h.Leave(t.Context(), false, ""); asAPI(t, err).Status != 409 {
		t.Errorf("detach during a restart: %v", err)
	}

	h = newTestHost(t)
	h.phase.Store(phaseStopping)
	if _, err := h.Leave(t.Context(), true, ""); asAPI(t, err).Code != api.CodeNotReady {
		t.Errorf("while stopping: %v", err)
	}
	h.phase.Store(phaseReady)
	h.o.CannotRestart = "there is nobody to start it"
	if _, err := h.Leave(t.Context(), true, ""); asAPI(t, err).Status != 409 {
		t.Errorf("nobody starts it again: %v", err)
	}
}

func newTestHost(t *testing.T) *host {
	t.Helper()
	dir := newHome(t, "https://a.test")
	o := testOptions(dir)
	o.defaults()
	return newHost(o, nil)
}
