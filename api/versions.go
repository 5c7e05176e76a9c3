package api

// What a host keeps of versions, and whom it believes about them.

// InstalledVersion is a version of a program that lies on a host.
type InstalledVersion struct {
	Program     string   `json:"program"`
	Version     string   `json:"version"`
	Kind        string   `json:"kind"` // "archive", "npm" or "local"
	Path        string   `json:"path"`
	Reports     string   `json:"reports"` // what the program says it is
	SHA256      string   `json:"sha256"`
	Size        int64    `json:"size"`
	Source      string   `json:"source"`
	Channel     string   `json:"channel,omitempty"`
	Sequence    int64    `json:"sequence,omitempty"`
	InstalledAt Time     `json:"installedAt"`
	UsedAt      Time     `json:"usedAt"`
	UsedBy      []string `json:"usedBy"` // ids of the workers that are to run it
}

// FailedVersion is a version that did not work on a host and is not tried
// again unless somebody says so.
type FailedVersion struct {
	WorkerID string `json:"workerId,omitempty"` // none: the host's own program
	Program  string `json:"program"`
	Version  string `json:"version"`
	Reason   string `json:"reason"`
	FailedAt Time   `json:"failedAt"`
}

// InstalledVersions is what "pipedai-orchestrator versions --json" prints.
type InstalledVersions struct {
	Items  []InstalledVersion `json:"items"`
	Failed []FailedVersion    `json:"failed"`
}

// TrustedKey is a key that a host believes, or believed, about the releases of a
// control plane.
type TrustedKey struct {
	APIURL    string `json:"apiUrl"`
	KeyID     string `json:"keyId"`
	PublicKey string `json:"publicKey"`
	How       string `json:"how"` // "enrolled", "first-use", "rotated" or "person"
	PinnedAt  Time   `json:"pinnedAt"`
	RetiredAt Time   `json:"retiredAt"` // null: it is believed
}

// SeenRelease is the newest release of a program that a host has believed.
type SeenRelease struct {
	APIURL   string `json:"apiUrl"`
	Program  string `json:"program"`
	Channel  string `json:"channel"`
	Sequence int64  `json:"sequence"`
	Version  string `json:"version"`
	SeenAt   Time   `json:"seenAt"`
}

// TrustedKeys is what "pipedai-orchestrator keys --json" prints.
type TrustedKeys struct {
	Items []TrustedKey  `json:"items"`
	Seen  []SeenRelease `json:"seen"`
}
