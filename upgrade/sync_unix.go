//go:build unix

package upgrade

import "os"

// syncOnWrite says that a file can be flushed only by whoever writes it.
const syncOnWrite = false

func syncFile(path string) error { return syncFolder(path) }

// syncFolder makes what happened in a folder, or to a file, durable.
func syncFolder(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	err = file.Sync()
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// anonymous takes the name of an open file away, so that nobody can put
// another one there or write to it.
func anonymous(file *os.File) error { return os.Remove(file.Name()) }
