//go:build !linux

package testkit

import "syscall"

// dieWithParent has no counterpart here: a killed test binary leaves its
// servers, which the tests' clean-up ends in every other case.
func dieWithParent() *syscall.SysProcAttr { return nil }
