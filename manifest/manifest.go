// Package manifest keeps what this host knows about its workers in one SQLite
// file: the entries and both their desired states, the newest process of each
// worker with the facts that identify it, the journal of long operations and
// the recent events. Every change is committed with synchronous=FULL before
// the call returns, so that what a caller was told survives a power cut.
//
// Tokens never enter it.
package manifest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pipedai/internal/hostdir"
	"pipedai/internal/sqlitefile"
)

// Errors callers branch on. Those about the file are returned by Open, with
// the file left as it was found.
var (
	ErrNotFound    = errors.New("not in the manifest")
	ErrDuplicate   = errors.New("already in the manifest")
	ErrInvalid     = errors.New("invalid manifest entry")
	ErrStale       = errors.New("a newer process of this worker is recorded")
	ErrCorrupt     = sqlitefile.ErrCorrupt
	ErrReadOnly    = sqlitefile.ErrReadOnly
	ErrLocked      = sqlitefile.ErrLocked
	ErrOutOfFiles  = sqlitefile.ErrOutOfFiles
	ErrNewerSchema = errors.New("the manifest was written by a newer version of this program; upgrade it, or use another PIPEDAI_HOME")
	ErrLegacy      = errors.New("the old manifest.json cannot be imported; repair it or move it away")
)

// Unavailable tells whether err is about the file or the machine, and passes
// when they are put right.
func Unavailable(err error) bool { return sqlitefile.Unavailable(err) }

// busyTimeout bounds how long Open and every change wait for another program
// that holds the file, a backup for example.
const busyTimeout = 3 * time.Second

// Manifest is the open file. Its methods may be called from any goroutine.
type Manifest struct {
	db    *sqlitefile.DB
	cache entryCache
	group group
	// reached is told where a write is; tests die there. Never nil.
	reached func(point string)
}

// Open opens the manifest at path, creating it (0600, in a 0700 folder) when
// it is missing, and brings its schema up to date, after a copy was put into
// the folder "backups" beside it. A manifest.json beside it
// from before this format is imported once, in one transaction, and then
// renamed to manifest.json.imported.
//
// It fails without having changed anything with hostdir.ErrNotPlain, ErrCorrupt, ErrReadOnly,
// ErrLocked, ErrNewerSchema or ErrLegacy; it never resets a file it cannot
// read.
func Open(ctx context.Context, path string) (*Manifest, error) {
	return open(ctx, path, migrations())
}

// open is Open with the migrations there are.
func open(ctx context.Context, path string, files fs.FS) (*Manifest, error) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := hostdir.Plain(path + suffix); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
	}
	legacy := filepath.Join(filepath.Dir(path), "manifest.json")
	imported, err := readLegacy(legacy)
	if err != nil {
		return nil, err // before the new file exists
	}
	db, err := sqlitefile.Open(ctx, path, sqlitefile.Options{Synchronous: "FULL", BusyTimeout: busyTimeout, Readers: 2, CheckWhole: true})
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m := &Manifest{db: db, group: group{turn: make(chan struct{}, 1)}, reached: func(string) {}}
	// The folder holds the credentials too; an older program may have left it
	// open to others. What cannot be changed belongs to somebody else.
	_ = os.Chmod(filepath.Dir(path), 0o700)
	if err := m.migrate(ctx, path, files); err != nil {
		return nil, errors.Join(fmt.Errorf("manifest %s: %w", path, err), db.Close())
	}
	if imported != nil {
		if err := m.importLegacy(ctx, legacy, imported); err != nil {
			return nil, errors.Join(fmt.Errorf("manifest %s: %w", path, err), db.Close())
		}
	}
	return m, nil
}

// Close closes the file.
func (m *Manifest) Close() error {
	return m.db.Close()
}

// write runs f in one transaction that holds the write lock from its start.
func (m *Manifest) write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := m.db.Writer.BeginTx(ctx, nil)
	if err != nil {
		return sqlitefile.Classify(err)
	}
	defer tx.Rollback() // after Commit it does nothing
	m.reached("begun")
	if err := f(tx); err != nil {
		return sqlitefile.Classify(err)
	}
	m.reached("written")
	err = tx.Commit()
	m.reached("committed")
	return sqlitefile.Classify(err)
}

// Times are kept as microseconds since 1970.

func toDB(t time.Time) int64 { return t.UnixMicro() }

func fromDB(us int64) time.Time { return time.UnixMicro(us).UTC() }
