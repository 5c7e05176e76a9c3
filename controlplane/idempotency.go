package controlplane

import (
	"context"
	"errors"
	"net/http"

	"pipedai/api"
	"pipedai/store"
)

// checkIdempotency answers POST /api/idempotency/check.
func (s *Server) checkIdempotency(ctx context.Context, req api.IdempotencyCheck) (api.IdempotencyAnswer, error) {
	answer, err := s.o.Engine.CheckIdempotency(ctx, attempt(ctx, req.RunID, req.Attempt), req.Key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return api.IdempotencyAnswer{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Task run not found"}
	case err != nil:
		return api.IdempotencyAnswer{}, err
	}
	out := api.IdempotencyAnswer{Hit: answer.Hit, InProgress: answer.InProgress, Of: string(answer.Of)}
	if !answer.Hit {
		return out, nil
	}
	out.OutputPath, out.OutputSize, out.OutputSHA256 = answer.OutputPath, &answer.OutputSize, answer.SHA256
	out.Assets = make(map[string]api.Asset, len(answer.Assets))
	for key, asset := range answer.Assets {
		out.Assets[key] = api.Asset(asset)
	}
	if answer.SelectedNext != nil {
		next := make([]string, len(answer.SelectedNext))
		for i, task := range answer.SelectedNext {
			next[i] = string(task)
		}
		out.SelectedNext = &next
	}
	return out, nil
}
