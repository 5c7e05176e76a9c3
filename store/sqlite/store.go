// Package sqlite keeps the engine's state in one SQLite file: the embedded
// default, for one process on one machine. The contract is store.Store; the
// rules it writes down come from store/internal/flow.
//
// One connection writes, in immediate transactions, one step at a time; a
// commit is on disk when a step returns (synchronous=FULL). Reads that need no
// step's view go to a pool of read-only connections beside it.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
	"pipedai/store"
)

// Options configure Open. The zero value is good.
type Options struct {
	// Synchronous is "FULL" (default) or "NORMAL", which may lose the last
	// commits when the machine, not the program, dies.
	Synchronous string
	// Readers is the size of the pool of read-only connections; 4.
	Readers int
}

// busyTimeout is how long a statement waits for another program.
const busyTimeout = 5 * time.Second

// Store is a store.Store in a file. Close it when done.
type Store struct {
	path string
	db   *sqlitefile.DB
	w    *writer
	born time.Time
}

var _ store.Store = (*Store)(nil)

// Open opens the file at path, creating it (mode 0600) and its folder (0700)
// when they are missing. It does not migrate: call Migrate. A file that cannot
// be written, is damaged or is held by another program is refused with the
// sentinels of sqlitefile, and left as it is.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	db, err := sqlitefile.Open(ctx, path, sqlitefile.Options{Synchronous: o.Synchronous, Readers: o.Readers, BusyTimeout: busyTimeout})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: path, db: db, born: time.Now()}
	s.w = newWriter(db.Writer, path, busyTimeout)
	return s, nil
}

// now is the process's clock. It counts on from the start by the monotonic
// clock, so that setting the machine's time back does not revive old leases.
func (s *Store) now() time.Time {
	return s.born.Add(time.Since(s.born)).Round(0).UTC().Truncate(time.Microsecond)
}

// Info says that the file belongs to one process.
func (s *Store) Info() store.Info { return store.Info{Name: "sqlite", Target: s.path} }

// Ping proves that the file answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.db.Reader.QueryRowContext(ctx, "select 1").Scan(&one); err != nil {
		return wrap("ping database", err)
	}
	return nil
}

// Listen waits for ctx: there are no other replicas.
func (s *Store) Listen(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// Notify has nobody to tell.
func (s *Store) Notify(context.Context) error { return nil }

// Close waits for the step under way and closes the file.
func (s *Store) Close() error {
	return errors.Join(s.w.close(), s.db.Close())
}

// write runs fn in an immediate transaction, which it may share with other
// steps. what names the step in errors.
func (s *Store) write(ctx context.Context, what string, fn func(*tx) error) error {
	return s.writeMany(ctx, what, 1, fn)
}

// writeMany is write for a step about so many rows.
func (s *Store) writeMany(ctx context.Context, what string, rows int, fn func(*tx) error) error {
	err := s.w.do(ctx, rows, func(c *conn) error {
		return fn(&tx{ctx: context.WithoutCancel(ctx), c: c, now: s.now()})
	})
	return wrap(what, err)
}

// wrap names the step and turns driver errors into sentinels.
func wrap(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	err = sqlitefile.Classify(err)
	if sqlitefile.Unavailable(err) || errors.Is(err, errClosed) {
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
