package controlplane

import (
	"context"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// health answers GET /health: 200 while the database answers, 503 otherwise.
// Looking also brings the stored counts up to date.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	m, err := s.o.Engine.Maintenance(ctx)
	if err != nil {
		s.o.Log.WarnContext(ctx, "database does not answer", "error", err)
		w.Header().Set("Retry-After", "5")
		httpkit.Write(w, http.StatusServiceUnavailable, healthFailure{"error", "the database does not answer", api.At(s.o.Now())})
		return
	}
	httpkit.Write(w, http.StatusOK, api.Health{
		Status:          "ok",
		Database:        "connected",
		Maintenance:     m.Wire(),
		CanAcceptTasks:  m.Mode == store.ModeRunning,
		MaintenanceMode: string(m.Mode),
		Timestamp:       api.At(s.o.Now()),
	})
}

// info answers GET /api/info.
func (s *Server) info(context.Context, none) (api.Info, error) {
	ids := []string{}
	for _, backend := range s.o.Backends {
		ids = append(ids, backend.ID)
	}
	now := s.o.Now()
	return api.Info{
		Version:               s.o.Version,
		Mode:                  s.o.Mode,
		MaxConcurrency:        s.o.MaxConcurrency,
		PollIntervalMs:        s.o.PollInterval.Milliseconds(),
		StorageBackends:       ids,
		DefaultStorageBackend: s.o.DefaultBackend,
		Database:              s.st.Info().Name,
		Uptime:                now.Sub(s.started).Seconds(),
		Timestamp:             api.At(now),
	}, nil
}

// hostHealth answers GET /api/v1/health: reachable.
func (s *Server) hostHealth(context.Context, none) (map[string]string, error) {
	return map[string]string{"status": "ok"}, nil
}

// session answers GET /api/v1/session: who the token says the caller is.
func (s *Server) session(ctx context.Context, _ none) (api.Session, error) {
	id := caller(ctx)
	return api.Session{
		Name: id.name, Kind: id.kind, Role: id.role, Workspace: string(id.workspace),
		Address: addressOf(httpkit.Request(ctx)), Version: s.o.Version, Build: s.o.Build,
	}, nil
}
