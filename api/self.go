package api

// The upgrade of the daemon by itself, in its local API.

// UpgradeSelfRequest is POST /api/upgrade-self. Exactly one of Version, FromLocal
// and Rollback says what the daemon is to become; the other members were added to
// the contract.
type UpgradeSelfRequest struct {
	// Version is an exact version, or "latest" for the newest of the channel.
	Version string `json:"version,omitempty" validate:"max=128"`
	// FromLocal is the absolute path of the program, of a folder with it or of
	// an archive on this machine.
	FromLocal string `json:"fromLocal,omitempty" validate:"max=4096"`
	// Rollback goes back to what ran before the last upgrade.
	Rollback bool `json:"rollback,omitempty"`

	// APIURL is the control plane whose releases are meant; empty is the one that
	// this host has.
	APIURL  string `json:"apiUrl,omitempty" validate:"max=2048"`
	Channel string `json:"channel,omitempty" validate:"max=64"`
	// TimeoutMs bounds how long the new version may take to show that it does;
	// 0 is a minute.
	TimeoutMs int64 `json:"timeoutMs,omitempty" validate:"min=0,max=3600000"`
	// Force tries a version that failed here before.
	Force bool `json:"force,omitempty"`
	// AllowDowngrade takes a version that is older than the running one.
	AllowDowngrade bool `json:"allowDowngrade,omitempty"`
	// DryRun answers what would be done and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// UpgradeSelfResult answers it: the version is here, and the daemon is about to
// become it.
type UpgradeSelfResult struct {
	OK         bool   `json:"ok"`
	Action     string `json:"action"` // "upgrade-self"
	DurationMs int64  `json:"durationMs"`

	// Added.

	// Unchanged says that the daemon is that version already.
	Unchanged bool       `json:"unchanged,omitempty"`
	Operation *Operation `json:"operation,omitempty"` // that goes on; follow it
	// Upgrade answers a dry run: what it would be.
	Upgrade *UpgradeInfo `json:"upgrade,omitempty"`
}

// SelfInstalled is the program that the service manager starts, and why another
// version runs in its place.
type SelfInstalled struct {
	Program string `json:"program"`
	Version string `json:"version"`
	// Pinned is the version that an upgrade confirmed; empty when the installed
	// program runs itself.
	Pinned      string `json:"pinned,omitempty"`
	ConfirmedAt Time   `json:"confirmedAt,omitzero"`
	Previous    string `json:"previous,omitempty"` // that is returned to when the pinned one fails
}

// SelfFailure is a version of the daemon that did not do on this host. It is not
// tried again unless a person says so.
type SelfFailure struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
	At      Time   `json:"at"`
}
