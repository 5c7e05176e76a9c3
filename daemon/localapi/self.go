package localapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// SelfUpgrade makes the daemon another version of itself.
type SelfUpgrade interface {
	// UpgradeSelf begins it, or joins the one that is under way for the same
	// version. With wait it returns when the version is here and the daemon is
	// about to become it, or why it is not.
	UpgradeSelf(ctx context.Context, req api.UpgradeSelfRequest, by string, wait bool) (api.UpgradeSelfResult, error)
}

func (s *Server) upgradeSelf(ctx context.Context, req api.UpgradeSelfRequest) (api.UpgradeSelfResult, error) {
	r := httpkit.Request(ctx)
	async, err := flag(ctx, "async", false)
	if err != nil {
		return api.UpgradeSelfResult{}, err
	}
	async = async || slices.ContainsFunc(r.Header.Values("Prefer"), func(p string) bool {
		return strings.Contains(strings.ToLower(p), "respond-async")
	})
	result, err := s.o.SelfUpgrade.UpgradeSelf(ctx, req, askedBy(r), !async)
	if err == nil && async && !req.DryRun {
		httpkit.SetStatus(ctx, http.StatusAccepted)
	}
	return result, err
}
