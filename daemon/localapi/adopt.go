package localapi

import (
	"context"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// Adoption takes stand-alone workers in.
type Adoption interface {
	// Adoptable lists what is in the host's folder; it changes nothing.
	Adoptable(ctx context.Context) (api.AdoptResult, error)
	// Adopt takes workers in. Operation is set in its answer when it goes on.
	Adopt(ctx context.Context, req api.AdoptRequest, by string) (api.AdoptResult, error)
	// UndoAdopt gives an adopted worker back. Operation is set as with Adopt.
	UndoAdopt(ctx context.Context, workerID, by string) (api.AdoptResult, error)
}

func (s *Server) adoptable(ctx context.Context, _ httpkit.None) (api.AdoptResult, error) {
	return s.o.Adoption.Adoptable(ctx)
}

func (s *Server) adopt(ctx context.Context, req api.AdoptRequest) (api.AdoptResult, error) {
	return accepted(ctx)(s.o.Adoption.Adopt(ctx, req, askedBy(httpkit.Request(ctx))))
}

func (s *Server) undoAdopt(ctx context.Context, req api.UndoAdoptRequest) (api.AdoptResult, error) {
	return accepted(ctx)(s.o.Adoption.UndoAdopt(ctx, req.WorkerID, askedBy(httpkit.Request(ctx))))
}

// accepted makes an answer of something that goes on 202.
func accepted(ctx context.Context) func(api.AdoptResult, error) (api.AdoptResult, error) {
	return func(result api.AdoptResult, err error) (api.AdoptResult, error) {
		if err == nil && result.Operation != nil {
			httpkit.SetStatus(ctx, http.StatusAccepted)
		}
		return result, err
	}
}
