package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// health answers GET /health: 200 while the database answers, 503 otherwise.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	mode, err := s.st.Mode(ctx)
	if err != nil {
		s.o.Log.WarnContext(ctx, "database does not answer", "error", err)
		w.Header().Set("Retry-After", "5")
		httpkit.Write(w, http.StatusServiceUnavailable, healthFailure{"error", "the database does not answer", api.At(s.o.Now())})
		return
	}
	httpkit.Write(w, http.StatusOK, api.Health{
		Status:          "ok",
		Database:        "connected",
		Maintenance:     maintenance(mode),
		CanAcceptTasks:  mode.Mode == store.ModeRunning,
		MaintenanceMode: string(mode.Mode),
		Timestamp:       api.At(s.o.Now()),
	})
}

func maintenance(m store.ModeStatus) api.Maintenance {
	active := m.Pending + m.Running
	out := api.Maintenance{
		Mode:                string(m.Mode),
		CanEnterMaintenance: active == 0,
		PendingTasks:        m.Pending,
		RunningTasks:        m.Running,
		ModeChangedAt:       api.At(m.ChangedAt),
	}
	switch {
	case m.Mode == store.ModeRunning:
		out.Message = "Orchestrator is running normally"
	case m.Mode == store.ModeMaintenance:
		out.Message = "Maintenance mode active - no new tasks accepted"
	case active == 0:
		out.Message = "Ready to enter maintenance mode"
	default:
		out.Message = fmt.Sprintf("Waiting for %d tasks to complete", active)
	}
	return out
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
		Version: s.o.Version, Build: s.o.Build,
	}, nil
}
