package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
)

// signer signs releases for one control plane.
type signer struct {
	d     *deps
	c     *client.Client
	key   release.PrivateKey
	keys  []release.Key // the history, the current one last
	pause time.Duration // between tries
}

// newSigner checks that the key is the one that signs.
func newSigner(ctx context.Context, d *deps, c *client.Client, key release.PrivateKey) (*signer, error) {
	history, err := c.ReleaseKeys(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := release.Chain(history)
	if err != nil {
		return nil, fmt.Errorf("the server's history of the release key does not hold: %w", err)
	}
	if err := currentKeyIs(keys, key.Public()); err != nil {
		return nil, err
	}
	return &signer{d: d, c: c, key: key, keys: keys, pause: time.Second}, nil
}

// say prints a result, unless the output is JSON.
func (s *signer) say(asJSON bool, format string, args ...any) error {
	if asJSON {
		return nil
	}
	return s.d.printf(format, args...)
}

// find looks for the release that m would be, signed by the same key and still
// good, and tells the next free sequence of the channel.
func (s *signer) find(ctx context.Context, m api.ReleaseManifest) (found api.PublishedRelease, ok bool, next int64, err error) {
	all, err := s.c.PublishedReleases(ctx, m.Program, m.Channel)
	if err != nil {
		return found, false, 0, err
	}
	next = 1
	for _, p := range all.Items {
		next = max(next, p.Sequence+1)
		good := p.State == api.ReleasePending && p.ExpiresAt.After(s.d.now()) || p.State == api.ReleasePublished
		if !ok && p.Version == m.Version && good && p.KeyID == s.key.Public().ID() && sameArtifacts(p.Artifacts, m.Artifacts) {
			found, ok = p, true
		}
	}
	return found, ok, next, nil
}

// sameArtifacts reports whether both lists hold the same, in whatever order.
func sameArtifacts(have []api.PublishedArtifact, want []api.Artifact) bool {
	if len(have) != len(want) {
		return false
	}
	for _, a := range have {
		if !slices.Contains(want, a.Artifact) {
			return false
		}
	}
	return true
}

// put finds the release, or signs it and hands it in. Somebody may take the
// sequence meanwhile; then it is signed with the next one.
func (s *signer) put(ctx context.Context, m api.ReleaseManifest, e expiry) (made api.PublishedRelease, signed bool, err error) {
	for try := 1; ; try++ {
		found, ok, next, err := s.find(ctx, m)
		if err != nil || ok {
			return found, false, err
		}
		made, err := s.sign(ctx, m, next, e)
		var refused *api.Error
		if errors.As(err, &refused) && refused.Code == api.CodeReleaseSequence && try < 5 {
			continue
		}
		return made, err == nil, conflicting(err, "pipeweave releases show "+m.Program+" "+m.Version)
	}
}

// sign signs a release and hands it in.
func (s *signer) sign(ctx context.Context, m api.ReleaseManifest, sequence int64, e expiry) (api.PublishedRelease, error) {
	m.Sequence, m.CreatedAt, m.ExpiresAt = sequence, api.At(s.d.now()), api.At(s.d.now().Add(e.after))
	envelope, err := release.Sign(m, s.key)
	if err != nil {
		return api.PublishedRelease{}, cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	return s.c.PublishRelease(ctx, m.Program, m.Version, envelope)
}
