// Package rotate is a log file of a program's own that does not grow without
// bound.
package rotate

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"pipedai/internal/hostdir"
)

// File appends to a file, for the owner only, and begins a new one when it
// would grow beyond a size. It is safe for concurrent use.
type File struct {
	path    string
	max     int64
	backups int

	mu   sync.Mutex
	f    *os.File
	size int64
}

// Open opens path to append to. It is rotated before it grows beyond max bytes;
// that many backups are kept, path.1 the newest. A link or anything but a file
// is refused.
func Open(path string, max int64, backups int) (*File, error) {
	r := &File{path: path, max: max, backups: backups}
	return r, r.open()
}

func (r *File) open() error {
	if err := hostdir.Plain(r.path); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open log: %w", err), f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// Write appends one record in one piece.
func (r *File) Write(record []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f != nil && r.size > 0 && r.size+int64(len(record)) > r.max {
		// What cannot be rotated grows: better than to say nothing.
		r.rotate()
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	n, err := r.f.Write(record)
	r.size += int64(n)
	return n, err
}

func (r *File) rotate() {
	_ = r.f.Close() // nothing is buffered
	r.f = nil
	for i := r.backups; i >= 1; i-- {
		from := r.path
		if i > 1 {
			from = backup(r.path, i-1)
		}
		_ = os.Rename(from, backup(r.path, i)) // one that is missing leaves a gap
	}
}

// Close closes the file.
func (r *File) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

func backup(path string, i int) string { return path + "." + strconv.Itoa(i) }
