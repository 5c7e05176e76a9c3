//go:build !linux

package main

// hostScenarios are measured on Linux only.
func hostScenarios() []scenario { return nil }
