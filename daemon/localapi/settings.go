package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
)

func (s *Server) worker(ctx context.Context, _ httpkit.None) (api.WorkerDetail, error) {
	id := httpkit.PathValue(ctx, "id")
	if err := hostdir.ValidID(id); err != nil {
		return api.WorkerDetail{}, err
	}
	return s.o.Backend.Worker(ctx, id)
}

// changeWorker reads its body strictly: a limit that was misspelt and silently
// left out is worse than none.
func (s *Server) changeWorker(ctx context.Context, body json.RawMessage) (api.WorkerDetail, error) {
	id := httpkit.PathValue(ctx, "id")
	if err := hostdir.ValidID(id); err != nil {
		return api.WorkerDetail{}, err
	}
	var change api.WorkerSettingsChange
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err := in.Decode(&change); err != nil {
		// It names members and types, never a value.
		return api.WorkerDetail{}, &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalid,
			Message: "the change cannot be read: " + strings.TrimPrefix(err.Error(), "json: "),
		}
	}
	return s.o.Backend.ChangeWorker(ctx, id, change)
}
