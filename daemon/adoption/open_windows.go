package adoption

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// openPlain opens a file that may be anything.
func openPlain(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("not a plain file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("unreadable: %w", reason(err))
	}
	return f, nil
}

// ownedByUs and lax: on Windows the access lists of the folder decide.
func ownedByUs(fs.FileInfo) bool { return true }

func lax(fs.FileInfo) bool { return false }
