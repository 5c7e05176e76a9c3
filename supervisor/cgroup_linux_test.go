package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/manifest"
)

func TestLimitFiles(t *testing.T) {
	t.Parallel()
	got := limitFiles(Limits{MemoryBytes: 2 << 30, CPU: 1.5, PIDs: 200, NoFile: 9})
	want := []limitFile{
		{"memory", "memory.max", "2147483648"}, {"memory", "memory.oom.group", "1"}, {"cpu", "cpu.max", "150000 100000"}, {"pids", "pids.max", "200"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(limitFile{})); diff != "" {
		t.Error(diff)
	}
	if got := limitFiles(Limits{CPU: 0.001}); got[0].value != "1000 100000" {
		t.Errorf("a share the kernel refuses: %+v", got)
	}
	if got := limitFiles(Limits{}); got != nil {
		t.Errorf("%+v", got)
	}
}

// Controllers are switched on only where no process sits in the group itself:
// the service manager could start nothing in it any more.
func TestCgroups_enable(t *testing.T) {
	t.Parallel()
	tree := func(controllers, on, procs string) string {
		dir := t.TempDir()
		for name, text := range map[string]string{"cgroup.controllers": controllers, "cgroup.subtree_control": on, "cgroup.procs": procs} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, tt := range []struct {
		controllers, on, procs string
		want                   []string
		why                    string
	}{
		{"cpu io memory pids\n", "memory pids cpu\n", "1\n", []string{"memory", "cpu", "pids"}, ""},
		{"cpu memory pids\n", "", "", []string{"memory", "cpu", "pids"}, ""},
		{"cpu memory pids\n", "pids\n", "17\n", []string{"pids"}, "DelegateSubgroup"},
		{"pids\n", "", "", []string{"pids"}, "no controller"},
		{"", "", "", nil, "no controller"},
	} {
		got, why := enable(tree(tt.controllers, tt.on, tt.procs))
		if !slices.Equal(got, tt.want) || !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
			t.Errorf("%+v: %v %q", tt, got, why)
		}
	}
}

// A limit that the kernel refuses although there is a controller is told with
// the reason.
func TestCgroups_refused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "memory.max"), 0o700); err != nil { // cannot be written to
		t.Fatal(err)
	}
	_, unset, why, err := cgroups{}.create(dir, Limits{MemoryBytes: 64 << 20, PIDs: 5})
	if err != nil || !slices.Equal(unset, []string{"memory"}) || why == "" {
		t.Errorf("%v %q %v", unset, why, err)
	}
}

// cgroupBase is a folder of the real tree for one test.
func cgroupBase(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if !isCgroup2(root) {
			continue
		}
		dir := filepath.Join(root, fmt.Sprintf("pipedai-test-%d-%s", os.Getpid(), strings.ToLower(filepath.Base(t.Name()))))
		if os.Mkdir(dir, 0o755) == nil {
			t.Cleanup(func() {
				if err := removeTree(dir); err != nil {
					t.Errorf("control groups are left: %v", err)
				}
			})
			return dir
		}
	}
	t.Skip("this test needs a cgroup v2 tree that it may write to: run it as root on Linux")
	return ""
}

// A worker is started in a group of its own; what it leaves behind in a session
// of its own ends with it, and the group is removed. Limits without a
// controller are told, not forgotten.
func TestSupervisor_P9_controlGroup(t *testing.T) {
	t.Parallel()
	base := cgroupBase(t)
	r := newRig(t, t.TempDir(), func(o *Options) { o.Cgroup = base })
	leaver := spec("w1", "leave setsid")
	leaver.Policy.FinalCodes = []int{0}
	limited := spec("w2", "deaf")
	limited.StopGrace = 1
	limited.Limits = Limits{MemoryBytes: 64 << 20, PIDs: 50, NoFile: 123}
	r.want(Want{Spec: leaver, Running: true}, Want{Spec: limited, Running: true})
	left := pidIn(t, r.lines("w1", 1), "left")
	r.until("w1", "stopped", func(s Status) bool { return s.State == Stopped && s.LastExit != nil })
	eventually(t, "what went to another session is ended", func() bool { return !alive(left) })

	st := r.running("w2")
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", st.PID))
	if err != nil || !strings.Contains(string(data), filepath.Base(base)+"/worker-w2-1-") {
		t.Errorf("its group: %s %v", data, err)
	}
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", st.PID)); err != nil || !strings.Contains(string(data), "Max open files            123 ") {
		t.Errorf("open files are not limited: %s %v", data, err)
	}
	if r.os.(*osLauncher).cgroups.controllers == nil && st.Unlimited != "not limited here: memory, pids (the control group of the daemon has no controller for it)" {
		t.Errorf("told: %q", st.Unlimited)
	}
	p, err := r.m.Process(t.Context(), "w2")
	if err != nil || !strings.HasPrefix(p.Cgroup, base) {
		t.Errorf("recorded: %q %v", p.Cgroup, err)
	}
	inner := pidIn(t, r.lines("w2", 1), "inner")
	if err := r.Stop(t.Context(), "w2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its child is killed with it", func() bool { return !alive(inner) })
	if names, err := filepath.Glob(filepath.Join(base, "worker-*")); err != nil || len(names) > 0 {
		t.Errorf("groups are left: %v %v", names, err)
	}
}

// The group is found again by the next daemon.
func TestReattach_ControlGroup(t *testing.T) {
	t.Parallel()
	base, dir := cgroupBase(t), t.TempDir()
	in := func(o *Options) { o.Cgroup = base }
	first := newRig(t, dir, in)
	first.up("w1", "parent")
	pid := first.running("w1").PID
	inner := pidIn(t, first.lines("w1", 1), "child")
	first.end()
	second := newRig(t, dir, in)
	second.up("w1", "parent")
	if st := second.running("w1"); st.PID != pid {
		t.Fatalf("%+v", st)
	}
	if err := second.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its child is killed with it", func() bool { return !alive(inner) })
	if names, err := filepath.Glob(filepath.Join(base, "worker-*")); err != nil || len(names) > 0 {
		t.Errorf("groups are left: %v %v", names, err)
	}
}

// Without a group of its own a worker runs, and what is not limited is told.
func TestSupervisor_P9_noControlGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), func(o *Options) { o.Cgroup = t.TempDir() })
	s := spec("w1", "sleep")
	s.Limits = manifest.Limits{CPU: 1, NoFile: 99}
	r.want(Want{Spec: s, Running: true})
	if st := r.running("w1"); !strings.HasPrefix(st.Unlimited, "not limited here: cpu (") {
		t.Errorf("told: %q", st.Unlimited)
	}
}
