package controlplane

import (
	"context"
	"encoding/json"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// queueTask answers POST /api/queue/task: one task run outside any pipeline.
func (s *Server) queueTask(ctx context.Context, raw json.RawMessage) (api.QueuedTask, error) {
	var req api.QueueTaskRequest
	err := httpkit.Bind(raw, &req)
	if err == nil {
		err = checkControls(req.Priority, req.Metadata)
	}
	if err != nil {
		return api.QueuedTask{}, s.maintenanceFirst(ctx, err)
	}
	queued, err := s.o.Engine.Enqueue(ctx, []engine.Enqueue{{
		Task:           pipeline.TaskID(req.TaskID),
		Input:          object(req.Input),
		Priority:       wholeNumber(req.Priority),
		Metadata:       req.Metadata,
		IdempotencyKey: req.IdempotencyKey,
		ScheduledFor:   instant(req.ScheduledFor),
	}})
	if err != nil {
		return api.QueuedTask{}, missing(err, "Task", "taskId", req.TaskID)
	}
	run := queued[0].Run
	out := api.QueuedTask{RunID: string(run.ID), Status: "queued", TaskID: string(run.Task), InputPath: run.InputPath}
	if run.Status == pipeline.TaskCompleted { // an earlier run had the same idempotency key
		out.Status = string(pipeline.TaskCompleted)
	}
	return out, nil
}

// queueStatus answers GET /api/queue/status.
func (s *Server) queueStatus(ctx context.Context, _ none) (api.QueueStatus, error) {
	q, err := s.st.QueueStatus(ctx)
	if err != nil {
		return api.QueueStatus{}, err
	}
	return api.QueueStatus{
		Pending: q.Pending, Running: q.Running, Waiting: q.Waiting, Completed: q.Completed,
		Failed: q.Failed, DLQ: q.DeadLetters, OldestPending: api.At(q.OldestPending),
	}, nil
}

// queueItems answers GET /api/queue/items, by priority, then age.
func (s *Server) queueItems(ctx context.Context, _ none) (api.QueueItems, error) {
	q := queryOf(ctx)
	f := store.TaskRunFilter{
		Status: pipeline.TaskStatus(statusAlias(q.text("status"))),
		Task:   pipeline.TaskID(q.text("taskId")),
		Run:    pipeline.RunID(q.text("pipelineRunId")),
		Limit:  q.number("limit", 100, 1, 1000),
		Offset: q.number("offset", 0, 0, 1<<31-1),
	}
	if err := q.err(); err != nil {
		return api.QueueItems{}, err
	}
	page, total, err := s.st.TaskRuns(ctx, f)
	if err != nil {
		return api.QueueItems{}, err
	}
	out := api.QueueItems{Items: []api.QueueItem{}, Total: total, Limit: f.Limit, Offset: f.Offset}
	for _, t := range page {
		out.Items = append(out.Items, api.QueueItem{
			RunID: string(t.ID), TaskID: string(t.Task), PipelineRunID: string(t.Run),
			Priority: t.Priority, Status: string(t.Status), Attempt: t.Attempt, MaxRetries: t.MaxRetries,
			ScheduledAt: api.At(t.ScheduledFor), StartedAt: api.At(t.StartedAt), CompletedAt: api.At(t.CompletedAt),
			CreatedAt: api.At(t.CreatedAt), Error: t.Error, ErrorCode: t.ErrorCode,
		})
	}
	return out, nil
}

// tick answers POST /api/tick and /api/process: one round of everything.
func (s *Server) tick(ctx context.Context, _ none) (api.Tick, error) {
	processed, _, err := s.o.Engine.Tick(ctx)
	if err != nil {
		return api.Tick{}, err
	}
	return api.Tick{Status: "ok", Processed: processed, Timestamp: api.At(s.o.Now())}, nil
}

// statusAlias maps the older words of a status filter to those of the rows.
func statusAlias(word string) string {
	switch word {
	case "success":
		return "completed"
	case "queued":
		return "pending"
	default:
		return word
	}
}
