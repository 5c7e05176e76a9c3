package store

import (
	"context"
	"time"

	"pipedai/rollout"
)

// The identifiers of rollouts. Opaque.
type (
	// RolloutID names a rollout.
	RolloutID string
	// OrderID names an order of a rollout to a host.
	OrderID string
)

// Rollouts moves versions over hosts. Which host is next, and how a rollout
// ends, is decided by package rollout; each step here asks it in the
// transaction that keeps the answer, with the rollout locked, so that any
// number of replicas may take any step at any time and no limit is passed. A
// host that is to hear of something has its Host.News grown in the same
// transaction.
type Rollouts interface {
	// StartRollout stores a rollout with its targets, in the order of their turns,
	// and gives the first orders. ErrConflict, with the other one, while one of
	// the program is running or paused in the workspace. Old ones that ended make
	// room.
	StartRollout(ctx context.Context, p StartRollout) (Rollout, error)
	// Rollouts lists the newest first.
	Rollouts(ctx context.Context, workspace WorkspaceID, limit int) ([]Rollout, error)
	Rollout(ctx context.Context, id RolloutID) (Rollout, error)
	// RolloutTargets lists the targets of one in the order of their turns.
	RolloutTargets(ctx context.Context, id RolloutID) ([]RolloutTarget, error)
	// SteerRollout lets a person decide. ErrConflict, with the rollout as it is,
	// when the verb makes no difference in its state.
	SteerRollout(ctx context.Context, p SteerRollout) (Rollout, error)
	// AdvanceRollouts gives every rollout its turn that has something to do: a
	// deadline passed, a host came back or was revoked. It returns those that
	// changed. A rollout that another replica has in hand is passed over.
	AdvanceRollouts(ctx context.Context) ([]Rollout, error)

	// HostOrders lists the open orders of a host, oldest first: those it has not
	// said its last word about, taken back or not.
	HostOrders(ctx context.Context, host HostID) ([]HostOrder, error)
	// TakeReports takes what a host says about its orders, each once: a word after
	// the last, or about an order it does not have, changes nothing. Every report
	// is taken whole or, when the error is not nil, none. It returns the rollouts
	// that changed.
	TakeReports(ctx context.Context, host HostID, reports []OrderReport) ([]Rollout, error)
}

// HostAway is for how long nothing is heard of a host before it counts as away
// and is given no orders. A host asks every half a minute.
const HostAway = 90 * time.Second

// RolloutKind is what a rollout is for.
type RolloutKind string

const (
	// RolloutUpgrade brings every host to one version.
	RolloutUpgrade RolloutKind = "upgrade"
	// RolloutRollback takes every host back to the version it came from.
	RolloutRollback RolloutKind = "rollback"
)

// StartRollout is a rollout to begin.
type StartRollout struct {
	Workspace  WorkspaceID
	Program    string
	Version    string // what most targets are brought to
	Channel    string
	Kind       RolloutKind
	RollbackOf RolloutID // of a rollback
	rollout.Limits
	// ForceAfter bounds the run in hand of a worker; zero: it is waited for.
	ForceAfter time.Duration
	Note       string
	By         string
	Targets    []StartTarget
}

// StartTarget is one host of it.
type StartTarget struct {
	Host    HostID
	Version string // to be brought to
	From    []RolloutWorker
}

// RolloutWorker is a worker of a target: what it ran before, and what its host
// said became of it.
type RolloutWorker struct {
	Worker  string `json:"workerId"` // empty: the daemon itself
	Name    string `json:"name,omitempty"`
	From    string `json:"fromVersion,omitempty"`
	Version string `json:"version,omitempty"`
	Status  string `json:"status,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Rollout is one version on its way to some hosts.
type Rollout struct {
	ID         RolloutID
	Workspace  WorkspaceID
	Program    string
	Version    string
	Channel    string
	Kind       RolloutKind
	RollbackOf RolloutID
	rollout.Rollout
	ForceAfter time.Duration
	Note       string
	CreatedBy  string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	EndedAt    time.Time // zero while it has not ended
	Counts     rollout.Counts
	// Told are the hosts that the step which returned this has news for.
	Told []HostID
}

// RolloutTarget is one host of a rollout.
type RolloutTarget struct {
	rollout.Target // Host is its name
	ID             HostID
	Version        string // to be brought to
	From           []RolloutWorker
	Order          OrderID // the newest; empty: none yet
	Attempts       int     // orders so far
	OrderedAt      time.Time
	EndedAt        time.Time // when it became final
	LastSeenAt     time.Time // of the host

	// As the host says.

	Step       string
	Message    string
	Progress   int // percent
	Workers    []RolloutWorker
	ReportedAt time.Time
}

// RolloutVerb is what a person decides about a rollout.
type RolloutVerb string

// The verbs. Retry is to resume and try again what failed.
const (
	RolloutPause  RolloutVerb = "pause"
	RolloutResume RolloutVerb = "resume"
	RolloutRetry  RolloutVerb = "retry"
	RolloutAbort  RolloutVerb = "abort"
)

// SteerRollout is such a decision.
type SteerRollout struct {
	ID   RolloutID
	Verb RolloutVerb
	Why  string // for people: who did it, and their note
}

// HostOrder is an order that is open.
type HostOrder struct {
	ID         OrderID
	Rollout    RolloutID
	Kind       RolloutKind
	Program    string
	Version    string
	Channel    string
	ForceAfter time.Duration
	Deadline   time.Duration // for all of it
	Again      bool          // the host had another one before: somebody wants it tried again
	Withdrawn  bool          // it is not to be done any more
	OrderedAt  time.Time
}

// OrderReport is a host's word about an order.
type OrderReport struct {
	ID       OrderID
	Word     rollout.Word
	Step     string
	Message  string
	Progress int
	Error    string
	Workers  []RolloutWorker
}
