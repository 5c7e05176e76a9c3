// Package postgres keeps the engine's state in PostgreSQL 15 or newer, shared
// by any number of replicas. The contract is store.Store; the rules it writes
// down come from store/internal/flow.
//
// Everything runs under READ COMMITTED. Steps lock in one order: leases of
// standalone task runs by id, pipeline runs by id, their leases by id, then what
// they write; the shard of the counters comes last. A step that loses a deadlock all the same is taken again.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pipedai/internal/backoff"
	"pipedai/pipeline"
	"pipedai/store"
)

// Options configure Open. The zero value is good.
type Options struct {
	// MaxConns bounds the pool; 10. One more connection listens.
	MaxConns int32
	// StatementTimeout bounds every statement but migrations; 30 s.
	StatementTimeout time.Duration
	// Log hears about lost connections; nil: nobody does.
	Log *slog.Logger
}

// Store is a store.Store in PostgreSQL. Close it when done.
type Store struct {
	pool    *pgxpool.Pool
	target  string
	self    string // what this store's own notices say, so that it does not wake itself
	log     *slog.Logger
	graphs  recent[pipeline.RunID, *pipeline.Graph] // of runs, whose snapshots never change
	outputs recent[runTask, output]
	defs    recent[string, store.Task] // by id and version of the row
	homes   recent[string, store.Service]
	heads   heads
	counts  counts
	looked  atomic.Pointer[time.Time] // when a glance last went through many leases

	patience time.Duration // how long a step waits for a connection
}

var _ store.Store = (*Store)(nil)

// Channel carries the notices between replicas.
const channel = "pipeweave"

// Open connects to the database that dsn (a URL or key=value text) names and
// proves that it answers. It does not migrate: call Migrate.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // pgx leaves the password out
	}
	if o.MaxConns == 0 {
		o.MaxConns = 10
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	cfg.MaxConns = o.MaxConns
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "pipeweave"
	params["timezone"] = "UTC"
	params["statement_timeout"] = fmt.Sprint(o.StatementTimeout.Milliseconds())
	params["idle_in_transaction_session_timeout"] = fmt.Sprint(o.StatementTimeout.Milliseconds())
	// Every hot statement is a walk along an index, whatever stale statistics
	// of small, busy tables suggest.
	params["jit"] = "off"
	params["enable_seqscan"] = "off"
	params["enable_hashjoin"] = "off"
	params["enable_mergejoin"] = "off"
	// So one plan serves every call; making one costs more than most steps.
	params["plan_cache_mode"] = "force_generic_plan"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{
		pool: pool, log: o.Log, self: pipeline.Random(16), patience: poolPatience,
		target: fmt.Sprintf("%s/%s", cfg.ConnConfig.Host, cfg.ConnConfig.Database),
	}
	if err := s.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Info says that replicas may share the database.
func (s *Store) Info() store.Info {
	return store.Info{Name: "postgres", Target: s.target, Shared: true}
}

// Ping proves that the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return wrap("ping database", s.exec(ctx, "select 1"))
}

// exec runs a statement that may be run twice, on a connection of its own.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	return s.rows(ctx, query, args, func(scanner) error { return nil })
}

// Close waits for the steps under way.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Notify tells the other replicas.
func (s *Store) Notify(ctx context.Context) error {
	return wrap("notify", s.exec(ctx, `select pg_notify($1, $2)`, channel, s.self))
}

// A silent connection is asked this often whether it is still one.
const listenPing = 30 * time.Second

// Listen calls wake for each notice of another store and after each connection.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	pause := backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second}
	for failures := 0; ctx.Err() == nil; {
		connected, err := s.listen(ctx, wake)
		if ctx.Err() != nil {
			break
		}
		if connected {
			failures = 0
		}
		failures++
		s.log.Warn("listening connection lost", "error", err)
		pause.Wait(ctx, failures)
	}
	return nil
}

func (s *Store) listen(ctx context.Context, wake func()) (connected bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return false, err
	}
	for {
		wake()
		for {
			wait, cancel := context.WithTimeout(ctx, listenPing)
			notice, err := conn.WaitForNotification(wait)
			quiet := wait.Err() != nil && ctx.Err() == nil
			cancel()
			if err == nil && notice.Payload == s.self {
				continue
			}
			if err == nil {
				break
			}
			if !quiet {
				return true, err
			}
			if err := conn.Ping(ctx); err != nil {
				return true, err
			}
		}
	}
}

// tx is one step under way.
type tx struct {
	ctx   context.Context
	c     *pgxpool.Conn
	now   time.Time
	s     *Store
	ahead ahead
	hand  *handOver // who takes over the slots that are freed; nil: nobody
	end   pgx.Batch // written last, with the commit
	after []func()  // called once it is committed
}

// write runs fn in one transaction, again when it lost a deadlock. Statements
// that fn leaves in end run after it, in one round trip with the commit.
func (s *Store) write(ctx context.Context, what string, fn func(*tx) error) error {
	return s.writeAfter(ctx, what, func(*tx, *pgx.Batch) {}, fn)
}

// writeAfter is write with statements that need nothing from before: they
// travel with the beginning of the transaction. They cannot use tx.now, which
// is now() to them.
func (s *Store) writeAfter(ctx context.Context, what string, first func(*tx, *pgx.Batch), fn func(*tx) error) error {
	return wrap(what, s.again(ctx, func() error { return s.attempt(ctx, first, fn) }))
}

// together runs statements in one transaction and one round trip, again when
// they lost a deadlock.
func (s *Store) together(ctx context.Context, what string, queue func(b *pgx.Batch, shard int)) error {
	return wrap(what, s.again(ctx, func() error {
		c, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		defer c.Release()
		var b pgx.Batch
		queue(&b, shardOf(c))
		if err = c.SendBatch(ctx, &b).Close(); err != nil && c.Conn().PgConn().TxStatus() != 'I' {
			(&tx{ctx: ctx, c: c}).rollback()
		}
		return err
	}))
}

// again calls do until it neither lost a deadlock, nor saw a state that moved,
// nor lost its connection before it could have changed anything.
func (s *Store) again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		var pg *pgconn.PgError
		var unsent *unsentError
		lost := errors.As(err, &unsent)
		again := lost || errors.Is(err, errAgain) || errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
		if !again || try == 8 || ctx.Err() != nil {
			return err
		}
		if lost {
			s.dropDead(ctx)
		}
		backoff.Sleep(ctx, time.Duration(rand.IntN(try*10))*time.Millisecond)
	}
}

// errAgain says that the step saw a state that moved under it.
var errAgain = errors.New("state moved, try again")

func (s *Store) attempt(ctx context.Context, first func(*tx, *pgx.Batch), fn func(*tx) error) (err error) {
	c, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	t := &tx{ctx: ctx, c: c, s: s}
	var begin pgx.Batch
	begin.Queue("begin")
	begin.Queue("select now()").QueryRow(func(row pgx.Row) error { return row.Scan(timeCol{&t.now}) })
	first(t, &begin)
	err = c.SendBatch(ctx, &begin).Close()
	if err == nil {
		err = fn(t)
	}
	if isLost(err) {
		err = &unsentError{err} // the commit was never asked for
	}
	if err == nil {
		t.end.Queue("commit")
		if err = c.SendBatch(ctx, &t.end).Close(); isLost(err) {
			err = fmt.Errorf("%w: %w", store.ErrUnsure, err)
		}
	}
	if err != nil {
		t.rollback()
		return err
	}
	for _, do := range t.after {
		do()
	}
	return nil
}

// rollback ends a failed transaction even when ctx has ended; a connection
// that cannot even do that is not used again.
func (t *tx) rollback() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), 5*time.Second)
	defer cancel()
	if _, err := t.c.Exec(ctx, "rollback"); err != nil {
		_ = t.c.Conn().Close(ctx)
	}
}

// wrap names the step and turns driver errors into sentinels.
func wrap(what string, err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case errors.As(err, &pg) && pg.Code == "42501":
		return fmt.Errorf("%s: this role may not do that (%s); run it once as the owner of the tables, or make this role the owner: %w",
			what, pg.Message, err)
	case !errors.Is(err, store.ErrUnavailable) && isUnavailable(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// each drains rows through scan.
func each(rows pgx.Rows, err error, scan func(scanner) error) error {
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

// rows calls scan for every row of a query.
func (t *tx) rows(query string, args []any, scan func(scanner) error) error {
	rows, err := t.c.Query(t.ctx, query, args...)
	return each(rows, err, scan)
}

// row scans one row; pgx.ErrNoRows when there is none.
func (t *tx) row(query string, args []any, dest ...any) error {
	return t.c.QueryRow(t.ctx, query, args...).Scan(dest...)
}

func (t *tx) exec(query string, args ...any) (int64, error) {
	tag, err := t.c.Exec(t.ctx, query, args...)
	return tag.RowsAffected(), err
}

// scanner is one row.
type scanner interface{ Scan(dest ...any) error }
