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

// awaitLeader does nothing: there is no portable way to see a process end
// without reaping it. Output that a leaked grandchild holds open is bounded by
// the wait delay instead.
func awaitLeader(*exec.Cmd) {}
