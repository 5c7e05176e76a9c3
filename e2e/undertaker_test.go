package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// When the test binary is killed in the middle of a test, nothing it started
// is left: no daemon, no worker, no folder.
func TestUndertaker(t *testing.T) {
	if os.Getenv("E2E_VICTIM") != "" {
		p, h := startPlane(t, ""), newHost(t)
		h.pair(t, p, sampleTasks())
		h.start(t)
		fmt.Printf("ready %d %s\n", h.pid(t), filepath.Dir(bin))
		select {}
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestUndertaker$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "E2E_VICTIM=1")
	victim := startCmd(t, cmd, "a test binary")
	victim.says(t, "ready ")
	var worker int
	var dir string
	_, line, _ := strings.Cut(victim.out.String(), "ready ")
	if _, err := fmt.Sscan(line, &worker, &dir); err != nil {
		t.Fatal(err)
	}
	victim.kill(t, syscall.SIGKILL)
	eventually(t, "the worker to end", func() bool { return syscall.Kill(worker, 0) != nil })
	eventually(t, "the folder to go", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}
