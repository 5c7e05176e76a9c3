// Package sqlitefile opens an SQLite database file the way every program here
// wants it: one writer connection whose transactions take the write lock at
// once, a small pool of read-only connections, WAL, foreign keys on, a 0600
// file in a 0700 folder. The driver is mattn/go-sqlite3 under cgo and
// modernc.org/sqlite without; nothing else differs.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Why a file cannot be used. Open and Classify wrap them; each says what is
// wrong with the file, not what a driver called it.
var (
	ErrCorrupt    = errors.New("the file is damaged or is not an SQLite database")
	ErrReadOnly   = errors.New("the file or its folder cannot be written")
	ErrLocked     = errors.New("another program holds the file")
	ErrFull       = errors.New("the disk is full")
	ErrIO         = errors.New("the disk failed to read or write the file")
	ErrOutOfFiles = errors.New("no more files can be opened")
)

// Unavailable tells whether err is about the file or the machine, and passes
// when they are put right: everything above but ErrCorrupt.
func Unavailable(err error) bool {
	for _, passing := range []error{ErrReadOnly, ErrLocked, ErrFull, ErrIO, ErrOutOfFiles} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// Primary result codes of SQLite that a caller can do something about.
const (
	codePerm     = 3
	codeBusy     = 5
	codeLocked   = 6
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26

	codeConstraintPrimaryKey = 1555
	codeConstraintUnique     = 2067
)

// lockRetry is the pause between two looks at a locked file.
const lockRetry = 20 * time.Millisecond

// Options are how a file is opened.
type Options struct {
	// Synchronous is "FULL" (a commit survives a power cut; the default) or
	// "NORMAL" (the last commits may be lost in one, the file is never damaged).
	Synchronous string
	// BusyTimeout is how long a statement waits for another process; 5 s.
	BusyTimeout time.Duration
	// Readers is the size of the pool of read-only connections; 4.
	Readers int
	// CheckWhole has Open read every page for damage. That is for small files:
	// it takes as long as the file is large. Without it damage shows when the
	// damaged page is read.
	CheckWhole bool
}

// DB is an open file.
type DB struct {
	// Writer is one connection. Its transactions begin IMMEDIATE, so that a
	// read followed by a write inside one never fails for a newer snapshot.
	Writer *sql.DB
	// Reader is a pool of connections that refuse to write.
	Reader *sql.DB
}

// Open opens path, creating folder and file as needed. It refuses a file that
// is not an SQLite database or, with CheckWhole, damaged anywhere (ErrCorrupt),
// that cannot be written (ErrReadOnly) or opened for want of descriptors
// (ErrOutOfFiles), or that another program holds for longer than the busy
// timeout (ErrLocked), and leaves such a file as it is.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Synchronous == "" {
		o.Synchronous = "FULL"
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writer, err := sql.Open(driverName, dsn(path, o, false))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, Classify(err))
	}
	writer.SetMaxOpenConns(1)
	// The one connection stays: reopening it would give up the page cache.
	writer.SetMaxIdleConns(1)
	if err := checkPatiently(ctx, writer, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), writer.Close())
	}
	reader, err := sql.Open(driverName, dsn(path, o, true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, Classify(err)), writer.Close())
	}
	reader.SetMaxOpenConns(o.Readers)
	reader.SetMaxIdleConns(o.Readers)
	return &DB{Writer: writer, Reader: reader}, nil
}

// Close closes both pools.
func (db *DB) Close() error {
	return errors.Join(db.Reader.Close(), db.Writer.Close())
}

// prepare makes folder and file with the right modes before SQLite can make
// them with others, and finds out early that the file cannot be written.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case outOfFiles(err):
		return fmt.Errorf("%w: %w", ErrOutOfFiles, err)
	case err != nil:
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		err = f.Chmod(0o600)
	}
	return errors.Join(err, f.Close())
}

// checkPatiently makes SQLite look at the file before anybody relies on it,
// again while the file is locked. The switch of a new
// file to WAL does not wait by itself when two programs make it at once.
func checkPatiently(ctx context.Context, db *sql.DB, o Options) error {
	deadline := time.Now().Add(o.BusyTimeout)
	look := readSchema
	if o.CheckWhole {
		look = checkWhole
	}
	for {
		err := look(ctx, db)
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(lockRetry):
		}
	}
}

// readSchema reads the header and the schema, whatever the size of the file.
func readSchema(ctx context.Context, db *sql.DB) error {
	var tables int
	return Classify(db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables))
}

// checkWhole reads all of the file.
func checkWhole(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check(1)")
	if err != nil {
		return Classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		var answer string
		if err := rows.Scan(&answer); err != nil {
			return Classify(err)
		}
		if answer != "ok" {
			return fmt.Errorf("%w: %s", ErrCorrupt, answer)
		}
	}
	return Classify(rows.Err())
}

// Classify wraps a driver's error with the sentinel it amounts to; other
// errors, nil included, come back as they are.
func Classify(err error) error {
	code, ok := resultCode(err)
	if !ok {
		return err
	}
	switch code & 0xff {
	case codeBusy, codeLocked:
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case codeReadOnly, codePerm, codeCantOpen:
		if code&0xff == codeCantOpen && outOfFiles(cause(err)) {
			return fmt.Errorf("%w: %w", ErrOutOfFiles, err)
		}
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case codeIOErr:
		return fmt.Errorf("%w: %w", ErrIO, err)
	case codeFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	default:
		return err
	}
}

// outOfFiles tells whether this process, or the machine, has no descriptor left.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// IsDuplicate tells whether err is a breach of a UNIQUE or PRIMARY KEY rule.
func IsDuplicate(err error) bool {
	code, ok := resultCode(err)
	return ok && (code == codeConstraintUnique || code == codeConstraintPrimaryKey)
}

// fileURI spells path as an SQLite URI; a '?' or '#' in a folder name must not
// end it.
func fileURI(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/x is file:///C:/x
	}
	return "file://" + (&url.URL{Path: slashed}).EscapedPath()
}
