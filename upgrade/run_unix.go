//go:build unix

package upgrade

import (
	"os/exec"
	"syscall"
)

// asGroup makes the end of a program the end of everything it started.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
