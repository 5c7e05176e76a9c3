package store

import (
	"context"
	"time"
)

// HostID names a machine whose daemon joined. Opaque.
type HostID string

// Fleet keeps the machines whose daemons joined. There is one row for each
// (workspace, name); a worker belongs to the host of the name that keeps it.
// Redeeming an enrolment makes the row, or takes back that it was revoked.
type Fleet interface {
	// Hosts lists the hosts of a workspace by name, revoked ones included.
	Hosts(ctx context.Context, workspace WorkspaceID) ([]Host, error)
	Host(ctx context.Context, id HostID) (Host, error)
	// CheckInHost notes that the host of a worker is there and what it says of
	// itself; it makes the row when there is none. ErrNotFound when the worker is
	// gone or the host was revoked.
	CheckInHost(ctx context.Context, p CheckInHost) (CheckedInHost, error)
	// NoteHost keeps a text for other operators.
	NoteHost(ctx context.Context, id HostID, note string) (Host, error)
	// SwitchHost is SwitchWorker for every worker of a host, and returns them by
	// hostname.
	SwitchHost(ctx context.Context, id HostID, p SwitchWorker) ([]Worker, error)
	// RevokeHost voids the credentials of a host and of its workers, and whatever
	// it could get new ones with: registration tokens it minted, pairings of its
	// name that nobody redeemed. It may be called again; the first one counts.
	RevokeHost(ctx context.Context, id HostID, by string) (Host, error)
	// HeldWorkers returns those of the workers that are disabled.
	HeldWorkers(ctx context.Context, ids []WorkerID) ([]WorkerID, error)
	// HostNews returns Host.News of those of the hosts that exist.
	HostNews(ctx context.Context, ids []HostID) (map[HostID]int64, error)
}

// Host is a machine whose daemon joined.
type Host struct {
	ID           HostID
	Workspace    WorkspaceID
	Name         string
	Label        string
	OS, Arch     string
	OSVersion    string
	Version      string // of its daemon
	Capabilities []string
	LastSeenAt   time.Time     // zero: it never checked in
	Skew         time.Duration // how far its clock was ahead then
	Note         string
	News         int64
	RegisteredAt time.Time
	RevokedAt    time.Time // zero: it is trusted
	RevokedBy    string
}

// CheckInHost is what a host says of itself. What is empty stays as it was.
type CheckInHost struct {
	Worker       WorkerID // that its credential is bound to
	Label        string
	OS, Arch     string
	OSVersion    string
	Version      string
	Capabilities []string
	Skew         time.Duration
}

// CheckedInHost is a host that checked in.
type CheckedInHost struct {
	Host
	Ordered bool // it has open orders; see HostOrders
}

// Hold is a reason why a worker gets no new runs. Those whose time is over are
// not there any more.
type Hold struct {
	By    string // empty: a person; HoldHost: a pause of the host; else an operation
	Who   string
	Note  string
	Since time.Time
	Until time.Time // zero: until it is lifted
}

// HoldHost is the By of a pause of the whole host.
const HoldHost = "host"

// MostHolds is how many holds a worker can have at once.
const MostHolds = 32

// SwitchWorker disables a worker or enables it. Disabling adds the hold named
// by By, or replaces it; enabling lifts that one, and with an empty By all.
// ErrConflict when the worker has MostHolds others.
type SwitchWorker struct {
	Worker   WorkerID
	Disabled bool
	By       string
	Who      string
	Note     string
	Until    time.Time
}
