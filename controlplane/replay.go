package controlplane

import (
	"context"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// replayPlan answers GET /api/runs/{id}/replay: what the POST would do.
func (s *Server) replayPlan(ctx context.Context, _ none) (api.Replay, error) {
	id := pathID(ctx)
	plan, err := s.st.ReplayPlan(ctx, pipeline.RunID(id))
	if err != nil {
		return api.Replay{}, missing(refusedAs(err, "runId", id), "Run", "runId", id)
	}
	return wireReplay(plan), nil
}

// replay answers POST /api/runs/{id}/replay.
func (s *Server) replay(ctx context.Context, _ none) (api.Replay, error) {
	id := pathID(ctx)
	did, err := s.o.Engine.Replay(ctx, pipeline.RunID(id))
	if err != nil {
		return api.Replay{}, missing(refusedAs(err, "runId", id), "Run", "runId", id)
	}
	recordOf(ctx).detail("%d queued, %d later", len(did.Queued), len(did.Later))
	s.o.Log.InfoContext(ctx, "run replayed", "run", id, "queued", did.Queued, "later", did.Later, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return wireReplay(did), nil
}

func wireReplay(r store.Replayed) api.Replay {
	return api.Replay{
		PipelineRunID: string(r.Run.ID), Status: string(r.Run.Status),
		Queued: texts(r.Queued), Later: texts(r.Later), Kept: r.Kept,
	}
}
