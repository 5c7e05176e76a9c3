package store

import (
	"context"
	"time"
)

// Audit keeps who did what to the control plane. Lines are added and, when
// they are old, forgotten; none is ever changed.
type Audit interface {
	// AddAudit appends lines, all or none. Their numbers become visible in their
	// order, on every replica: who reads up to a number misses nothing before it.
	AddAudit(ctx context.Context, lines ...AuditLine) error
	// AuditLines reads at most f.Limit lines: the newest first, or, with f.Oldest,
	// the oldest first.
	AuditLines(ctx context.Context, f AuditFilter) ([]AuditLine, error)
	// ForgetAudit deletes lines from before a time, the oldest first, and returns
	// how many.
	ForgetAudit(ctx context.Context, before time.Time, limit int) (int, error)
}

// AuditLine is one action of an operator, a host or an unknown caller.
type AuditLine struct {
	Seq       int64     // set by the store
	At        time.Time // zero: now
	Actor     string    // the name of the token or of the host; empty: nobody proved to be anybody
	Kind      string    // of the actor's credential: "pwk", "hos", "wkt", "local", "secret"; empty: none
	Role      string
	Token     string // the actor's token by its ID; empty: none
	Action    string // "noun.verb"
	Object    string // what it was done to
	Workspace WorkspaceID
	Address   string // of the peer
	Outcome   string // "ok", "refused" or "failed"
	Code      string // of the error, unless ok
	RequestID string
	Detail    string
}

// AuditFilter says which lines to read. Empty fields admit all.
type AuditFilter struct {
	Workspace WorkspaceID
	Actor     string // a name, or the ID of a token
	Action    string // a whole action, or its noun
	Object    string
	Since     time.Time // from then on
	Until     time.Time // before then
	// Cursor is a line's number: those before it, or with Oldest those after it.
	// Without Oldest, zero is the end.
	Cursor int64
	Oldest bool
	Limit  int
}
