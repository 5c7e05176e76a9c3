package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "42 (a) b) (c) S 1 40 41 0 -1 4194560 100 0 0 0 150 50 25 25 20 0 1 0 12345 1000000 10 18446744073709551615 1 1 0"
	session, u, ok := parseStat([]byte(line), 4096)
	if !ok || session != 41 || u.memory != 10*4096 || u.cpu != 2.5 {
		t.Errorf("session %d, %+v, %v", session, u, ok)
	}
	for _, broken := range []string{"", "42 (a", "42 (a) S 1 2"} {
		if _, _, ok := parseStat([]byte(broken), 4096); ok {
			t.Errorf("%q was read", broken)
		}
	}
}

// What a worker starts counts as the worker's.
func TestMeasure_addsUpTheSession(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "sleep 1000 & echo ready; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	leader := func() int64 {
		_, u, _ := readStat(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"), make([]byte, 1024), int64(os.Getpagesize()))
		return u.memory
	}
	// The kernel counts the pages of a process that has just begun a little late.
	until(t, "the memory of both", func() bool {
		got := measure([]int{cmd.Process.Pid, 1 << 30})
		return len(got) == 1 && leader() > 0 && got[cmd.Process.Pid].memory > leader()
	})
}
