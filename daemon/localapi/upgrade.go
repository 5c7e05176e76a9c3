package localapi

import (
	"context"
	"net/http"
	"strings"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
)

// Upgrades puts workers on other versions of their program.
type Upgrades interface {
	// Upgrade upgrades one worker. While it goes on after the answer, which it
	// does at once when it is not to wait, the result holds the operation.
	Upgrade(ctx context.Context, id string, req api.UpgradeRequest, by string, wait bool) (api.UpgradeResult, error)
	// UpgradeAll upgrades one worker after the other and stops at the first that
	// fails.
	UpgradeAll(ctx context.Context, req api.UpgradeAllRequest, by string, wait bool) (api.UpgradeResult, error)
}

func (s *Server) upgrade(ctx context.Context, req api.UpgradeRequest) (api.UpgradeResult, error) {
	id := httpkit.PathValue(ctx, "id")
	if err := hostdir.ValidID(id); err != nil {
		return api.UpgradeResult{}, err
	}
	return waiting(ctx, func(wait bool) (api.UpgradeResult, error) {
		return s.o.Upgrades.Upgrade(ctx, id, req, askedBy(httpkit.Request(ctx)), wait)
	})
}

func (s *Server) upgradeAll(ctx context.Context, req api.UpgradeAllRequest) (api.UpgradeResult, error) {
	for _, id := range req.Workers {
		if err := hostdir.ValidID(id); err != nil {
			return api.UpgradeResult{}, err
		}
	}
	return waiting(ctx, func(wait bool) (api.UpgradeResult, error) {
		return s.o.Upgrades.UpgradeAll(ctx, req, askedBy(httpkit.Request(ctx)), wait)
	})
}

// waiting answers 202 for what goes on.
func waiting(ctx context.Context, do func(wait bool) (api.UpgradeResult, error)) (api.UpgradeResult, error) {
	async, err := respondAsync(ctx)
	if err != nil {
		return api.UpgradeResult{}, err
	}
	result, err := do(!async)
	if err == nil && result.Operation != nil {
		httpkit.SetStatus(ctx, http.StatusAccepted)
	}
	return result, err
}

// respondAsync reports whether the caller does not want to wait.
func respondAsync(ctx context.Context) (bool, error) {
	async, err := flag(ctx, "async", false)
	for _, prefer := range httpkit.Request(ctx).Header.Values("Prefer") {
		async = async || strings.Contains(strings.ToLower(prefer), "respond-async")
	}
	return async, err
}
