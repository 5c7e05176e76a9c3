//go:build unix

package adoption

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openPlain opens a file that may be anything, and waits for nothing.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, errors.New("a symbolic link")
	case err != nil:
		return nil, fmt.Errorf("unreadable: %w", reason(err))
	}
	return f, nil
}

func ownedByUs(info fs.FileInfo) bool {
	stat, known := info.Sys().(*syscall.Stat_t)
	return !known || int(stat.Uid) == os.Geteuid()
}

// lax reports whether others than the owner can read a file.
func lax(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
