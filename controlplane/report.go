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
	end := ending(ctx, pathID(ctx), req)
	reporting, cancel := reporting(ctx)
	defer cancel()
	ended, err := s.o.Engine.Report(reporting, end)
	if err != nil && ended.Err == nil {
		ended.Err = err
	}
	return s.reportAnswer(reporting, end, ended)
}

// callbacks answers POST /api/v1/workers/self/callbacks: several reports, each
// of which counts on its own.
func (s *Server) callbacks(ctx context.Context, req api.CallbacksRequest) (api.CallbacksResponse, error) {
	ends := make([]store.EndAttempt, len(req.Callbacks))
	for i, c := range req.Callbacks {
		ends[i] = ending(ctx, c.RunID, c.Callback)
	}
	reporting, cancel := reporting(ctx)
	defer cancel()
	ended, err := s.o.Engine.ReportAll(reporting, ends)
	if err != nil {
		return api.CallbacksResponse{}, err
	}
	out := api.CallbacksResponse{Results: make([]api.CallbackResult, len(ended))}
	for i := range ended {
		result := &out.Results[i]
		result.Status = http.StatusOK
		var refused *api.Error
		result.CallbackResponse, err = s.reportAnswer(reporting, ends[i], ended[i])
		if err != nil && errors.As(s.answer(ctx, "Failed to process callback", err), &refused) {
			result.Status, result.Error, result.Code = refused.Status, refused.Message, refused.Code
		}
	}
	return out, nil
}

// reporting is the context of a report: a worker that hangs up does not take
// it back.
func reporting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// ending is what a worker says about the end of the attempt with a wire run id.
func ending(ctx context.Context, wire string, req api.CallbackRequest) store.EndAttempt {
	end := store.EndAttempt{
		AttemptRef: attempt(ctx, wire, req.Attempt),
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
			Final: req.Retryable != nil && !*req.Retryable,
		}
	}
	return end
}

// reportAnswer is the answer to a report. A report of an attempt that another
// one has followed is a conflict to an enrolled worker, and ignored with 200 to
// others, as the contract has it.
func (s *Server) reportAnswer(ctx context.Context, end store.EndAttempt, ended store.EndedAttempt) (api.CallbackResponse, error) {
	err := ended.Err
	switch {
	case errors.Is(err, store.ErrLeaseLost) && s.followed(ctx, end.AttemptRef):
		return api.CallbackResponse{}, errFollowed
	case errors.Is(err, store.ErrLeaseLost):
		return api.CallbackResponse{Ignored: true}, nil
	case errors.Is(err, store.ErrNotFound):
		return api.CallbackResponse{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Task run not found"}
	case err != nil:
		return api.CallbackResponse{}, err
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

var errFollowed = &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "another attempt has followed this one"}

// followed reports whether a worker speaks of an attempt that is not the last.
// It is asked for reports that came too late only.
func (s *Server) followed(ctx context.Context, ref store.AttemptRef) bool {
	if caller(ctx).kind != kindWorker {
		return false
	}
	run, err := s.st.TaskRun(ctx, ref.ID)
	return err == nil && run.Attempt > ref.Attempt
}
