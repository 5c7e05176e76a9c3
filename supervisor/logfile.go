package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"pipedai/internal/hostdir"
	"pipedai/internal/workerlog"
)

// logFile appends a worker's output to <id>.log and rotates it by its real
// size. It outlives the processes whose output it takes.
//
// A write that fails (disk full, permission) loses the lines of that write and
// nothing else: they are counted, the worker goes on, and the first write that
// succeeds says how many are missing.
type logFile struct {
	path    string
	max     func() int64
	backups int
	rotated func() // told after a rotation; may be nil
	log     *slog.Logger
	at      func(step string) // fail-points; nil outside of tests

	mu      sync.Mutex
	f       *os.File
	info    os.FileInfo // of f, when it was opened
	number  uint64      // of f
	size    int64       // of f, or of the file before while f is nil
	base    int64       // position of the beginning of that file
	known   bool        // there was such a file: info, size and base are set
	whole   bool        // f is known to end with a line end
	older   int64       // bytes in rotated files
	dropped int         // lines since the last write that succeeded
	cause   error       // of the drops

	held, lost atomic.Int64 // bytes on disk, lines dropped ever
}

func newLogFile(path string, max int64, backups int, log *slog.Logger) *logFile {
	return &logFile{path: path, max: func() int64 { return max }, backups: backups, log: log}
}

func (l *logFile) step(name string) {
	if l.at != nil {
		l.at(name)
	}
}

// commit appends formatted lines in one write and returns the position of the
// first, -1 when they were dropped. begin is told where in which file they
// will go before they do, done that they are there, or were dropped; no other
// commit happens in between.
func (l *logFile) commit(data []byte, lines int, begin func(offset int64, file uint64), done func()) (pos int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.step("committed")
	defer done()
	skip := 0
	if l.dropped > 0 {
		marker := workerlog.Append(nil, time.Now(), "err", fmt.Sprintf("[pipedai] %d lines dropped here: %v", l.dropped, l.cause))
		skip = len(marker)
		data = append(marker, data...)
	}
	err := l.open(int64(len(data)))
	if err == nil {
		err = l.mend()
	}
	if err == nil {
		pos = l.base + l.size + int64(skip)
		begin(l.size, l.number)
		l.step("begun")
		err = l.write(data)
		l.step("written")
	}
	l.held.Store(l.older + l.size)
	if err != nil {
		if l.dropped == 0 {
			l.log.Error("worker output cannot be written, lines are dropped", "file", l.path, "error", err)
		}
		l.dropped += lines
		l.lost.Add(int64(lines))
		l.cause = cause(err)
		return -1
	}
	l.dropped, l.cause = 0, nil
	return pos
}

// write appends all of buf or nothing.
func (l *logFile) write(buf []byte) error {
	var half int
	if l.at != nil { // a fail-point within the append, too
		half = len(buf) / 2
	}
	var err error
	if half > 0 {
		_, err = l.f.Write(buf[:half])
		l.step("half written")
	}
	if err == nil {
		_, err = l.f.Write(buf[half:])
	}
	if err == nil {
		l.size += int64(len(buf))
		return nil
	}
	// Half a line must not stay. When even that fails, the next write looks at
	// what is really there.
	if terr := l.f.Truncate(l.size); terr != nil {
		l.closeFile()
	}
	return err
}

// mend ends a last line that a power cut left without its end, so that what
// is appended is a line of its own.
func (l *logFile) mend() error {
	if l.whole || l.size == 0 {
		l.whole = true
		return nil
	}
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, l.size-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] != '\n' {
		if err := l.write([]byte{'\n'}); err != nil {
			return err
		}
	}
	l.whole = true
	return nil
}

// ensure makes sure that the file is there.
func (l *logFile) ensure() error {
	if l.f != nil && !l.isCurrent() {
		l.closeFile() // somebody moved or removed it
	}
	if l.f == nil {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
			return err
		}
		return l.openFile()
	}
	return nil
}

// open makes sure that the file is there and has room for more bytes.
func (l *logFile) open(more int64) error {
	if err := l.ensure(); err != nil {
		return err
	}
	if l.size == 0 || l.size+more <= l.max() {
		return nil
	}
	l.closeFile()
	l.step("full")
	if err := l.rotate(); err != nil {
		return err
	}
	l.step("rotated")
	if err := l.openFile(); err != nil {
		return err
	}
	if l.rotated != nil {
		l.rotated()
	}
	return nil
}

// openFile opens the file, finds its position and notes it.
func (l *logFile) openFile() error {
	if err := hostdir.Plain(l.path); err != nil {
		return err
	}
	f, err := openLog(l.path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		// Left by an older program, for everybody to read.
		if cerr := f.Chmod(0o600); cerr != nil {
			l.log.Warn("worker log can be read by others", "file", l.path, "error", cerr)
		}
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.step("created")
	held, err := workerlog.Open(l.path)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer held.Close()
	base, number := held.Base()
	if l.known { // also when somebody took files away
		base = l.base
		if !os.SameFile(l.info, info) {
			base += l.size
		}
	}
	l.f, l.info, l.number, l.size, l.base, l.known = f, info, number, info.Size(), base, true
	l.whole, l.older = false, held.Size()-info.Size()
	l.held.Store(l.older + l.size)
	if err := workerlog.Note(l.path, number, base); err != nil {
		l.log.Warn("where a worker log begins is not noted; a link to one of its lines may lead elsewhere", "file", l.path, "error", cause(err))
	}
	l.step("noted")
	return nil
}

// rotate moves <id>.log to .1, .1 to .2 and so on; the oldest goes. A daemon
// that is killed meanwhile leaves a gap, which the next rotation fills: there
// is never more than one.
func (l *logFile) rotate() error {
	gap := 1
	for ; gap < l.backups; gap++ {
		if _, err := os.Lstat(workerlog.Backup(l.path, gap)); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	for i := gap - 1; i >= 1; i-- {
		err := os.Rename(workerlog.Backup(l.path, i), workerlog.Backup(l.path, i+1))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if i <= 2 {
			l.step("moved")
		}
	}
	return os.Rename(l.path, workerlog.Backup(l.path, 1))
}

// shrunk notes that somebody who holds mu removed a rotated file.
func (l *logFile) shrunk(bytes int64) {
	l.older = max(0, l.older-bytes)
	l.held.Store(l.older + l.size)
}

func (l *logFile) isCurrent() bool {
	now, err := os.Stat(l.path)
	return err == nil && now.Size() == l.size && os.SameFile(l.info, now)
}

// rewind takes back what a daemon that was killed had begun to append at
// offset of that file, and may have written in part: all of it, or, with
// all false, only a last line without its end.
func (l *logFile) rewind(offset int64, file uint64, all bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Not rotated, however large it is: it is this file that was appended to.
	if err := l.ensure(); err != nil {
		return err
	}
	if l.number != file || l.size <= offset {
		return nil // rotated by another hand, or not begun
	}
	if !all {
		written, err := os.ReadFile(l.path)
		if err != nil {
			return err
		}
		offset = max(offset, int64(bytes.LastIndexByte(written, '\n'))+1)
	}
	l.step("to be cut")
	if err := l.f.Truncate(offset); err != nil {
		return err
	}
	l.step("cut")
	l.size = offset
	l.held.Store(l.older + l.size)
	return nil
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFile()
}

func (l *logFile) closeFile() {
	if l.f != nil {
		// Nothing is buffered; an error here has no consequence.
		_ = l.f.Close()
		l.f = nil
	}
}

// cause is an error without the path, which the reader of the log knows.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
