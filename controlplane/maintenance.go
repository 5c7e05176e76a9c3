package controlplane

import (
	"context"
	"errors"
	"net/http"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// maintenance answers GET /api/maintenance.
func (s *Server) maintenance(ctx context.Context, _ none) (api.Maintenance, error) {
	m, err := s.o.Engine.Maintenance(ctx)
	return m.Wire(), err
}

// requestMaintenance answers POST /api/maintenance/request.
func (s *Server) requestMaintenance(ctx context.Context, req api.MaintenanceRequest) (api.Maintenance, error) {
	if req.Reason != "" {
		recordOf(ctx).detail("%s", req.Reason)
	}
	return s.moveMode(ctx, "request", func(ctx context.Context) (engine.Maintenance, error) {
		return s.o.Engine.RequestMaintenance(ctx, store.ModeReason{By: caller(ctx).name, Text: req.Reason})
	})
}

// enterMaintenance answers POST /api/maintenance/enter.
func (s *Server) enterMaintenance(ctx context.Context, _ none) (api.Maintenance, error) {
	return s.moveMode(ctx, "enter", s.o.Engine.EnterMaintenance)
}

// exitMaintenance answers POST /api/maintenance/exit.
func (s *Server) exitMaintenance(ctx context.Context, _ none) (api.Maintenance, error) {
	return s.moveMode(ctx, "exit", s.o.Engine.ExitMaintenance)
}

// moveMode takes one step of the maintenance mode and says in the log who
// asked for it.
func (s *Server) moveMode(ctx context.Context, step string, move func(context.Context) (engine.Maintenance, error)) (api.Maintenance, error) {
	m, err := move(ctx)
	if errors.Is(err, engine.ErrNotRequested) {
		return api.Maintenance{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: engine.ErrNotRequested.Error(),
			Extra: map[string]any{"mode": string(m.Mode)},
		}
	}
	if err != nil {
		return api.Maintenance{}, err
	}
	s.o.Log.InfoContext(ctx, "maintenance asked for", "step", step, "mode", m.Mode, "pending", m.Pending, "running", m.Running,
		"by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return m.Wire(), nil
}
