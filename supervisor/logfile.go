package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// logFile appends a worker's output to <id>.log and rotates it by its real
// size. It outlives the processes whose output it takes.
//
// A write that fails (disk full, permission) loses the lines of that write and
// nothing else: they are counted, the worker goes on, and the first write that
// succeeds says how many are missing.
type logFile struct {
	path    string
	max     int64
	backups int
	log     *slog.Logger
	redact  func(string) string // may be nil

	mu      sync.Mutex
	f       *os.File
	size    int64
	dropped int
	cause   error // of the drops
}

func newLogFile(path string, max int64, backups int, log *slog.Logger) *logFile {
	return &logFile{path: path, max: max, backups: backups, log: log}
}

// commit appends lines in one write. begin is told where in which file they
// will go before they do, commit that they are there, or were dropped; no
// other commit happens in between.
func (l *logFile) commit(lines []Line, begin func(offset int64, file uint64), done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer done()
	var buf []byte
	if l.dropped > 0 {
		buf = appendLine(buf, Line{TS: time.Now(), Stream: "err",
			Text: fmt.Sprintf("[pipedai] %d lines dropped here: %v", l.dropped, l.cause)})
	}
	for _, line := range lines {
		buf = appendLine(buf, line)
	}
	err := l.open(int64(len(buf)))
	if err == nil {
		begin(l.size, fileNumber(l.f))
		err = l.write(buf)
	}
	if err != nil {
		if l.dropped == 0 {
			l.log.Error("worker output cannot be written, lines are dropped", "file", l.path, "error", err)
		}
		l.dropped += len(lines)
		l.cause = cause(err)
		return
	}
	l.dropped, l.cause = 0, nil
}

// write appends all of buf or nothing.
func (l *logFile) write(buf []byte) error {
	n, err := l.f.Write(buf)
	if err == nil {
		l.size += int64(n)
		return nil
	}
	// Half a line must not stay. When even that fails, a new file is begun at
	// the next write by looking at what is really there.
	if terr := l.f.Truncate(l.size); terr != nil {
		l.closeFile()
	}
	return err
}

// open makes sure that the file is there and has room for more bytes.
func (l *logFile) open(more int64) error {
	if l.f != nil && !l.isCurrent() {
		l.closeFile() // somebody moved or removed it
	}
	if l.f == nil {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
			return err
		}
		f, err := openLog(l.path)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		l.f, l.size = f, info.Size()
	}
	if l.size == 0 || l.size+more <= l.max {
		return nil
	}
	l.closeFile()
	if err := l.rotate(); err != nil {
		return err
	}
	f, err := openLog(l.path)
	if err != nil {
		return err
	}
	l.f, l.size = f, 0
	return nil
}

// rotate moves <id>.log to .1, .1 to .2 and so on; the oldest goes.
func (l *logFile) rotate() error {
	for i := l.backups - 1; i >= 1; i-- {
		err := os.Rename(l.backup(i), l.backup(i+1))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(l.path, l.backup(1))
}

func (l *logFile) backup(i int) string { return l.path + "." + strconv.Itoa(i) }

func (l *logFile) isCurrent() bool {
	have, err := l.f.Stat()
	if err != nil {
		return false
	}
	want, err := os.Stat(l.path)
	return err == nil && os.SameFile(have, want) && have.Size() == l.size
}

// rewind takes back what a daemon that was killed had begun to append at
// offset of that file, and may have written in part: all of it, or, with
// all false, only a last line without its end.
func (l *logFile) rewind(offset int64, file uint64, all bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(0); err != nil {
		return err
	}
	if fileNumber(l.f) != file || l.size <= offset {
		return nil // rotated by another hand, or not begun
	}
	if !all {
		written, err := os.ReadFile(l.path)
		if err != nil {
			return err
		}
		offset = max(offset, int64(bytes.LastIndexByte(written, '\n'))+1)
	}
	if err := l.f.Truncate(offset); err != nil {
		return err
	}
	l.size = offset
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

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// cause is an error without the path, which the reader of the log knows.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
