package workerlog

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Files is a log with its rotated files as they were when it was opened. Close
// it after use.
type Files struct {
	parts []part // oldest first, each begins where the one before ends
	next  int64  // where the first line will be, when there are no parts
}

// lostStep is what positions go on by when the files they were counted in are
// gone: more than a file can hold, so that none is given twice.
const lostStep = 1 << 32

// part is one file.
type part struct {
	f       *os.File
	base    int64 // position of its beginning
	size    int64 // whole lines only, for the newest
	number  uint64
	changed time.Time
	info    os.FileInfo
}

// Open opens the log at path. One that does not exist is empty. It may be
// written to and rotated meanwhile.
func Open(path string) (*Files, error) {
	for try := 0; ; try++ {
		fs, matched, err := open(path)
		if err != nil || matched || try == 3 {
			return fs, err
		}
		fs.Close() // rotated while we looked
	}
}

// open also tells whether the note speaks of one of the files.
func open(path string) (fs *Files, matched bool, err error) {
	fs = &Files{}
	defer func() {
		if err != nil {
			fs.Close()
			fs = nil
		}
	}()
	// From the newest to the oldest: one that is rotated meanwhile is met again
	// and left out, none is missed.
	missing := 0
	for i := 0; i <= maxBackups && missing < 2; i++ {
		name := path
		if i > 0 {
			name = Backup(path, i)
		}
		err := fs.add(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			if i > 0 {
				missing++
			}
		case err != nil:
			return fs, false, fmt.Errorf("open worker log: %w", err)
		default:
			missing = 0
		}
	}
	slices.Reverse(fs.parts)
	number, base := noted(path)
	at := slices.IndexFunc(fs.parts, func(p part) bool { return p.number == number && number != 0 })
	if matched = at >= 0 || number == 0; at < 0 {
		// Without a note the oldest file is the beginning; with one of a file
		// that is gone, all of these came after it.
		at = 0
		if number != 0 {
			base += lostStep
		}
	}
	fs.number(at, base)
	return fs, matched, nil
}

// number gives every part its position, that of one is known.
func (fs *Files) number(known int, base int64) {
	if len(fs.parts) == 0 {
		fs.next = base
		return
	}
	fs.parts[known].base = base
	for i := known + 1; i < len(fs.parts); i++ {
		fs.parts[i].base = fs.parts[i-1].base + fs.parts[i-1].size
	}
	for i := known - 1; i >= 0; i-- {
		fs.parts[i].base = fs.parts[i+1].base - fs.parts[i].size
	}
	if first := fs.parts[0].base; first < 0 { // the note is of another life
		for i := range fs.parts {
			fs.parts[i].base -= first
		}
	}
}

func (fs *Files) add(name string) error {
	f, err := openShared(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if slices.ContainsFunc(fs.parts, func(p part) bool { return os.SameFile(p.info, info) }) {
		return f.Close()
	}
	fs.parts = append(fs.parts, part{f: f, size: info.Size(), number: Number(f), changed: info.ModTime(), info: info})
	return nil
}

// Close closes the files.
func (fs *Files) Close() {
	for _, p := range fs.parts {
		_ = p.f.Close() // only read from
	}
}

// Base returns the position at which the newest file begins, and the number of
// that file, 0 when there is none.
func (fs *Files) Base() (base int64, number uint64) {
	if len(fs.parts) == 0 {
		return fs.next, 0
	}
	newest := fs.parts[len(fs.parts)-1]
	return newest.base, newest.number
}

// Oldest is the position of the oldest line held, End that of the next line to
// be written.
func (fs *Files) Oldest() int64 {
	if len(fs.parts) == 0 {
		return fs.next
	}
	return fs.parts[0].base
}

// End is the position behind everything there is.
func (fs *Files) End() int64 {
	if len(fs.parts) == 0 {
		return fs.next
	}
	newest := fs.parts[len(fs.parts)-1]
	return newest.base + newest.size
}

// Size is how many bytes are held.
func (fs *Files) Size() int64 { return fs.End() - fs.Oldest() }
