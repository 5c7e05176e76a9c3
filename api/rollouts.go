package api

// A rollout brings a version of one program to many hosts, a few at a time.
// Each host does it by itself and reports.

// The programs that hosts can be brought to a version of.
const (
	ProgramWorker       = "pipedai-worker"
	ProgramOrchestrator = "pipedai-orchestrator"
)

// StartRolloutRequest is the body of POST /api/v1/rollouts and of
// POST /api/v1/rollouts/plan, which only says what would happen.
type StartRolloutRequest struct {
	Program string `json:"program,omitempty" validate:"omitempty,oneof=pipedai-worker pipedai-orchestrator"` // "pipedai-worker" when empty
	Version string `json:"version" validate:"required,max=64"`
	Channel string `json:"channel,omitempty" validate:"max=64"` // empty: any that the version is published on, "stable" first

	// Hosts are ids or names, in the order of their turns. Empty: every host that
	// is not on the version, by name.
	Hosts []string `json:"hosts,omitempty" validate:"max=10000,dive,min=1,max=255"`
	// Label keeps those whose label matches; * and ? stand for anything.
	Label string `json:"label,omitempty" validate:"max=255"`

	RolloutLimits
	ForceAfterSec int64  `json:"forceAfterSec,omitempty" validate:"gte=0,lte=604800"` // how long a run in hand may take before its worker is stopped; 0: it is waited for
	Note          string `json:"note,omitempty" validate:"max=1000"`
}

// RolloutLimits bound what a rollout does at once and what it may break.
type RolloutLimits struct {
	// Canary hosts go first and alone; absent: 1.
	Canary *int `json:"canary,omitempty" validate:"omitempty,gte=0,lte=10000"`
	// MaxUnavailable hosts have an order at the same time, at most; absent: 1.
	MaxUnavailable *int `json:"maxUnavailable,omitempty" validate:"omitempty,gte=1,lte=10000"`
	// MaxFailures hosts may fail; one more pauses the rollout. Absent: 0.
	MaxFailures *int `json:"maxFailures,omitempty" validate:"omitempty,gte=0,lte=10000"`
	// HostDeadlineSec is how long one host may take; absent: 7200.
	HostDeadlineSec *int64 `json:"hostDeadlineSec,omitempty" validate:"omitempty,gte=60,lte=2592000"`
}

// RolloutPlan is what a rollout would be about.
type RolloutPlan struct {
	Program string           `json:"program"`
	Version string           `json:"version"`
	Channel string           `json:"channel"`
	Targets []RolloutTarget  `json:"targets"` // in the order of their turns
	LeftOut []RolloutLeftOut `json:"leftOut"`
	// Release is what the hosts would install; absent where each goes to a
	// version of its own.
	Release *PlannedRelease `json:"release,omitempty"`
}

// PlannedRelease says who answers for the version of a plan, and what is new
// in it.
type PlannedRelease struct {
	KeyID       string `json:"keyId"` // of the key that signed it
	Notes       string `json:"notes,omitempty"`
	PublishedAt Time   `json:"publishedAt"`
	PublishedBy string `json:"publishedBy,omitempty"`
	ExpiresAt   Time   `json:"expiresAt"`
}

// RolloutLeftOut is a host that a rollout is not about.
type RolloutLeftOut struct {
	HostID string `json:"hostId"`
	Host   string `json:"host"`
	Why    string `json:"why"`
}

// Rollout is one version on its way to some hosts.
type Rollout struct {
	ID      string `json:"id"`
	Program string `json:"program"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	// Kind is "upgrade", or "rollback" of the rollout RollbackOf: then each target
	// has its own version.
	Kind       string `json:"kind"`
	RollbackOf string `json:"rollbackOf,omitempty"`
	// Status is "running", "paused", "aborting" until every host has answered,
	// "succeeded", "failed" or "aborted".
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"` // why it paused or how it ended

	Canary          int   `json:"canary"`
	MaxUnavailable  int   `json:"maxUnavailable"`
	MaxFailures     int   `json:"maxFailures"`
	HostDeadlineSec int64 `json:"hostDeadlineSec"`
	ForceAfterSec   int64 `json:"forceAfterSec"`

	Counts    RolloutCounts `json:"counts"`
	Note      string        `json:"note,omitempty"`
	CreatedBy string        `json:"createdBy,omitempty"`
	CreatedAt Time          `json:"createdAt"`
	UpdatedAt Time          `json:"updatedAt"`
	EndedAt   Time          `json:"endedAt"` // null while it has not ended
}

// RolloutCounts sums the targets of a rollout up.
type RolloutCounts struct {
	Total     int `json:"total"`
	Waiting   int `json:"waiting"` // have no order yet
	Offline   int `json:"offline"` // of those: are not heard of
	Out       int `json:"out"`     // have an order that holds a place
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"` // overdue ones included
	Refused   int `json:"refused"`
	Withdrawn int `json:"withdrawn"`
	Skipped   int `json:"skipped"` // their hosts were revoked
}

// Rollouts answers GET /api/v1/rollouts, newest first.
type Rollouts struct {
	Items []Rollout `json:"items"`
}

// RolloutDetail answers GET /api/v1/rollouts/{id} and what is done with one.
type RolloutDetail struct {
	Rollout
	Targets []RolloutTarget  `json:"targets"` // in the order of their turns
	LeftOut []RolloutLeftOut `json:"leftOut"` // only in the answer to a start
}

// RolloutTarget is one host of a rollout.
type RolloutTarget struct {
	HostID  string `json:"hostId"`
	Host    string `json:"host"`
	Version string `json:"version"` // it is brought to
	// From are the versions it ran before, each once.
	From []string `json:"from"`
	// State is "waiting", "ordered", "running", "withdrawing", "overdue",
	// "succeeded", "failed", "refused", "withdrawn" or "skipped".
	State    string `json:"state"`
	Canary   bool   `json:"canary,omitempty"`
	Forgiven bool   `json:"forgiven,omitempty"` // failed, and somebody went on all the same
	Online   bool   `json:"online"`
	// Size is how many bytes the host fetches, unless it has them; only in a
	// plan, and 0 while the host has not said what it is.
	Size       int64  `json:"size,omitempty"`
	LastSeenAt Time   `json:"lastSeenAt"`
	OrderID    string `json:"orderId,omitempty"`
	Attempts   int    `json:"attempts"`
	OrderedAt  Time   `json:"orderedAt"`
	Deadline   Time   `json:"deadline"`
	EndedAt    Time   `json:"endedAt"`
	Error      string `json:"error,omitempty"`

	// Step, Progress, Message and Workers are as the host says.
	Step       string        `json:"step,omitempty"`
	Progress   int           `json:"progress"` // percent
	Message    string        `json:"message,omitempty"`
	Workers    []OrderWorker `json:"workers"`
	ReportedAt Time          `json:"reportedAt"`
}

// SteerRolloutRequest is the body, which may be left out, of the routes that
// pause, resume and abort a rollout.
type SteerRolloutRequest struct {
	Note string `json:"note,omitempty" validate:"max=1000"`
	// Retry, when resuming: those that failed or refused are tried again. Without
	// it they are forgiven and do not count any more.
	Retry bool `json:"retry,omitempty"`
}

// RollbackRequest is the body, which may be left out, of POST
// /api/v1/rollouts/{id}/rollback and of .../rollback/plan. A rollout that goes
// on is aborted first.
type RollbackRequest struct {
	RolloutLimits
	Note string `json:"note,omitempty" validate:"max=1000"`
}
