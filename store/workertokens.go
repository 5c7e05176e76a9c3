package store

import (
	"context"
	"time"
)

// RotationGrace is how long a token is good at least after the one that takes
// its place was used first: requests that left before are still on their way.
const RotationGrace = time.Minute

// WorkerTokens replaces the tokens of workers.
type WorkerTokens interface {
	// RotateWorkerToken gives a worker a new token beside the one it shows, which
	// must be valid: ErrNotFound otherwise. Another that was made before and
	// never used is void then. The old one ends after the new one is used first:
	// when the runs that the worker had in hand then must have ended, at the
	// latest, and not before RotationGrace is over. ErrConflict when the old one
	// was replaced that way already.
	RotateWorkerToken(ctx context.Context, p RotateWorkerToken) (Token, error)
	// AskRotation asks a worker to replace its token with its next heartbeat;
	// ErrNotFound when it has none.
	AskRotation(ctx context.Context, id WorkerID) error
}

// RotateWorkerToken names both tokens by their hashes.
type RotateWorkerToken struct {
	Old, New string
	LastFour string // of the new one
}
