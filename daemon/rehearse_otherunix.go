//go:build unix && !linux

package daemon

import "syscall"

// tie does nothing: the child sees by its input that this process is gone.
func tie(*syscall.SysProcAttr) {}
