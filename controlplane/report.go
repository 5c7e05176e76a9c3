package controlplane

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// heartbeat answers POST /api/heartbeat and POST /api/progress, which differ
// in name only. A run that is unknown or no longer this attempt's is answered
// with 200 too: the worker learns from the body that it should stop.
func (s *Server) heartbeat(ctx context.Context, req api.HeartbeatRequest) (api.HeartbeatResponse, error) {
	answer, err := s.o.Engine.Heartbeat(ctx, beat(ctx, req))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return api.HeartbeatResponse{}, err
	}
	return api.HeartbeatResponse{Acknowledged: answer.Known, ShouldCancel: answer.Cancel || !answer.Known}, nil
}

func beat(ctx context.Context, req api.HeartbeatRequest) store.Heartbeat {
	return store.Heartbeat{AttemptRef: attempt(ctx, req.RunID, req.Attempt), Progress: req.Progress, Message: req.Message}
}

// attempt reads a wire run id. An explicit attempt number is trusted over the
// one in the id. What an enrolled worker says counts only for the runs it
// claimed itself.
func attempt(ctx context.Context, wire string, explicit int) store.AttemptRef {
	id, n := pipeline.ParseWire(wire)
	if explicit > 0 {
		n = explicit
	}
	ref := store.AttemptRef{ID: id, Attempt: n}
	if from := caller(ctx); from.kind == kindWorker {
		ref.Owner = owner(from.worker)
	}
	return ref
}

// owner is the name under which a worker holds the leases of its claims.
func owner(id store.WorkerID) string { return string(id) }

// callback answers POST /api/callback/{runId}: the end of an attempt. A report
// of an attempt that is over (again, late, superseded) changes nothing and is
// no error.
func (s *Server) callback(ctx context.Context, req api.CallbackRequest) (api.CallbackResponse, error) {
	end := store.EndAttempt{
		AttemptRef: attempt(ctx, pathID(ctx), req.Attempt),
		LogsPath:   req.LogsPath,
	}
	if req.Status == "success" {
		end.OutputPath, end.OutputSHA256 = req.OutputPath, req.OutputSHA256
		if req.OutputSize != nil {
			// A size that no file has is clamped: it is for people to look at.
			end.OutputSize = int64(min(*req.OutputSize, 1<<53))
		}
		for key, asset := range req.Assets {
			if end.Assets == nil {
				end.Assets = map[string]store.Asset{}
			}
			end.Assets[key] = store.Asset(asset)
		}
		end.AllNext = req.SelectedNext == nil
		if req.SelectedNext != nil {
			end.SelectedNext = typed[pipeline.TaskID](*req.SelectedNext)
		}
	} else {
		end.Failure = &store.Failure{
			Error: req.Error, Code: req.ErrorCode, Details: req.Details,
			Final: req.Retryable != nil && !*req.Retryable || req.ErrorCode == api.CodeInvalidNextTasks,
		}
		if end.Failure.Error == "" {
			end.Failure.Error = "Unknown error"
		}
	}

	// A worker that hangs up does not take its report back.
	reporting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	ended, err := s.o.Engine.Report(reporting, end)
	if err == nil {
		err = ended.Err
	}
	switch {
	case errors.Is(err, store.ErrLeaseLost):
		return api.CallbackResponse{Ignored: true}, nil
	case errors.Is(err, store.ErrNotFound):
		return api.CallbackResponse{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Task run not found"}
	case err != nil:
		return api.CallbackResponse{}, err
	}
	if len(ended.Unknown) > 0 {
		s.o.Log.WarnContext(ctx, "selected tasks are no successors and were ignored", "task", ended.Task, "run", ended.Run, "selected", texts(ended.Unknown))
	}
	out := api.CallbackResponse{Acknowledged: true}
	if end.Failure == nil {
		queued := len(ended.Queued)
		out.QueuedDownstream = &queued
	} else {
		retrying := !ended.RetryAt.IsZero()
		out.Retrying = &retrying
	}
	return out, nil
}
