//go:build unix

package daemon

import (
	"os"
	"syscall"
)

// replaceSelf makes this process another daemon, as the command line does.
func replaceSelf() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}
