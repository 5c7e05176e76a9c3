package controlplane

import (
	"context"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// The pool is workers that belong to no workspace. Admins of the default
// workspace keep it; a host has no power over a worker of it but the worker's
// own token.

// poolWorkers answers GET /api/v1/pool-workers: what tells the state of each.
func (s *Server) poolWorkers(ctx context.Context, _ none) (api.PoolWorkers, error) {
	full, err := s.poolRows(ctx)
	if err != nil {
		return api.PoolWorkers{}, err
	}
	out := api.PoolWorkers{Items: make([]api.RemoteWorker, 0, len(full))}
	for _, w := range full {
		out.Items = append(out.Items, api.RemoteWorker{
			ID: w.ID, Status: w.Status, DerivedStatus: w.DerivedStatus, CurrentRunID: w.CurrentRunID, Version: w.Version,
			LastSeenAt: w.LastSeenAt, Disabled: w.Disabled,
		})
	}
	return out, nil
}

// adminPoolWorkers answers GET /api/v1/admin/pool-workers.
func (s *Server) adminPoolWorkers(ctx context.Context, _ none) (api.PoolWorkers, error) {
	if err := ofDefault(ctx); err != nil {
		return api.PoolWorkers{}, err
	}
	rows, err := s.poolRows(ctx)
	return api.PoolWorkers{Items: orEmpty(rows)}, err
}

func (s *Server) poolRows(ctx context.Context) ([]api.RemoteWorker, error) {
	all, err := s.st.Workers(ctx, store.PoolWorkspace)
	if err != nil {
		return nil, err
	}
	return s.wireWorkers(ctx, all...)
}

// disablePoolWorker answers POST /api/v1/admin/pool-workers/{id}/disable.
func (s *Server) disablePoolWorker(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	return s.switchPoolWorker(ctx, req, true, s.adminPoolWorker)
}

// enablePoolWorker answers POST /api/v1/admin/pool-workers/{id}/enable.
func (s *Server) enablePoolWorker(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	return s.switchPoolWorker(ctx, req, false, s.adminPoolWorker)
}

// selfDisable answers POST /api/v1/pool-workers/{id}/self-disable.
func (s *Server) selfDisable(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	return s.switchPoolWorker(ctx, req, true, s.selfPoolWorker)
}

// selfEnable answers POST /api/v1/pool-workers/{id}/self-enable.
func (s *Server) selfEnable(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	return s.switchPoolWorker(ctx, req, false, s.selfPoolWorker)
}

func (s *Server) switchPoolWorker(ctx context.Context, req api.SwitchRequest, disabled bool, find func(context.Context) (store.Worker, error)) (api.RemoteWorker, error) {
	worker, err := find(ctx)
	if err != nil {
		return api.RemoteWorker{}, err
	}
	p := store.SwitchWorker{By: req.By}
	if disabled {
		if until := req.Until.Time; !until.IsZero() && !until.After(s.o.Now()) {
			return api.RemoteWorker{}, httpkit.Invalid("Must be in the future", "until")
		}
		p = store.SwitchWorker{Disabled: true, By: req.By, Note: req.Note, Until: req.Until.Time}
	}
	return s.switchFound(ctx, worker, p)
}

// deletePoolWorker answers DELETE /api/v1/admin/pool-workers/{id}.
func (s *Server) deletePoolWorker(ctx context.Context, _ none) (none, error) {
	worker, err := s.adminPoolWorker(ctx)
	if err != nil {
		return none{}, err
	}
	return none{}, s.deleteFound(ctx, worker)
}

// adminPoolWorker is the pool worker that the path names, for an admin.
func (s *Server) adminPoolWorker(ctx context.Context) (store.Worker, error) {
	recordOf(ctx).in(store.PoolWorkspace)
	if !managesAll(caller(ctx)) {
		return store.Worker{}, errForbidden
	}
	worker, err := s.st.Worker(ctx, store.WorkerID(pathID(ctx)))
	if err == nil && worker.Workspace != store.PoolWorkspace {
		err = store.ErrNotFound
	}
	return worker, missing(err, "Worker", "workerId", pathID(ctx))
}

// selfPoolWorker is the pool worker that the path names, for itself alone.
func (s *Server) selfPoolWorker(ctx context.Context) (store.Worker, error) {
	id := caller(ctx)
	if pathID(ctx) != string(id.worker) || id.workspace != store.PoolWorkspace {
		return store.Worker{}, errForbidden
	}
	worker, err := s.st.Worker(ctx, id.worker)
	return worker, gone(err)
}
