package localapi

import (
	"context"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// Limits of the history that is served. The ring holds fewer than may be asked
// for, which is what older clients ask for.
const (
	defaultConnectivityTail = 500
	maxConnectivityTail     = 2000
)

func (s *Server) connectivity(ctx context.Context, _ httpkit.None) (api.Connectivity, error) {
	n, err := httpkit.Int(httpkit.Request(ctx), "tail", defaultConnectivityTail, 1, maxConnectivityTail)
	if err != nil {
		return api.Connectivity{}, err
	}
	return s.o.Connectivity(n), nil
}
