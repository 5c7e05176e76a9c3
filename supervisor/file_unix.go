//go:build unix

package supervisor

import (
	"os"
	"syscall"
)

// fileNumber tells one file from another under the same name.
func fileNumber(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
