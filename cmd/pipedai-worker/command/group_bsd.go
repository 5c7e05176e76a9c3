//go:build unix && !linux

package command

import (
	"os/exec"
	"syscall"
)

// prepareGroup gives the program a process group of its own.
func prepareGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// waitGroup waits until the program ended and then ends what it left running.
// While something is left the group's number stays taken, so the signal finds
// nobody else.
func waitGroup(cmd *exec.Cmd) error {
	err := cmd.Wait()
	killGroup(cmd)
	return err
}
