package localapi

import (
	"context"
	"net/http"
	"strings"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
)

// Lifecycle builds workers and keeps the journals of what was done and of what
// happened.
type Lifecycle interface {
	// Build registers a new worker and runs it here. When it is not to wait, the
	// result holds the operation that goes on.
	Build(ctx context.Context, req api.BuildRequest, by string, wait bool) (api.BuildResult, error)
	// Operations lists the newest, newest first.
	Operations(ctx context.Context, limit int) ([]api.Operation, error)
	Operation(ctx context.Context, id string) (api.Operation, error)
	// CancelOperation has a running operation taken back; it does not wait.
	CancelOperation(ctx context.Context, id, by string) (api.Operation, error)
	// HostEvents returns what happened after since, oldest first; with since 0
	// the newest. worker may be empty.
	HostEvents(ctx context.Context, since int64, worker string, limit int) (api.HostEvents, error)
}

// Limits of the lists.
const (
	defaultOperations = 50
	maxOperations     = 200
	defaultEvents     = 200
	maxEvents         = 5000
)

func (s *Server) build(ctx context.Context, req api.BuildRequest) (api.BuildResult, error) {
	r := httpkit.Request(ctx)
	async, err := respondAsync(ctx)
	if err != nil {
		return api.BuildResult{}, err
	}
	result, err := s.o.Lifecycle.Build(ctx, req, askedBy(r), !async)
	if err == nil {
		status := http.StatusCreated
		if result.Operation != nil {
			status = http.StatusAccepted
		}
		httpkit.SetStatus(ctx, status)
	}
	return result, err
}

func (s *Server) operations(ctx context.Context, _ httpkit.None) (api.Operations, error) {
	n, err := httpkit.Int(httpkit.Request(ctx), "limit", defaultOperations, 1, maxOperations)
	if err != nil {
		return api.Operations{}, err
	}
	items, err := s.o.Lifecycle.Operations(ctx, n)
	if items == nil {
		items = []api.Operation{}
	}
	return api.Operations{Items: items}, err
}

func (s *Server) operation(ctx context.Context, _ httpkit.None) (api.Operation, error) {
	return s.o.Lifecycle.Operation(ctx, httpkit.PathValue(ctx, "id"))
}

func (s *Server) cancelOperation(ctx context.Context, _ httpkit.None) (api.Operation, error) {
	return s.o.Lifecycle.CancelOperation(ctx, httpkit.PathValue(ctx, "id"), askedBy(httpkit.Request(ctx)))
}

// hostEvents answers GET /api/events when nobody asks for a WebSocket. Its
// numbers are those of the kept events, not of the frames.
func (s *Server) hostEvents(ctx context.Context, _ httpkit.None) (api.HostEvents, error) {
	r := httpkit.Request(ctx)
	since, err := sinceOf(r)
	if err != nil {
		return api.HostEvents{}, err
	}
	n, err := httpkit.Int(r, "limit", defaultEvents, 1, maxEvents)
	if err != nil {
		return api.HostEvents{}, err
	}
	worker := httpkit.Query(ctx, "worker")
	if worker != "" {
		if err := hostdir.ValidID(worker); err != nil {
			return api.HostEvents{}, err
		}
	}
	return s.o.Lifecycle.HostEvents(ctx, since, worker, n)
}

// flag reads a query parameter that is 1 or 0.
func flag(ctx context.Context, name string, otherwise bool) (bool, error) {
	switch httpkit.Query(ctx, name) {
	case "":
		return otherwise, nil
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, unusable(name + " must be 1 or 0")
}

func unusable(message string) error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: message}
}

// askedBy names the program behind a request, by what it calls itself: good
// enough to tell people's clicks from scripts, and no proof.
func askedBy(r *http.Request) string {
	agent := r.UserAgent()
	switch {
	case strings.HasPrefix(agent, "pipedai-orchestrator/"):
		return "cli"
	case strings.HasPrefix(agent, "Mozilla/"):
		return "dashboard"
	case agent == "":
		return "a program"
	}
	agent = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, agent)
	return agent[:min(60, len(agent))]
}
