package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pipedai/store"
)

// poolPatience is how long a step waits for a connection. A caller of the API
// hears "not now" before it stops waiting by itself.
const poolPatience = 10 * time.Second

// acquire takes a connection out of the pool, and does not wait for it without
// end: neither for one that others hold nor for a server that is away.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	c, err := s.pool.Acquire(wait)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: no connection within %s: %w", store.ErrUnavailable, s.patience, err)
	}
	return c, err
}

// rows calls scan for every row of a query, on a connection of its own. A
// connection that turns out to be dead before the first row is replaced.
func (s *Store) rows(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	began := false
	return s.again(ctx, func() error {
		c, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		defer c.Release()
		rows, err := c.Query(ctx, query, args...)
		err = each(rows, err, func(row scanner) error {
			began = true
			return scan(row)
		})
		if isLost(err) && !began {
			return &unsentError{err}
		}
		return err
	})
}

// row scans one row; pgx.ErrNoRows when there is none.
func (s *Store) row(ctx context.Context, query string, args []any, dest ...any) error {
	found := false
	err := s.rows(ctx, query, args, func(row scanner) error {
		if found {
			return nil
		}
		found = true
		return row.Scan(dest...)
	})
	if err == nil && !found {
		return pgx.ErrNoRows
	}
	return err
}

// unsentError is the loss of a connection that cannot have changed anything:
// whatever was sent had no commit in it.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// isLost reports whether an error is the end of its connection.
func isLost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P05", "25P03": // ended by an administrator, a crash, or for idling
			return true
		}
		return strings.HasPrefix(pg.Code, "08")
	}
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		errors.As(err, &network) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// dropDead takes idle connections that do not answer out of the pool: where
// one was lost there are usually more, and each would cost a step another try.
func (s *Store) dropDead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, c := range s.pool.AcquireAllIdle(ctx) {
		_ = c.Ping(ctx) // a dead connection is closed by it, and not kept by Release
		c.Release()
	}
}

// isUnavailable reports whether an error says that the database does not answer
// or takes no writes now, and nothing about the step.
func isUnavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "40001", "40P01", "55P03": // lost against others, again and again
			return true
		case "57014": // the statement timeout
			return true
		case "25006": // read only: a standby, or a server that is being moved
			return true
		case "58030": // I/O error
			return true
		}
		// Out of disk, memory or connections; shutting down or starting.
		return strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "57") || isLost(err)
	}
	var connect *pgconn.ConnectError
	return isLost(err) || errors.As(err, &connect) || errors.Is(err, errAgain) || errors.Is(err, context.DeadlineExceeded)
}
