package store

import (
	"context"
	"errors"
	"time"
)

// ErrHostTaken says that a hostname is that of another host's worker.
var ErrHostTaken = errors.New("the hostname belongs to another host")

// Admissions keeps the tokens by which workers join without a person's
// decision. Secrets reach it only as hashes (SHA-256, hex).
type Admissions interface {
	// CreateRegistration stores a token that was minted; it forgets those that
	// expired a day ago.
	CreateRegistration(ctx context.Context, r Registration) (Registration, error)
	// RegistrationBySecret finds one, used and expired ones included.
	RegistrationBySecret(ctx context.Context, hash string) (Registration, error)
	// Registrations lists those that are kept, newest first. An empty workspace
	// is all, with the pool.
	Registrations(ctx context.Context, workspace WorkspaceID) ([]Registration, error)
	// RevokeRegistration ends one that was not used, in a workspace or, if that
	// is empty, in any. It may be called again. ErrNotFound when there is none,
	// ErrConflict when it was used.
	RevokeRegistration(ctx context.Context, workspace WorkspaceID, id string) (Registration, error)
	// RegisterWorker uses a token up, once: ErrConflict when it was used, was
	// revoked or has expired. The worker is the one that exists for (workspace, hostname), whose
	// earlier tokens are void then, or a new one. A token that a host minted takes
	// over no worker of another host: ErrHostTaken, and it stays unused.
	RegisterWorker(ctx context.Context, p RegisterWorker) (Worker, error)
}

// Registration is a token that admits one worker.
type Registration struct {
	ID         string
	Workspace  WorkspaceID
	SecretHash string
	Host       string // that minted it, and that the worker belongs to; empty: an operator did
	Label      string
	MintedBy   string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // zero: not yet
	RevokedAt  time.Time // zero: not
	Worker     WorkerID  // that it admitted
}

// RegisterWorker is the worker's side of the trade.
type RegisterWorker struct {
	Registration    string
	Hostname, OS    string
	Version, Label  string
	WorkerTokenHash string
}
