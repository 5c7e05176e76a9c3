package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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
	problems := httpkit.NewProblems()
	wanted := enqueueOf(req, problems)
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		return api.QueuedTask{}, s.maintenanceFirst(ctx, err)
	}
	queued, err := s.o.Engine.Enqueue(ctx, []engine.Enqueue{wanted})
	if err != nil {
		return api.QueuedTask{}, missing(err, "Task", "taskId", req.TaskID)
	}
	return queuedTask(queued[0]), nil
}

// queueBatch answers POST /api/queue/batch: all of the task runs or none.
func (s *Server) queueBatch(ctx context.Context, raw json.RawMessage) (api.QueuedBatch, error) {
	var req api.QueueBatchRequest
	err := httpkit.Bind(raw, &req)
	problems := httpkit.NewProblems()
	if len(req.Tasks) > api.MaxQueueBatch {
		problems.Add([]string{"tasks"}, fmt.Sprintf("Array must contain at most %d element(s)", api.MaxQueueBatch))
		req.Tasks = nil
	}
	wanted := make([]engine.Enqueue, len(req.Tasks))
	for i, task := range req.Tasks {
		wanted[i] = enqueueOf(task, problems, "tasks", strconv.Itoa(i))
	}
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		return api.QueuedBatch{}, s.maintenanceFirst(ctx, err)
	}
	queued, err := s.o.Engine.Enqueue(ctx, wanted)
	if err != nil {
		return api.QueuedBatch{}, s.missingTask(ctx, err, req.Tasks)
	}
	out := api.QueuedBatch{Results: make([]api.QueuedTask, len(queued))}
	for i, q := range queued {
		out.Results[i] = queuedTask(q)
		if q.Run.Status != pipeline.TaskCompleted {
			out.Queued++
		}
	}
	return out, nil
}

// enqueueOf is what a request asks of the engine. What the validator's tags
// cannot say is noted in problems, under the path of the request in the body.
func enqueueOf(req api.QueueTaskRequest, problems httpkit.Problems, path ...string) engine.Enqueue {
	noteControls(problems, path, req.Priority, req.Metadata)
	return engine.Enqueue{
		Task:           pipeline.TaskID(req.TaskID),
		Input:          object(req.Input),
		Priority:       wholeNumber(req.Priority),
		Metadata:       req.Metadata,
		IdempotencyKey: req.IdempotencyKey,
		ScheduledFor:   instant(req.ScheduledFor),
		Validation:     engine.ValidationMode(req.ValidationMode),
		Backend:        req.StorageBackend,
	}
}

// queuedTask is the answer for a task run that was queued, or that an
// idempotency key led to.
func queuedTask(q engine.Enqueued) api.QueuedTask {
	run := q.Run
	out := api.QueuedTask{
		RunID: string(run.ID), Status: "queued", TaskID: string(run.Task), InputPath: run.InputPath,
		ValidationWarnings: wireInputErrors(q.Warnings),
	}
	if run.Status == pipeline.TaskCompleted { // an earlier run had the same idempotency key
		out.Status = string(pipeline.TaskCompleted)
	}
	return out
}

// missingTask names the first task of a refused batch that does not exist, if
// that is what err says.
func (s *Server) missingTask(ctx context.Context, err error, tasks []api.QueueTaskRequest) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	seen := map[string]bool{}
	for _, task := range tasks {
		if seen[task.TaskID] {
			continue
		}
		seen[task.TaskID] = true
		found, lookup := s.st.Task(ctx, pipeline.TaskID(task.TaskID))
		if errors.Is(lookup, store.ErrNotFound) || lookup == nil && found.Removed {
			return missing(err, "Task", "taskId", task.TaskID)
		}
	}
	return missing(err, "Task", "", "")
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
		Code:   q.number("codeVersion", 0, 0, 1<<31-1),
		Newest: q.text("order") == "newest",
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
			CreatedAt: api.At(t.CreatedAt), CodeVersion: t.CodeVersion, Error: t.Error, ErrorCode: t.ErrorCode,
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
