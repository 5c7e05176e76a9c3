//go:build unix

package workerlog

import (
	"os"
	"syscall"
)

// Number tells one file from another under the same name; 0 when it cannot be
// told.
func Number(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

func openShared(name string) (*os.File, error) {
	// Not to wait for a writer, were it a FIFO.
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
