package controlplane

import (
	"context"
	"fmt"

	"pipedai/api"
	"pipedai/rollout"
	"pipedai/store"
)

// openOrders are the orders a host is to carry out or to let go of, oldest
// first.
func (s *Server) openOrders(ctx context.Context, h store.Host) ([]api.HostOrder, error) {
	open, err := s.st.HostOrders(ctx, h.ID)
	out := []api.HostOrder{}
	for _, o := range open {
		kind := api.OrderUpgradeWorkers
		if o.Program == api.ProgramOrchestrator {
			kind = api.OrderUpgradeSelf
		}
		out = append(out, api.HostOrder{
			ID: string(o.ID), RolloutID: string(o.Rollout), Kind: kind, Program: o.Program, Version: o.Version, Withdrawn: o.Withdrawn,
			Options: api.OrderOptions{
				Channel: o.Channel, DeadlineSec: int64(o.Deadline.Seconds()), ForceAfterSec: int64(o.ForceAfter.Seconds()),
				// Back to where the host was: it checks that by itself.
				AllowDowngrade: o.Kind == store.RolloutRollback, Retry: o.Again,
			},
		})
	}
	return out, err
}

// What a host reports, as the rollout reads it.
var orderWords = map[string]rollout.Word{
	api.OrderAccepted: rollout.SaysRunning, api.OrderRunning: rollout.SaysRunning, api.OrderSucceeded: rollout.SaysSucceeded,
	api.OrderFailed: rollout.SaysFailed, api.OrderRefused: rollout.SaysRefused, api.OrderWithdrawn: rollout.SaysCancelled,
}

// takeReports keeps how far a host is with its orders, and returns those whose
// end is kept. An order that nobody knows any more is over, too: the host may
// forget it.
func (s *Server) takeReports(ctx context.Context, h store.Host, reports []api.OrderReport) ([]string, error) {
	acknowledged := []string{}
	if len(reports) == 0 {
		return acknowledged, nil
	}
	var taken []store.OrderReport
	for _, r := range reports {
		p := store.OrderReport{
			ID: store.OrderID(r.ID), Word: orderWords[r.Status], Step: r.Step, Message: r.Message, Progress: int(r.Progress), Error: r.Error,
		}
		for _, w := range r.Workers {
			p.Workers = append(p.Workers, store.RolloutWorker{Worker: w.WorkerID, From: w.FromVersion, Version: w.Version, Status: w.Status, Error: w.Error})
		}
		taken = append(taken, p)
		if r.Ended() {
			acknowledged = append(acknowledged, r.ID)
		}
	}
	moved, err := s.st.TakeReports(ctx, h.ID, taken)
	if err != nil {
		return nil, fmt.Errorf("take reports: %w", err)
	}
	s.o.Engine.RolloutsMoved(moved...)
	return acknowledged, nil
}
