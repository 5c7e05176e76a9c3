package controlplane

import (
	"context"

	"pipedai/api"
	"pipedai/pipeline"
)

// taskHistory answers GET /api/tasks/{id}/history: a bare array, newest first.
func (s *Server) taskHistory(ctx context.Context, _ none) ([]api.CodeVersion, error) {
	id := pipeline.TaskID(pathID(ctx))
	if _, err := s.st.Task(ctx, id); err != nil {
		return nil, missing(err, "Task", "", "")
	}
	versions, err := s.st.TaskHistory(ctx, id)
	if err != nil {
		return nil, err
	}
	out := []api.CodeVersion{}
	for _, v := range versions {
		out = append(out, api.CodeVersion{
			CodeVersion: v.Version, CodeHash: v.Hash, ServiceVersion: v.ServiceVersion, RecordedAt: api.At(v.RecordedAt),
		})
	}
	return out, nil
}
