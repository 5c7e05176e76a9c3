// Package atomicfile replaces files instead of editing them: a reader sees the
// old content or the new, and so does whoever looks after a crash.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Write replaces path with data. The folder must exist. The new file has
// exactly the given permissions, whatever the old one had.
func Write(path string, data []byte, perm fs.FileMode) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when all went well
	if _, err = temp.Write(data); err == nil {
		err = temp.Chmod(perm)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncFolder(folder)
}

// Update replaces path with what change makes of its content (nil when there
// is no such file), while holding a lock that other processes' Updates of the
// same path wait for. The lock file lies beside it with the suffix ".lock".
// An error of change is returned as it is and nothing is written; so is
// nothing when change returns the content unchanged.
func Update(path string, perm fs.FileMode, change func(old []byte) ([]byte, error)) error {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	defer func() { _ = lock.Unlock() }()

	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		old = nil
	} else if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	data, err := change(old)
	if err != nil {
		return err
	}
	if old != nil && string(old) == string(data) {
		return nil
	}
	return Write(path, data, perm)
}
