package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// The identifiers of the host control plane. Opaque.
type (
	// WorkspaceID names a workspace: its workers and their operators.
	WorkspaceID string
	// EnvironmentID names the environment of a workspace.
	EnvironmentID string
	// WorkerID names an enrolled worker.
	WorkerID string
	// EnrollmentID names one way for one host to join.
	EnrollmentID string
)

// Hosts keeps the control plane's side of enrolled hosts. Secrets reach it
// only as hashes (SHA-256, hex).
type Hosts interface {
	Admissions
	Fleet

	// CreateEnrollment stores a pairing or a pre-issued code.
	CreateEnrollment(ctx context.Context, e Enrollment) (Enrollment, error)
	// Enrollments lists the newest first, expired ones included.
	Enrollments(ctx context.Context, f EnrollmentFilter) ([]Enrollment, error)
	Enrollment(ctx context.Context, id EnrollmentID) (Enrollment, error)
	EnrollmentByUserCode(ctx context.Context, userCode string) (Enrollment, error)
	// EnrollmentBySecret finds one by the hash of its device code or code.
	EnrollmentBySecret(ctx context.Context, hash string) (Enrollment, error)
	// DecideEnrollment approves or denies a pending pairing; the first decision
	// wins, later ones get ErrConflict with the enrolment as it is.
	DecideEnrollment(ctx context.Context, p DecideEnrollment) (Enrollment, error)
	// RevokeEnrollment takes back a pairing or a code that nobody redeemed;
	// ErrConflict with the enrolment as it is when somebody did, or when it was
	// denied.
	RevokeEnrollment(ctx context.Context, id EnrollmentID, by string) (Enrollment, error)
	// PolledEnrollment notes that a device polled and tells whether it came back
	// sooner than the enrolment's interval allows.
	PolledEnrollment(ctx context.Context, id EnrollmentID, now time.Time) (tooEarly bool, err error)
	// RedeemEnrollment trades an approved pairing or an unused code for a
	// worker and its credentials, once. The worker is the one that exists for
	// (workspace, hostname), or a new one; if another host kept it until now,
	// that one has no power over it any more, and its tokens are void.
	// ErrConflict when it was redeemed or is not approved.
	RedeemEnrollment(ctx context.Context, p RedeemEnrollment) (Worker, error)

	Workers(ctx context.Context, workspace WorkspaceID) ([]Worker, error) // by hostname
	Worker(ctx context.Context, id WorkerID) (Worker, error)
	SwitchWorker(ctx context.Context, p SwitchWorker) (Worker, error)
	// DeleteWorker removes it from lists and revokes its tokens; ErrNotFound
	// when it is gone. A host token that is bound to it goes over to another
	// worker of the same host, if there is one.
	DeleteWorker(ctx context.Context, id WorkerID) error
	// TouchWorker notes a heartbeat.
	TouchWorker(ctx context.Context, b WorkerBeat) (Worker, error)

	// Serve notes which service a worker serves; it serves one, the last. No
	// version keeps the one that it said of that service before.
	Serve(ctx context.Context, p Serve) (Worker, error)
	// ServiceWorkers lists the workers of every workspace and of the pool that
	// serve a service, by service and hostname; empty: any service.
	ServiceWorkers(ctx context.Context, service pipeline.ServiceID) ([]Worker, error)

	// AddWorkerEvent appends to a worker's event log; WorkerEvents reads what
	// follows after, oldest first, at most limit.
	AddWorkerEvent(ctx context.Context, e WorkerEvent) (WorkerEvent, error)
	WorkerEvents(ctx context.Context, id WorkerID, after int64, limit int) ([]WorkerEvent, error)
	// LastWorkerEvents reads the newest, oldest first.
	LastWorkerEvents(ctx context.Context, id WorkerID, limit int) ([]WorkerEvent, error)
}

// Enrollment is one way for one host to join.
type Enrollment struct {
	ID         EnrollmentID
	Workspace  WorkspaceID
	Kind       string // "device" or "code"
	SecretHash string // of the device code or the code
	UserCode   string // device only, as shown: XXXX-XXXX
	Label      string
	Status     string // "pending", "approved", "denied", "redeemed", "revoked"
	// Facts of the device that asked, for the person who decides.
	Address, UserAgent string
	Hostname, OS       string
	Interval           time.Duration // least time between two polls
	LastPollAt         time.Time
	CreatedAt          time.Time
	ExpiresAt          time.Time
	DecidedAt          time.Time
	DecidedBy          string
	Worker             WorkerID      // redeemed for
	Environment        EnvironmentID // of its workspace; empty: the first one
}

// EnrollmentFilter chooses enrolments. What is empty chooses all.
type EnrollmentFilter struct {
	Workspace WorkspaceID
	Kind      string
	Limit     int // 0: all
}

// DecideEnrollment is a person's decision about a pairing.
type DecideEnrollment struct {
	ID      EnrollmentID
	Approve bool
	By      string
	// Workspace is where the host joins, which becomes the enrolment's; empty:
	// as it is. Environment is one of it; empty: its first one.
	Workspace   WorkspaceID
	Environment EnvironmentID
}

// RedeemEnrollment is the host's side of the trade.
type RedeemEnrollment struct {
	Enrollment        EnrollmentID
	Hostname, OS      string
	Version, Label    string
	WorkerTokenHash   string
	OperatorTokenHash string
}

// Token is a credential the control plane issued.
type Token struct {
	Hash       string
	Kind       string // its prefix: "wkt", "hos", "pwk", ...
	Role       string // "viewer", "operator", "admin"; empty for worker tokens
	Name       string
	Workspace  WorkspaceID
	Worker     WorkerID // worker and host tokens
	LastFour   string
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: valid
	LastUsedAt time.Time
	Replaces   string // hash of the token whose place it takes; see WorkerTokens
	Rotate     bool   // its worker was asked to replace it
}

// Worker is an enrolled worker as the control plane sees it.
type Worker struct {
	ID           WorkerID
	Workspace    WorkspaceID
	Hostname     string
	Host         string // of the host that keeps it; empty: Hostname
	Label        string
	OS           string
	Version      string
	Disabled     bool      // there is a hold
	Holds        []Hold    // oldest first
	CurrentRun   string    // wire id of a run in hand; empty: none
	LastSeenAt   time.Time // zero: never
	RegisteredAt time.Time
	// What it serves, as it said last; empty: nothing yet.
	Service        pipeline.ServiceID
	ServiceVersion string // empty: it has not said
	ServingSince   time.Time
}

// KeptBy is the name of the host that keeps the worker.
func (w Worker) KeptBy() string {
	if w.Host != "" {
		return w.Host
	}
	return w.Hostname
}

// WorkerBeat is a heartbeat of a worker.
type WorkerBeat struct {
	Worker     WorkerID
	Version    string // empty: unchanged
	CurrentRun string
}

// Serve is what a worker says of the service it serves.
type Serve struct {
	Worker  WorkerID
	Service pipeline.ServiceID
	Version string
}

// WorkerEvent is one line of a worker's event log.
type WorkerEvent struct {
	Seq    int64
	Worker WorkerID
	Type   string // "worker.started", "poll.error", ...
	At     time.Time
	Data   []byte // JSON object, may be nil
}
