package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var errClosed = errors.New("the store is closed")

// How many steps share a commit: a commit waits for the disk once, whatever it
// carries, but nobody waits long for the work of others.
const (
	groupWeight = 500
	groupTime   = 3 * time.Millisecond
)

// writer owns the one connection that writes. Steps that arrive while it is
// busy wait in line; whoever gets the connection next runs them all in one
// transaction, in order, and answers each after the commit.
type writer struct {
	db   *sql.DB
	turn chan *conn // holds the connection while nobody uses it; nil: not opened yet
	done chan struct{}

	path   string
	large  int64         // bytes from which on the log is cut back
	busy   time.Duration // how long a statement waits for another process
	reads  gate          // every read of this process goes through it
	tended time.Time     // when the log was last cut back, or tried

	mu   sync.Mutex
	line []*step
}

// step is one unit of work that waits for its turn.
type step struct {
	run    func(*conn) error
	weight int // about how many rows
	err    error
	over   chan struct{} // closed once err is final
}

func newWriter(db *sql.DB, path string, busy time.Duration) *writer {
	w := &writer{db: db, path: path, large: walLarge, busy: busy, turn: make(chan *conn, 1), done: make(chan struct{})}
	w.turn <- nil
	return w
}

// do runs fn in an immediate transaction and returns once it is committed, or
// not at all. Once fn runs, ctx's end no longer stops it: a step is short, and
// half a step is worse than a late one.
func (w *writer) do(ctx context.Context, weight int, fn func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &step{run: fn, weight: weight, over: make(chan struct{})}
	w.mu.Lock()
	w.line = append(w.line, s)
	w.mu.Unlock()
	for {
		select {
		case <-s.over:
			return s.err
		case <-w.done:
			return w.leave(s, errClosed)
		case <-ctx.Done():
			return w.leave(s, ctx.Err())
		case c := <-w.turn:
			w.lead(context.WithoutCancel(ctx), c)
		}
	}
}

// leave takes a step out of the line; one that left it already is waited for.
func (w *writer) leave(s *step, err error) error {
	w.mu.Lock()
	i := slices.Index(w.line, s)
	if i >= 0 {
		w.line = slices.Delete(w.line, i, i+1)
	}
	w.mu.Unlock()
	if i >= 0 {
		return err
	}
	<-s.over
	return s.err
}

// next takes the first step of the line; nil when it would be too much after
// what a group did so far.
func (w *writer) next(weight int, since time.Time) *step {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) == 0 || weight > 0 && (weight+w.line[0].weight > groupWeight || time.Since(since) > groupTime) {
		return nil
	}
	s := w.line[0]
	w.line = slices.Delete(w.line, 0, 1)
	return s
}

// lead runs one group of steps and gives the connection back.
func (w *writer) lead(ctx context.Context, c *conn) {
	defer func() { w.turn <- c }()
	var group []*step
	answered := false
	answer := func(err error) {
		for _, s := range group {
			if s.err == nil {
				s.err = err
			}
			close(s.over)
		}
		answered = true
	}
	defer func() {
		if !answered { // a step panicked: its caller says so, the others hear of it
			answer(errors.New("a step of the same transaction failed"))
		}
	}()
	if c == nil {
		sc, err := w.db.Conn(ctx)
		if err != nil {
			if s := w.next(0, time.Time{}); s != nil {
				group = append(group, s)
			}
			answer(err)
			return
		}
		c = &conn{Conn: sc, stmts: map[string]driver.Stmt{}}
	}
	answer(c.Raw(func(raw any) error {
		c.raw = raw.(driver.ConnPrepareContext)
		return w.group(c, &group)
	}))
	w.tend(c)
}

// group runs steps in one transaction. Its error is everybody's who has none.
func (w *writer) group(c *conn, group *[]*step) (err error) {
	began := time.Now()
	s := w.next(0, began)
	if s == nil {
		return nil
	}
	*group = append(*group, s)
	if !c.ready {
		if err := c.setUp(); err != nil {
			return err
		}
		c.ready = true
	}
	if err := c.run("begin immediate"); err != nil {
		return err
	}
	open := true
	defer func() {
		if open { // after a panic too: the connection is the only one
			_ = c.run("rollback") // harmless when SQLite did it by itself
		}
	}()
	alone := true
	for weight := 0; s != nil; {
		weight += max(1, s.weight)
		following := w.next(weight, began)
		if alone && following == nil {
			if s.err = s.run(c); s.err != nil {
				return s.err
			}
			break
		}
		alone = false
		if following != nil {
			*group = append(*group, following)
		}
		if s.err, err = c.within(s.run); err != nil {
			return err
		}
		s = following
	}
	if err := c.run("commit"); err != nil {
		return err
	}
	open = false
	return nil
}

// within runs fn so that its failure undoes what it did and no more. Broken is
// an error of the whole transaction.
func (c *conn) within(fn func(*conn) error) (err, broken error) {
	if err := c.run("savepoint step"); err != nil {
		return err, err
	}
	if err = fn(c); err != nil {
		// After some faults SQLite has rolled everything back by itself.
		if back := c.run("rollback to step"); back != nil {
			return err, fmt.Errorf("a step of the same transaction failed: %w", err)
		}
	}
	return err, c.run("release step")
}

func (w *writer) take(ctx context.Context) (*conn, error) {
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
