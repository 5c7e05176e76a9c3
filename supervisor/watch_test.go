//go:build unix

package supervisor

import (
	"path/filepath"
	"syscall"
	"testing"

	"pipedai/manifest"
)

// A supervisor that only looks takes up processes and their output, and leaves
// everything else to the one after it: no start, no stop, no record.
func TestWatch_onlyLooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newRig(t, dir, nil)
	first.want(Want{Spec: spec("w1", "count"), Running: true}, Want{Spec: spec("w2", "sleep"), Running: true})
	pid, other := first.running("w1").PID, first.running("w2").PID
	first.end()

	size := logSize(dir)
	looks := newRig(t, dir, func(o *Options) { o.Watch = true })
	// w1 is not wanted any more, w3 is new: neither is its business.
	looks.want(Want{Spec: spec("w1", "count")}, Want{Spec: spec("w3", "sleep"), Running: true})
	if st := looks.until("w1", "attached", func(s Status) bool { return s.PID == pid }); st.State != Running || st.Draining {
		t.Errorf("%+v", st)
	}
	eventually(t, "its output is taken", func() bool { return logSize(dir) > size })
	if err := syscall.Kill(other, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "w2 ended", func() bool { return !alive(other) })
	if st, _ := looks.Status("w3"); st.PID != 0 {
		t.Errorf("w3 was started: %+v", st)
	}
	looks.end()
	if !alive(pid) {
		t.Fatal("w1 was stopped")
	}
	m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := m.Process(t.Context(), "w2"); err != nil || !p.Live || p.PID != other {
		t.Errorf("the end of w2 was recorded: %+v, %v", p, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}

	after := newRig(t, dir, nil)
	after.want(Want{Spec: spec("w1", "count"), Running: true}, Want{Spec: spec("w2", "sleep"), Running: true})
	if st := after.running("w1"); st.PID != pid {
		t.Errorf("w1 has pid %d, want %d", st.PID, pid)
	}
	if st := after.running("w2"); st.PID == other || st.LastExit == nil || st.LastExit.Signal == nil || *st.LastExit.Signal != "SIGKILL" {
		t.Errorf("w2: %+v %+v", st, st.LastExit)
	}
}
