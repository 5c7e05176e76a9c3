package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

var errClosed = errors.New("the store is closed")

// writer owns the one connection that writes, with its prepared statements.
type writer struct {
	db   *sql.DB
	turn chan *conn // holds the connection while nobody uses it; nil: not opened yet
	done chan struct{}
}

func newWriter(db *sql.DB) *writer {
	w := &writer{db: db, turn: make(chan *conn, 1), done: make(chan struct{})}
	w.turn <- nil
	return w
}

// conn is the connection with the statements prepared on it so far.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

// do gives fn the connection, alone. Once fn runs, ctx's end no longer stops
// it: a step is short, and half a step is worse than a late one.
func (w *writer) do(ctx context.Context, fn func(context.Context, *conn) error) error {
	c, err := w.take(ctx)
	if err != nil {
		return err
	}
	defer func() { w.turn <- c }()
	ctx = context.WithoutCancel(ctx)
	if c == nil {
		sc, err := w.db.Conn(ctx)
		if err != nil {
			return err
		}
		c = &conn{Conn: sc, stmts: map[string]*sql.Stmt{}}
	}
	return fn(ctx, c)
}

func (w *writer) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-w.done:
		return nil, errClosed
	default:
	}
	select {
	case c := <-w.turn:
		return c, nil
	case <-w.done:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// alone runs fn while the connection is back in its pool, so that fn can use
// the pool itself.
func (w *writer) alone(ctx context.Context, fn func() error) error {
	c, err := w.take(ctx)
	if err != nil {
		return err
	}
	defer func() { w.turn <- nil }()
	if err := c.release(); err != nil {
		return err
	}
	return fn()
}

// close waits for whoever has the connection.
func (w *writer) close() error {
	select {
	case c := <-w.turn:
		close(w.done)
		return c.release()
	case <-w.done:
		return nil
	}
}

func (c *conn) release() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := c.stmt(ctx, query) //nolint:sqlclosecheck // kept; release closes it
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// tx is one step under way.
type tx struct {
	ctx context.Context
	c   *conn
	now time.Time
	seq int64 // last sequence number given out; 0: not read yet
}

func (t *tx) exec(query string, args ...any) (int64, error) { return t.c.exec(t.ctx, query, args...) }

// row scans the columns of one row; sql.ErrNoRows when there is none.
func (t *tx) row(query string, args []any, dest ...any) error {
	return t.one(func(row scanner) error { return row.Scan(dest...) }, query, args...)
}

// one calls scan for one row, which fails with sql.ErrNoRows when there is none.
func (t *tx) one(scan func(scanner) error, query string, args ...any) error {
	s, err := t.c.stmt(t.ctx, query) //nolint:sqlclosecheck // kept; release closes it
	if err != nil {
		return err
	}
	return scan(s.QueryRowContext(t.ctx, args...))
}

// rows calls scan for every row.
func (t *tx) rows(query string, args []any, scan func(scanner) error) error {
	s, err := t.c.stmt(t.ctx, query) //nolint:sqlclosecheck // kept; release closes it
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	return each(rows, err, scan)
}

// scanner is one row.
type scanner interface{ Scan(dest ...any) error }

// each drains rows through scan.
func each(rows *sql.Rows, err error, scan func(scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
