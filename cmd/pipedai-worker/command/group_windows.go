package command

import (
	"os/exec"
	"syscall"
)

// prepareGroup gives the program a process group of its own.
func prepareGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// waitGroup waits until the program ended.
func waitGroup(cmd *exec.Cmd) error { return cmd.Wait() }

// terminateGroup ends the program: there is no signal to ask it with.
func terminateGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
