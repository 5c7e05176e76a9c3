//go:build !linux

package childproc

import (
	"os/exec"
	"syscall"
)

func withParent(*exec.Cmd, syscall.Signal) {}
