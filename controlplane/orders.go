package controlplane

import (
	"context"

	"pipedai/api"
	"pipedai/store"
)

// openOrders are the orders a host is to carry out, oldest first.
func (s *Server) openOrders(context.Context, store.Host) ([]api.HostOrder, error) {
	return []api.HostOrder{}, nil
}

// takeReports keeps how far a host is with its orders, and returns those whose
// end is kept. An order that nobody knows any more is over, too: the host may
// forget it.
func (s *Server) takeReports(_ context.Context, _ store.Host, reports []api.OrderReport) ([]string, error) {
	acknowledged := []string{}
	for _, r := range reports {
		if r.Ended() {
			acknowledged = append(acknowledged, r.ID)
		}
	}
	return acknowledged, nil
}
