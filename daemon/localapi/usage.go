package localapi

import (
	"context"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// maxUsageTail is more than a daemon keeps of a worker.
const maxUsageTail = 500

// Usage remembers what workers took.
type Usage interface {
	// Usage returns at most n of the newest samples of each worker.
	Usage(n int) api.UsageHistory
}

func (s *Server) usage(ctx context.Context, _ httpkit.None) (api.UsageHistory, error) {
	n, err := httpkit.Int(httpkit.Request(ctx), "tail", maxUsageTail, 1, maxUsageTail)
	if err != nil {
		return api.UsageHistory{}, err
	}
	return s.o.Usage.Usage(n), nil
}
