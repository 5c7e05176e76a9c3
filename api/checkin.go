package api

// A host checks in with its control plane: POST /api/v1/hosts/self/checkin,
// with the credential it got when it joined. It says what it is, how far it is
// with what it was told, and hears what it is to do next. A control plane that
// keeps the contract only answers 404.

// CheckInFacts is what a host says of itself.
type CheckInFacts struct {
	OS        string `json:"os,omitempty" validate:"max=64"`   // as in RedeemRequest: "linux", "darwin", "win32"
	Arch      string `json:"arch,omitempty" validate:"max=64"` // as Go names it
	OSVersion string `json:"osVersion,omitempty" validate:"max=255"`
	Version   string `json:"version,omitempty" validate:"max=64"` // of pipedai-orchestrator
	Label     string `json:"label,omitempty" validate:"max=255"`
	// Capabilities are the things this host can be told to do; see the
	// Capability constants.
	Capabilities []string `json:"capabilities,omitempty" validate:"max=64,dive,max=64"`
	// Time is the host's clock as it asked, from which its skew is told.
	Time Time `json:"time"`
}

// What a host may be able to do.
const (
	CapabilityUpgradeWorkers = "upgrade-workers"
	CapabilityUpgradeSelf    = "upgrade-self"
)

// CheckInRequest is the body of a check-in.
type CheckInRequest struct {
	Facts CheckInFacts `json:"facts"`
	// Reports are how far the host is with its orders. One that was not
	// acknowledged is sent again.
	Reports []OrderReport `json:"reports,omitempty" validate:"max=100,dive"`
	// WaitMs is how long the answer may wait for an order whose key is not among
	// Known. A request with reports is answered at once.
	WaitMs int64 `json:"waitMs,omitempty" validate:"gte=0,lte=30000"`
	// Known are the keys of the orders the host has heard of; see HostOrder.Key.
	Known []string `json:"known,omitempty" validate:"max=100,dive,max=100"`
}

// CheckInResponse answers it.
type CheckInResponse struct {
	HostID string `json:"hostId"`
	// Orders are all the open orders of the host, oldest first.
	Orders []HostOrder `json:"orders"`
	// Acknowledged are the orders whose reported end is kept: the host may forget
	// them.
	Acknowledged []string `json:"acknowledged"`
	ServerTime   Time     `json:"serverTime"`
	// ReleaseKeys is the history of the key that signs releases; absent while the
	// server has none.
	ReleaseKeys *ReleaseKeys `json:"releaseKeys,omitempty"`
}

// The kinds of orders.
const (
	OrderUpgradeWorkers = "upgrade-workers"
	OrderUpgradeSelf    = "upgrade-self"
)

// HostOrder is something a host is to do. Its ID makes it idempotent: a host
// that hears of it again does nothing more.
type HostOrder struct {
	ID        string       `json:"id"`
	RolloutID string       `json:"rolloutId"`
	Kind      string       `json:"kind"` // "upgrade-workers" or "upgrade-self"
	Program   string       `json:"program"`
	Version   string       `json:"version"`
	Options   OrderOptions `json:"options"`
	// Withdrawn says that it is not to be done any more: a host that has not
	// begun refuses it, one that has cancels what can be cancelled.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

// Key is the order as a host knows it: one that was withdrawn since is news.
func (o HostOrder) Key() string {
	if o.Withdrawn {
		return o.ID + "/withdrawn"
	}
	return o.ID
}

// OrderOptions say how an order is carried out.
type OrderOptions struct {
	// Channel is the one that the version is taken from.
	Channel string `json:"channel,omitempty"`
	// DeadlineSec is how long all of it may take, from when it was given.
	DeadlineSec int64 `json:"deadlineSec,omitempty"`
	// ForceAfterSec is how long the run in hand may take before its worker is
	// stopped all the same; 0 waits, and fails when it takes too long.
	ForceAfterSec int64 `json:"forceAfterSec,omitempty"`
	// AllowDowngrade takes a host back to a version that it has run before: it
	// may be older than the one that runs. A host goes to no other older version.
	AllowDowngrade bool `json:"allowDowngrade,omitempty"`
	// Retry says that a person wants it tried again, though it may have failed
	// here before.
	Retry bool `json:"retry,omitempty"`
}

// The states of an order as a host reports them. The last four are ends.
const (
	OrderAccepted  = "accepted"
	OrderRunning   = "running"
	OrderSucceeded = "succeeded"
	OrderFailed    = "failed"
	OrderRefused   = "refused"
	OrderWithdrawn = "withdrawn"
)

// OrderReport is how far a host is with an order.
type OrderReport struct {
	ID       string        `json:"id" validate:"required,max=64"`
	Status   string        `json:"status" validate:"required,oneof=accepted running succeeded failed refused withdrawn"`
	Step     string        `json:"step,omitempty" validate:"max=64"`
	Progress float64       `json:"progress,omitempty" validate:"gte=0,lte=100"` // percent
	Message  string        `json:"message,omitempty" validate:"max=1000"`
	Error    string        `json:"error,omitempty" validate:"max=4000"`
	Workers  []OrderWorker `json:"workers,omitempty" validate:"max=1000,dive"`
}

// Ended reports whether the order is over for the host.
func (r OrderReport) Ended() bool {
	switch r.Status {
	case OrderSucceeded, OrderFailed, OrderRefused, OrderWithdrawn:
		return true
	}
	return false
}

// OrderWorkerDone is the status of a worker that was brought to the version.
const OrderWorkerDone = "upgraded"

// OrderWorker is what became of one worker.
type OrderWorker struct {
	WorkerID    string `json:"workerId" validate:"max=64"`
	FromVersion string `json:"fromVersion,omitempty" validate:"max=64"`
	Version     string `json:"version,omitempty" validate:"max=64"`
	Status      string `json:"status" validate:"max=32"`
	Error       string `json:"error,omitempty" validate:"max=4000"`
}
