//go:build !windows

package cliutil

import "os"

// obeys reports whether a terminal obeys control sequences; here all do.
func obeys(*os.File) bool { return true }
