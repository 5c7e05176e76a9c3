package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The refusals of AddRelease. Each is an ErrConflict.
var (
	// ErrSequence says that the program has a release of that or a higher
	// sequence on the channel.
	ErrSequence = fmt.Errorf("%w: the sequence does not grow", ErrConflict)
	// ErrOtherBytes says that the version is published with other bytes.
	ErrOtherBytes = fmt.Errorf("%w: the version has other bytes", ErrConflict)
	// ErrYanked says that the version was yanked.
	ErrYanked = fmt.Errorf("%w: the version is yanked", ErrConflict)
	// ErrOldKey says that another key signs releases now.
	ErrOldKey = fmt.Errorf("%w: another key signs releases", ErrConflict)
)

// ErrKeyKnown says that a key is, or was, the one that signs releases.
var ErrKeyKnown = errors.New("the key is in the history already")

// Releases keeps what operators published for hosts. What is signed is checked
// before it gets here; the store sees to what several publishers could do to
// each other.
type Releases interface {
	// ReleaseKeys is the history of the key that signs releases, oldest first.
	ReleaseKeys(ctx context.Context) ([]ReleaseKey, error)
	// AddReleaseKey makes a key the one that signs, in the place of the one with
	// that id (empty: there is none): ErrConflict when it is not the current one,
	// ErrKeyKnown when the new one was in use before.
	AddReleaseKey(ctx context.Context, after string, k ReleaseKey) error
	// ForgetReleaseKeys ends the history whose last key has that id, and returns
	// how many releases that leaves without a key: they are nobody's to install,
	// until they are published again. ErrConflict when the current key is another
	// one.
	ForgetReleaseKeys(ctx context.Context, current string) (int, error)

	// AddRelease stores a signed release; what is known already (same Digest) is
	// returned as it is. Bytes that another release of the program brought to
	// storage count for its artifacts; with all there it is published, and
	// otherwise StoreArtifact publishes it. It takes the place of releases of the
	// same version and channel: of unpublished ones at once, of published ones
	// when it is published. ErrSequence, ErrOtherBytes, ErrYanked, ErrOldKey.
	AddRelease(ctx context.Context, r Release) (Release, error)
	// StoreArtifact notes where the bytes of an artifact are and publishes the
	// releases of the program that have all of theirs now; it returns those.
	StoreArtifact(ctx context.Context, a StoredArtifact) ([]Release, error)
	// YankRelease takes a version from one channel, or from all of them, for
	// good. A second time changes nothing. It returns what is yanked of it, and
	// ErrNotFound when there is no such version.
	YankRelease(ctx context.Context, y YankRelease) ([]Release, error)
	// Releases lists by program, then channel, then sequence, the highest first;
	// unpublished, yanked and expired ones included.
	Releases(ctx context.Context, f ReleaseFilter) ([]Release, error)
}

// ReleaseKey is one key of the history.
type ReleaseKey struct {
	ID        string
	Public    string // text form
	Statement []byte // envelope of the rotation, JSON; nil for the first key
	AddedAt   time.Time
	AddedBy   string
}

// Release is a signed release.
type Release struct {
	ID                        string
	Program, Version, Channel string
	Sequence                  int64
	KeyID                     string
	Digest                    string    // SHA-256 of what was signed, hex
	Envelope                  []byte    // JSON
	CreatedAt, ExpiresAt      time.Time // as signed
	AddedAt                   time.Time
	AddedBy                   string
	PublishedAt               time.Time // zero: bytes are missing
	YankedAt                  time.Time // zero: it is good
	YankedBy, YankReason      string
	Artifacts                 []ReleaseArtifact // by name
}

// ReleaseArtifact is one file of a release.
type ReleaseArtifact struct {
	Name, OS, Arch, Format, SHA256 string
	Size                           int64
	Backend, Path                  string // of its bytes; empty: not in storage
}

// StoredArtifact says where the bytes of an artifact are.
type StoredArtifact struct {
	Program, SHA256 string
	Size            int64
	Backend, Path   string
}

// YankRelease names what to take back.
type YankRelease struct {
	Program, Version string
	Channel          string // empty: all of them
	Reason, By       string
}

// ReleaseFilter selects releases; empty fields select all.
type ReleaseFilter struct{ Program, Version, Channel string }
