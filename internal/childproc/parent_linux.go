package childproc

import (
	"os/exec"
	"syscall"
)

func withParent(cmd *exec.Cmd, dying syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = dying
}
