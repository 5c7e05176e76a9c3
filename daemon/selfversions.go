package daemon

import (
	"context"
	"strings"

	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/upgrade"
)

// newOwnVersions brings versions of this program here.
func (h *host) newOwnVersions() selfVersions {
	if h.o.ownVersions != nil {
		return h.o.ownVersions
	}
	return upgrade.New(upgrade.Options{
		Dir: h.o.Dir.Versions(), Records: h.manifest, Dial: h.ownReleases, Log: h.o.Log,
	})
}

// ownReleases is where a control plane's releases of this program come from. It
// is asked with any of the credentials that this host has for it.
func (h *host) ownReleases(apiURL string) (upgrade.Source, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	var token secret.Text
	for _, e := range entries {
		if strings.TrimRight(e.APIURL, "/") != apiURL {
			continue
		}
		// Without one it is asked as a stranger, and says what is missing.
		if token, err = h.credential(e.APIURL, e.WorkspaceID); err == nil && !token.Empty() {
			break
		}
	}
	return upgrade.NewSource(apiURL, token, program+"/"+buildinfo.Version()), nil
}
