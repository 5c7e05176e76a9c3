package api

// Upgrades of a host's workers, in the daemon's local API.

// UpgradeRequest is POST /api/workers/{id}/upgrade. Exactly one of Version,
// FromLocal and Rollback says what the worker is to run; the other members were
// added to the contract.
type UpgradeRequest struct {
	// Version is an exact version, or "latest" for the newest of the channel.
	Version string `json:"version,omitempty" validate:"max=128"`
	// FromLocal is the absolute path of a program, of a folder with one, or of
	// a package on this machine.
	FromLocal string `json:"fromLocal,omitempty" validate:"max=4096"`
	// Rollback goes back to what the worker ran before its last upgrade.
	Rollback bool `json:"rollback,omitempty"`

	UpgradeOptions
}

// UpgradeOptions say how an upgrade is carried out; zero values are the
// daemon's defaults.
type UpgradeOptions struct {
	Channel string `json:"channel,omitempty" validate:"max=64"`
	// NPM takes the version from the registry of Node packages instead of a
	// release. It goes without saying for a worker that runs such a package.
	NPM bool `json:"npm,omitempty"`
	// TimeoutMs bounds the verification of the new version.
	TimeoutMs int64 `json:"timeoutMs,omitempty" validate:"min=0,max=3600000"`
	// DrainTimeoutMs bounds the wait for the run in hand.
	DrainTimeoutMs int64 `json:"drainTimeoutMs,omitempty" validate:"min=0,max=604800000"`
	// Force tries a version that failed here before, and goes on when the run in
	// hand does not end in time: it then has the worker's stop grace.
	Force bool `json:"force,omitempty"`
	// AllowDowngrade lets an older release be fetched.
	AllowDowngrade bool `json:"allowDowngrade,omitempty"`
	// DryRun answers what would be done and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// UpgradeAllRequest is POST /api/workers/upgrade. Without Version and FromLocal
// every worker gets the newest version of the channel of its own control plane.
type UpgradeAllRequest struct {
	Version   string `json:"version,omitempty" validate:"max=128"`
	FromLocal string `json:"fromLocal,omitempty" validate:"max=4096"`
	// Workers names those that are meant, the first of them first; none means
	// all, those that run before those that do not.
	Workers []string `json:"workers,omitempty" validate:"max=1000"`

	UpgradeOptions
}

// UpgradeResult answers both. While Operation is there the upgrade goes on.
type UpgradeResult struct {
	ID         string  `json:"id,omitempty"` // of the worker; empty for all
	Action     string  `json:"action"`       // "upgrade"
	OK         bool    `json:"ok"`
	Target     string  `json:"target"` // "@pipedai/worker@<version>" or "tarball:<path>"
	DurationMs int64   `json:"durationMs"`
	OldVersion *string `json:"oldVersion"`

	// Added.

	// Unchanged says that the worker was at that version already.
	Unchanged bool         `json:"unchanged,omitempty"`
	Upgrade   *UpgradeInfo `json:"upgrade,omitempty"`
	Operation *Operation   `json:"operation,omitempty"`
}

// UpgradeInfo is what is known of an upgrade; an operation of kind "upgrade" or
// "upgrade-all" carries it.
type UpgradeInfo struct {
	From    string `json:"from,omitempty"`    // version before, as far as is known
	To      string `json:"to,omitempty"`      // version that is asked for
	FromPin string `json:"fromPin,omitempty"` // empty: the default program of the host
	ToPin   string `json:"toPin,omitempty"`
	// Source is where it comes from: the URL of a control plane, a package or a path.
	Source string `json:"source,omitempty"`
	// SignedBy is the id of the key that signed it; empty when nothing did.
	SignedBy  string `json:"signedBy,omitempty"`
	Channel   string `json:"channel,omitempty"`
	Notes     string `json:"notes,omitempty"`
	Size      int64  `json:"size,omitempty"`      // bytes to fetch
	Installed bool   `json:"installed,omitempty"` // lies on this host already

	// Unchanged says that there was nothing to do.
	Unchanged bool `json:"unchanged,omitempty"`
	// Failure says why it was taken back; see the UpgradeFailed constants.
	Failure string `json:"failure,omitempty"`
	// LastLines are what the new version wrote last before it was taken back.
	LastLines []string `json:"lastLines,omitempty"`
	// Warning is what it could not restore, whichever way it ended, and what helps.
	Warning string `json:"warning,omitempty"`

	// Items are the workers of "upgrade-all", in the order they are upgraded in.
	Items []UpgradeItem `json:"items,omitempty"`
}

// The reasons for which an upgrade is taken back.
const (
	UpgradeFailedProbe       = "probe"         // the program does not say its version, or another one
	UpgradeFailedDrain       = "drain-timeout" // the run in hand did not end
	UpgradeFailedStart       = "not-started"   // it could not be started
	UpgradeFailedCrash       = "crashed"       // it ended by itself
	UpgradeFailedSilent      = "silent"        // it runs and does not reach its control plane
	UpgradeFailedVersion     = "wrong-version" // it reports another version
	UpgradeFailedHostOffline = "host-offline"  // the host itself did not reach the control plane
)

// UpgradeItem is one worker of "upgrade-all".
type UpgradeItem struct {
	WorkerID string `json:"workerId"`
	Label    string `json:"label"`
	// Status is "waiting", "running", "upgraded", "unchanged", "failed",
	// "cancelled" or "skipped".
	Status    string `json:"status"`
	Canary    bool   `json:"canary,omitempty"` // it goes first, and nothing else when it fails
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Operation string `json:"operation,omitempty"`
	Error     string `json:"error,omitempty"`
	Failure   string `json:"failure,omitempty"`
}

// The statuses of an UpgradeItem.
const (
	UpgradeWaiting   = "waiting"
	UpgradeRunning   = "running"
	UpgradeDone      = "upgraded"
	UpgradeUnchanged = "unchanged"
	UpgradeFailed    = "failed"
	UpgradeCancelled = "cancelled"
	UpgradeSkipped   = "skipped"
)

// WorkerUpgrade is the upgrade that is under way for a worker.
type WorkerUpgrade struct {
	Operation string `json:"operation"`
	Step      string `json:"step"`
	Undoing   bool   `json:"undoing"`
	Progress  int    `json:"progress"`
	Message   string `json:"message,omitempty"`
	To        string `json:"to,omitempty"`
}
