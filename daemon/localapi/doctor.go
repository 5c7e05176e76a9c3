package localapi

import (
	"context"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// Doctor looks now, and thoroughly, at what stands between this host and its
// control planes.
type Doctor interface {
	// Examine changes nothing and ends by itself within half a minute.
	Examine(ctx context.Context) (api.ConnectivityReport, error)
}

func (s *Server) examine(ctx context.Context, _ httpkit.None) (api.ConnectivityReport, error) {
	return s.o.Doctor.Examine(ctx)
}

func (s *Server) config(context.Context, httpkit.None) (api.HostConfig, error) {
	config := s.o.Config
	if config.Items == nil {
		config.Items = []api.HostSetting{}
	}
	return config, nil
}
