package supervisor

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// A daemon that is killed between any two steps of taking output, or within
// one, fifty times in a row, leaves a log without a gap and without a double
// line, and positions that never go back.
func TestCapture_KilledAtAnyStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	steps := map[string]int{}
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		cmd := self("daemon " + dir + " count")
		cmd.Env = append(cmd.Env, fmt.Sprint(killEnv, "=", seed))
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the daemon ended with %v: %s", err, said.String())
		}
		steps[strings.TrimSpace(said.String())]++
	}
	t.Logf("killed at %v", steps)
	m, err := manifest.Open(t.Context(), dir+"/manifest.db")
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Process(t.Context(), "w1")
	if err != nil || !alive(p.PID) || p.Generation != 1 {
		t.Fatalf("the worker is %+v, %v", p, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, func(o *Options) { o.LogMaxBytes, o.LogBackups = 100_000, 500 })
	last := spec("w1", "count")
	last.Policy.Backoff = []time.Duration{time.Hour} // no other one begins to count
	r.want(Want{Spec: last, Running: true})
	if st := r.running("w1"); st.PID != p.PID {
		t.Fatalf("pid %d became %d", p.PID, st.PID)
	}
	size := len(linesOf(t, r.logPath("w1"), 1<<22))
	eventually(t, "log grows", func() bool { return len(linesOf(t, r.logPath("w1"), 1<<22)) > size })
	if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil { // not in the middle of a line
		t.Fatal(err)
	}
	if err := unix.Kill(p.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("w1", "ended", func(s Status) bool { return s.LastExit != nil })
	if err := r.Stop(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	checkCount(t, linesOf(t, r.logPath("w1"), 1<<22))
}

// checkCount looks for every number once.
func checkCount(t *testing.T, lines []Line) {
	t.Helper()
	var numbers []int
	pos := int64(-1)
	for i, l := range lines {
		if l.Pos <= pos {
			t.Fatalf("line %d is at %d, the one before at %d", i, l.Pos, pos)
		}
		pos = l.Pos
		var n int
		if _, err := fmt.Sscanf(l.Text, "n %d", &n); err != nil || len(l.Text) != len("n 00000000") {
			if i >= len(lines)-2 { // killed in the middle of a line
				continue
			}
			t.Fatalf("line %d is broken: %q", i, l.Text)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i {
			t.Fatalf("number %d is lost or doubled, of %d", i, len(numbers))
		}
	}
	t.Logf("%d numbers", len(numbers))
}
