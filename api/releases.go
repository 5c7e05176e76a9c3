package api

// A release is one version of one program, published on one channel. What it
// says of itself is signed on the operator's machine, so that a host need not
// trust whoever serves it.

// ProgramControlPlane is the server's own program, as releases name it. Those that
// hosts are brought to a version of stand in rollouts.go.
const ProgramControlPlane = "pipeweave"

// Envelope carries a signed payload in the manner of DSSE
// (https://github.com/secure-systems-lab/dsse): each signature is over the type
// and the payload together.
type Envelope struct {
	PayloadType string      `json:"payloadType" validate:"required,max=128"`
	Payload     []byte      `json:"payload" validate:"required,max=262144"` // base64 on the wire
	Signatures  []Signature `json:"signatures" validate:"required,min=1,max=8,dive"`
}

// Signature is one of an envelope.
type Signature struct {
	KeyID string `json:"keyid" validate:"required,max=64"`
	Sig   []byte `json:"sig" validate:"required,max=256"` // Ed25519, base64 on the wire
}

// The types of payload that are signed.
const (
	PayloadRelease     = "application/vnd.pipedai.release+json"
	PayloadKeyRotation = "application/vnd.pipedai.release-key-rotation+json"
)

// ReleaseManifest is the payload of a release's envelope.
type ReleaseManifest struct {
	Program   string     `json:"program"` // "pipedai-worker", ...
	Version   string     `json:"version"`
	Channel   string     `json:"channel"`  // "stable", ...
	Sequence  int64      `json:"sequence"` // grows with every release of the program on the channel
	CreatedAt Time       `json:"createdAt"`
	ExpiresAt Time       `json:"expiresAt"` // from then on nobody installs it any more
	Notes     string     `json:"notes,omitempty"`
	Artifacts []Artifact `json:"artifacts"`
}

// Artifact is the file of a release for one operating system and processor,
// as Go names them.
type Artifact struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Name   string `json:"name"` // of the file; no folders
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	Format string `json:"format"` // "tar.gz", "zip" or "binary"
}

// KeyRotation is the payload that puts a new release key in the place of
// another; both sign it.
type KeyRotation struct {
	From      string `json:"from"` // public key in text form
	To        string `json:"to"`
	CreatedAt Time   `json:"createdAt"`
}

// ReleaseKeys is the history of an installation's release key: the first one,
// and each rotation since, oldest first. Whoever knows any of the keys can walk
// to the one that signs today.
type ReleaseKeys struct {
	First     string     `json:"first,omitempty"` // empty: releases are not set up
	Rotations []Envelope `json:"rotations"`
}
