// Package store is the contract between the engine and its database: the
// steps the engine takes, the records it reads, and the errors it branches on.
//
// A step is atomic and conditional on the state it leaves, so any number of
// replicas may take any step at any time. Steps that the engine takes often
// accept batches: everything in one call commits together, and one bad item
// never fails its neighbours. Times are the database's clock unless a
// parameter says otherwise; a zero Now means that clock. No transaction leaves
// an implementation.
//
// Two implementations exist, store/postgres and store/sqlite. What they must
// do is decided by one suite, store/storetest.
package store

import (
	"context"
	"errors"
)

// Errors a caller branches on. Implementations wrap them with the step.
var (
	// ErrNotFound says that the thing named does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the thing is not in the state the step leaves.
	ErrConflict = errors.New("conflict")
	// ErrLeaseLost says that a report belongs to an attempt that is over: it
	// ended, was superseded, or was taken back.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnsure says that a step may have been kept or not: the connection ended
	// while its commit was under way.
	ErrUnsure = errors.New("outcome unknown")
	// ErrMaintenance says that no new work is accepted.
	ErrMaintenance = errors.New("in maintenance mode")
	// ErrUnavailable says that the database does not answer, or takes no writes
	// now: it is away, busy, full, locked or read-only. It says nothing about the
	// step, which may be taken again later. A write that failed with it is not
	// there, or all of it is: the connection was lost while it was committed.
	ErrUnavailable = errors.New("the database is not available")
	// ErrNewerSchema says that the database belongs to a newer version of this
	// program; nothing was changed.
	ErrNewerSchema = errors.New("database schema is newer than this program")
	// ErrNotMigrated says that the database lacks migrations this program needs.
	ErrNotMigrated = errors.New("database is not migrated")
)

// Store is everything the engine asks of its database.
type Store interface {
	Schema
	Catalog
	Liveness
	Queue
	Glances
	Runs
	DeadLetters
	Idempotency
	Upkeep
	Workspaces
	RunEvents
	Hosts
	WorkerTokens
	Rollouts
	WorkerTokens
	Uploads
	Tokens
	Releases
	Audit

	// Info describes the backend, so that differences are asked for and not
	// guessed from a name.
	Info() Info
	// Ping proves that the database answers.
	Ping(ctx context.Context) error
	// Listen calls wake whenever another replica reported new work with Notify,
	// until ctx ends. It reconnects by itself and calls wake after each
	// reconnect, because a notice may have been missed. On a backend that is
	// not shared it only waits for ctx.
	Listen(ctx context.Context, wake func()) error
	// Notify tells the other replicas that there is work. A hint: it may be
	// lost, and is never sent inside a step's transaction.
	Notify(ctx context.Context) error
	// Close releases every connection. Steps under way end first.
	Close() error
}

// Info describes a backend.
type Info struct {
	Name   string // "postgres" or "sqlite"
	Target string // where it is, without credentials: a file, or host/database
	Shared bool   // several processes may use it at once
}

// Schema creates and upgrades the tables.
type Schema interface {
	// Migrate applies the migrations that are missing, oldest first, each in one
	// transaction, and stops at the first failure. It returns what it applied.
	// It refuses with ErrNewerSchema, changing nothing.
	Migrate(ctx context.Context) ([]Migration, error)
	// Migrations lists every known migration with the time it was applied.
	Migrations(ctx context.Context) ([]Migration, error)
	// CheckSchema returns nil, ErrNotMigrated or ErrNewerSchema.
	CheckSchema(ctx context.Context) error
	// Validate returns a sentence for everything that other programs may rely
	// on and that is not there: migrations, documented tables and columns.
	Validate(ctx context.Context) ([]string, error)
	// Reset drops everything that this program or the older tools created, with
	// all that is in it. Tables of others stay. Migrate begins anew.
	Reset(ctx context.Context) error
}
