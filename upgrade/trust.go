package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
)

// KeyRecords is the part of Records that trust needs.
type KeyRecords interface {
	PinnedKey(ctx context.Context, apiURL string) (manifest.ReleaseKey, error)
	PinKeys(ctx context.Context, apiURL, former string, keys ...manifest.ReleaseKey) error
}

// Follow makes the key that signs today the one that is believed for a control
// plane, and returns it. With none pinned yet the first key of the history is
// pinned, for the reason first, and every rotation from there on is checked as
// on any later day. With one pinned only a line of rotations that begins at it
// counts; anything else is refused and changes nothing.
//
// The change is nil when the key was believed already.
func Follow(ctx context.Context, records KeyRecords, apiURL string, history api.ReleaseKeys, first manifest.PinReason, now time.Time) (release.Key, *TrustChange, error) {
	for try := 1; ; try++ {
		key, change, err := follow(ctx, records, apiURL, history, first, now)
		// Another process pinned at this moment: what it pinned is what counts.
		if errors.Is(err, manifest.ErrPinned) && try < 3 {
			continue
		}
		return key, change, err
	}
}

func follow(ctx context.Context, records KeyRecords, apiURL string, history api.ReleaseKeys, first manifest.PinReason, now time.Time) (release.Key, *TrustChange, error) {
	pinned, err := records.PinnedKey(ctx, apiURL)
	if errors.Is(err, manifest.ErrNotFound) {
		return pinFirst(ctx, records, apiURL, history, first, now)
	}
	if err != nil {
		return release.Key{}, nil, err
	}
	believed, err := release.ParseKey(pinned.PublicKey)
	if err != nil {
		return release.Key{}, nil, fmt.Errorf("the pinned release key of %s: %w", apiURL, err)
	}
	if history.First == "" {
		return release.Key{}, nil, noReleases(apiURL)
	}
	current, err := release.Current(history, believed)
	if err != nil {
		return release.Key{}, nil, foreignKey(apiURL, pinned, err)
	}
	if current.Equal(believed) {
		return believed, nil, nil
	}
	err = records.PinKeys(ctx, apiURL, pinned.KeyID, manifest.ReleaseKey{KeyID: current.ID(), PublicKey: current.String(), How: manifest.PinnedByRotation, PinnedAt: now})
	if err != nil {
		return release.Key{}, nil, err
	}
	return current, &TrustChange{APIURL: apiURL, How: manifest.PinnedByRotation, KeyID: current.ID(), From: pinned.KeyID}, nil
}

func pinFirst(ctx context.Context, records KeyRecords, apiURL string, history api.ReleaseKeys, first manifest.PinReason, now time.Time) (release.Key, *TrustChange, error) {
	chain, err := release.Chain(history)
	if err != nil {
		return release.Key{}, nil, refused(api.CodeUntrusted, fmt.Sprintf("the release keys of %s do not fit together: %v", apiURL, err), "ask whoever runs the control plane")
	}
	if len(chain) == 0 {
		return release.Key{}, nil, noReleases(apiURL)
	}
	keys := make([]manifest.ReleaseKey, len(chain))
	for i, k := range chain {
		keys[i] = manifest.ReleaseKey{KeyID: k.ID(), PublicKey: k.String(), How: manifest.PinnedByRotation, PinnedAt: now}
	}
	keys[0].How = first
	if err := records.PinKeys(ctx, apiURL, "", keys...); err != nil {
		return release.Key{}, nil, err
	}
	current := chain[len(chain)-1]
	return current, &TrustChange{APIURL: apiURL, How: first, KeyID: current.ID()}, nil
}

// noReleases is the answer when a control plane signs nothing.
func noReleases(apiURL string) error {
	return &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: fmt.Sprintf("%s publishes no signed releases", apiURL),
		Fix: "its operator sets them up with: pipeweave releases keygen"}
}

// foreignKey is the answer when releases are signed by a key that the pinned
// one never gave way to.
func foreignKey(apiURL string, pinned manifest.ReleaseKey, err error) error {
	return refused(api.CodeUntrusted,
		fmt.Sprintf("%s signs its releases with a key that the key %s, which this host trusts since %s, did not hand over to: %v",
			apiURL, pinned.KeyID, pinned.PinnedAt.Format(time.DateOnly), err),
		fmt.Sprintf("nothing was installed. Ask its operator for the new key in another way than through this server, then: pipedai-orchestrator keys trust %s <key>", apiURL))
}

// trusted is the key that releases of a control plane must be signed by now.
func (u *Upgrader) trusted(ctx context.Context, src Source, apiURL string) (release.Key, error) {
	history, err := src.ReleaseKeys(ctx)
	if isNotFound(err) {
		return release.Key{}, noReleases(apiURL)
	}
	if err != nil {
		return release.Key{}, fmt.Errorf("ask for the release keys: %w", err)
	}
	return u.follow(ctx, apiURL, history)
}

// Learn takes note of the history of a control plane's release key, wherever it
// came from: it pins the first key that this host ever sees, or follows the one
// that is pinned. An error says that the history does not lead on from it.
func (u *Upgrader) Learn(ctx context.Context, apiURL string, history api.ReleaseKeys) error {
	_, err := u.follow(ctx, apiURL, history)
	return err
}

func (u *Upgrader) follow(ctx context.Context, apiURL string, history api.ReleaseKeys) (release.Key, error) {
	key, change, err := Follow(ctx, u.o.Records, apiURL, history, manifest.PinnedAtFirstUse, u.o.now())
	if change != nil {
		u.o.Log.Info("the release key of a control plane is believed from now on", "url", apiURL, "key", change.KeyID, "how", change.How, "before", change.From)
		u.o.OnTrust(*change)
	}
	return key, err
}

func isNotFound(err error) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}
