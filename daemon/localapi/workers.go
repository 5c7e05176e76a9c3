package localapi

import (
	"context"
	"os"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
)

func (s *Server) healthz(context.Context, httpkit.None) (api.LocalHealth, error) {
	health := api.LocalHealth{Status: "starting", PID: os.Getpid()}
	if s.o.Backend.Ready() {
		health.Status, health.Ready = "ok", true
	}
	return health, nil
}

func (s *Server) self(ctx context.Context, _ httpkit.None) (api.SelfStatus, error) {
	return s.o.Backend.Self(ctx)
}

func (s *Server) reload(ctx context.Context, req api.ReloadRequest) (api.Reloaded, error) {
	for _, id := range req.Restart {
		if err := hostdir.ValidID(id); err != nil {
			return api.Reloaded{}, err
		}
	}
	return s.o.Backend.Reload(ctx, req)
}

func (s *Server) workers(ctx context.Context, _ httpkit.None) (api.FusedWorkers, error) {
	items, err := s.o.Backend.Workers(ctx)
	if items == nil {
		items = []api.FusedWorker{}
	}
	return api.FusedWorkers{Items: items}, err
}

// act is the handler of every verb. The body is ignored, as it always was.
func (s *Server) act(verb Action) func(context.Context, httpkit.None) (api.ActionResult, error) {
	return func(ctx context.Context, _ httpkit.None) (api.ActionResult, error) {
		id := httpkit.PathValue(ctx, "id")
		if err := hostdir.ValidID(id); err != nil {
			return api.ActionResult{}, err
		}
		req := ActRequest{Verb: verb, By: askedBy(httpkit.Request(ctx))}
		var err error
		if req.Drain, err = flag(ctx, "drain", verb == ActionDelete); err != nil {
			return api.ActionResult{}, err
		}
		if req.Now, err = flag(ctx, "now", false); err != nil {
			return api.ActionResult{}, err
		}
		switch {
		case verb == ActionDelete:
			req.Now = req.Now || !req.Drain // to drain is what it does by default
			req.Drain = !req.Now
		case verb != ActionDisable && httpkit.Query(ctx, "drain") != "",
			verb != ActionStop && verb != ActionRestart && httpkit.Query(ctx, "now") != "":
			return api.ActionResult{}, unusable("drain goes with disable and delete, now with stop, restart and delete")
		}
		return s.o.Backend.Act(ctx, id, req)
	}
}

// knownWorker returns the id in the path, if a managed worker has it.
func (s *Server) knownWorker(ctx context.Context) (string, error) {
	return s.known(ctx, httpkit.PathValue(ctx, "id"))
}

// known returns the id, if a managed worker has it.
func (s *Server) known(ctx context.Context, id string) (string, error) {
	if err := hostdir.ValidID(id); err != nil {
		return "", err
	}
	known, err := s.o.Backend.Known(ctx, id)
	if err == nil && !known {
		err = ErrUnknownWorker
	}
	return id, err
}
