//go:build unix

package supervisor

import (
	"os"

	"golang.org/x/sys/unix"
)

// openLog opens a log to append to. It follows no link and waits for no reader
// of a FIFO: somebody else may have put one there.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
}
