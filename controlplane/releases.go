package controlplane

import (
	"context"

	"pipedai/api"
)

// releases answers GET /api/v1/releases/latest. The programs are released
// together, so the newest a server can vouch for is its own version.
func (s *Server) releases(context.Context, none) (api.Releases, error) {
	own := api.Release{Latest: s.o.Version, Source: "control-plane"}
	if own.Latest == "" {
		own.Latest = "unknown"
	}
	return api.Releases{Worker: own, Orchestrator: own}, nil
}
