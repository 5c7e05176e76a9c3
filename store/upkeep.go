package store

import (
	"context"
	"encoding/json"
	"time"
)

// Upkeep is what keeps the tables small and the queue fair. Every step is
// bounded, says how many rows it took, and passes over what another replica
// works on, so any replica may take any step at any time.
type Upkeep interface {
	// LiftStarved makes task runs that have been claimable since before a time
	// go before everything younger of their queue, whatever its priority: they
	// get a place in the queue, not another priority.
	LiftStarved(ctx context.Context, since time.Time, limit int) (int, error)
	// ForgetKeys deletes results whose time to live is over, and keys of pipeline
	// runs that have not held them since a time.
	ForgetKeys(ctx context.Context, before time.Time, limit int) (int, error)
	// DeleteRuns deletes pipeline runs and standalone task runs that ended
	// before a time, with their task runs and the inputs that ride in the
	// database. One with a dead letter that was not retried is kept as long as
	// that, and a standalone one as long as the run that repeats it: they need
	// its input. The kept counts follow.
	DeleteRuns(ctx context.Context, before time.Time, limit int) (DeletedRuns, error)
}

// DeletedRuns says what DeleteRuns took.
type DeletedRuns struct {
	Runs   int            // pipeline runs and standalone task runs
	Inputs []DeletedInput // those that are in storage, which is the caller's
	More   bool
}

// DeletedInput is an input in storage that no run needs any more.
type DeletedInput struct {
	Path     string
	Metadata json.RawMessage // of a task run that had it
}
