package api

// What a control plane says about the releases it was given. Everything here
// but the envelopes is the server's own word.

// The codes of refusals about releases; those that hosts share are in error.go.
const (
	CodeReleaseInvalid   = "release_invalid"   // signed, but it breaks the rules
	CodeReleaseSequence  = "release_sequence"  // the sequence does not grow
	CodeReleaseDiffers   = "release_differs"   // the version is published with other bytes
	CodeNoReleaseKey     = "no_release_key"    // the installation has none yet
	CodeReleaseKey       = "release_key"       // another key is the current one
	CodeArtifactMismatch = "artifact_mismatch" // what was sent is not what was signed
)

// DefaultChannel is the channel of releases that is meant when none is named.
const DefaultChannel = "stable"

// LatestVersion stands for the newest version in addresses.
const LatestVersion = "latest"

// The states of a release, as its server sees it.
const (
	ReleasePending   = "pending"   // bytes are missing; hosts do not see it
	ReleasePublished = "published" // hosts may install it
	ReleaseExpired   = "expired"   // no longer: sign it again
	ReleaseOldKey    = "old-key"   // signed by a key that was replaced: sign it again
	ReleaseYanked    = "yanked"    // taken back
)

// PublishedRelease is a release as its server keeps it.
type PublishedRelease struct {
	Program     string              `json:"program"`
	Version     string              `json:"version"`
	Channel     string              `json:"channel"`
	Sequence    int64               `json:"sequence"`
	State       string              `json:"state"`
	KeyID       string              `json:"keyId"`
	Notes       string              `json:"notes,omitempty"`
	CreatedAt   Time                `json:"createdAt"`
	ExpiresAt   Time                `json:"expiresAt"`
	PublishedAt Time                `json:"publishedAt"` // when its last byte was there; null: not yet
	PublishedBy string              `json:"publishedBy,omitempty"`
	YankedAt    Time                `json:"yankedAt"`
	YankedBy    string              `json:"yankedBy,omitempty"`
	YankReason  string              `json:"yankReason,omitempty"`
	Artifacts   []PublishedArtifact `json:"artifacts"`
	Envelope    *Envelope           `json:"envelope,omitempty"` // what is signed; not in lists
}

// PublishedArtifact is a file of a release and whether its server has it.
type PublishedArtifact struct {
	Artifact
	Stored bool `json:"stored"`
}

// PublishedReleases answers GET /api/v1/releases.
type PublishedReleases struct {
	Items []PublishedRelease `json:"items"`
}

// StoredArtifact answers the upload of an artifact.
type StoredArtifact struct {
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Published bool   `json:"published"` // it was the last one: hosts see the release now
}

// YankRequest takes a version back: POST .../yank.
type YankRequest struct {
	Reason  string `json:"reason" validate:"required,max=500"`
	Channel string `json:"channel,omitempty" validate:"max=32"` // empty: every channel
}

// SetReleaseKeyRequest is one of two: the first key of an installation, or a
// rotation that the current key signed.
type SetReleaseKeyRequest struct {
	First    string    `json:"first,omitempty" validate:"max=64"`
	Rotation *Envelope `json:"rotation,omitempty"`
}
