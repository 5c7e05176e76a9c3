//go:build unix && !linux

package pgserver

import "syscall"

// dieWithParent has no counterpart here: a killed test binary leaves its
// server, which Main and the tests' clean-up end in every other case.
func dieWithParent(*syscall.SysProcAttr) {}
