//go:build !linux

package main

import "syscall"

// dieWithUs has no counterpart here: a killed harness leaves what it started.
func dieWithUs() *syscall.SysProcAttr { return nil }
