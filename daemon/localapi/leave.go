package localapi

import (
	"context"

	"pipedai/api"
)

// leave is the handler of restart and detach. The server answers what it has
// begun before it ends, so the caller hears of it.
func (s *Server) leave(comeBack bool) func(context.Context, api.LeaveRequest) (api.Leaving, error) {
	return func(ctx context.Context, req api.LeaveRequest) (api.Leaving, error) {
		return s.o.Backend.Leave(ctx, comeBack, req.Reason)
	}
}
