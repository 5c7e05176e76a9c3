package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"pipedai/api"
)

// Calls of an operator to the engine.

// EngineHealth asks whether the engine and its database answer.
func (c *Client) EngineHealth(ctx context.Context) (out api.Health, err error) {
	return out, c.call(ctx, http.MethodGet, "/health", nil, &out)
}

// Info describes the engine.
func (c *Client) Info(ctx context.Context) (out api.Info, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/info", nil, &out)
}

// Maintenance returns the maintenance mode.
func (c *Client) Maintenance(ctx context.Context) (out api.Maintenance, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/maintenance", nil, &out)
}

// MoveMaintenance takes a step of the maintenance mode: "request", "enter" or
// "exit". The reason, which may be empty, is for a request.
func (c *Client) MoveMaintenance(ctx context.Context, step, reason string) (out api.Maintenance, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/maintenance/"+escape(step), api.MaintenanceRequest{Reason: reason}, &out)
}

// Services lists registered services, newest first.
func (c *Client) Services(ctx context.Context) (out api.Services, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/services", nil, &out)
}

// Service returns one service with its tasks.
func (c *Client) Service(ctx context.Context, id string) (out api.ServiceDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/services/"+escape(id), nil, &out)
}

// Trigger starts a run. The request's Input is sent even when it is empty, so
// that the body is an envelope whatever the input looks like.
func (c *Client) Trigger(ctx context.Context, id string, req api.TriggerRequest) (out api.TriggerResponse, err error) {
	if req.Input == nil {
		req.Input = []byte("{}")
	}
	return out, c.call(ctx, http.MethodPost, "/api/pipelines/"+escape(id)+"/trigger", req, &out)
}

// Runs lists pipeline runs, newest first. filter holds query parameters:
// pipelineId, status, from, to, limit, offset.
func (c *Client) Runs(ctx context.Context, filter url.Values) (out api.Runs, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/runs?"+filter.Encode(), nil, &out)
}

// Run returns a pipeline run with its task runs.
func (c *Client) Run(ctx context.Context, id string) (out api.RunDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/runs/"+escape(id), nil, &out)
}

// TaskRun returns one task run.
func (c *Client) TaskRun(ctx context.Context, id string) (out api.TaskRun, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/task-runs/"+escape(id), nil, &out)
}

// TaskLog returns lines of the log of a task run; query says which, as the
// route has it.
func (c *Client) TaskLog(ctx context.Context, id string, query url.Values) (out api.TaskLog, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/task-runs/"+escape(id)+"/logs?"+query.Encode(), nil, &out)
}

// CancelRun cancels a pipeline run.
func (c *Client) CancelRun(ctx context.Context, id string) (out api.Run, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/runs/"+escape(id)+"/cancel", nil, &out)
}

// CancelTaskRun cancels a standalone task run.
func (c *Client) CancelTaskRun(ctx context.Context, id string) (out api.TaskRun, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/task-runs/"+escape(id)+"/cancel", nil, &out)
}

// QueueTask queues one standalone task run.
func (c *Client) QueueTask(ctx context.Context, req api.QueueTaskRequest) (out api.QueuedTask, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/queue/task", req, &out)
}

// QueueBatch queues task runs outside any pipeline: all of them or none, at
// most api.MaxQueueBatch.
func (c *Client) QueueBatch(ctx context.Context, req api.QueueBatchRequest) (out api.QueuedBatch, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/queue/batch", req, &out)
}

// QueueStatus returns the queue's counts.
func (c *Client) QueueStatus(ctx context.Context) (out api.QueueStatus, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/queue/status", nil, &out)
}

// QueueItems lists task runs by priority, then age. filter holds query
// parameters: status, taskId, pipelineRunId, limit, offset.
func (c *Client) QueueItems(ctx context.Context, filter url.Values) (out api.QueueItems, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/queue/items?"+filter.Encode(), nil, &out)
}

// TaskHistory lists the code versions of a task, newest first.
func (c *Client) TaskHistory(ctx context.Context, id string) (out []api.CodeVersion, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/tasks/"+escape(id)+"/history", nil, &out)
}

// Tick processes pending work once.
func (c *Client) Tick(ctx context.Context) (out api.Tick, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/tick", nil, &out)
}

// StorageJSON reads a JSON object from storage into out.
func (c *Client) StorageJSON(ctx context.Context, path string, out any) error {
	content := struct {
		Content any `json:"content"`
	}{out}
	return c.call(ctx, http.MethodGet, "/api/storage/"+escapePath(path), nil, &content)
}

// StorageBackends lists the places where objects are kept.
func (c *Client) StorageBackends(ctx context.Context) (out api.StorageBackends, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/storage/backends", nil, &out)
}

// StorageList lists objects by path. query holds prefix, which must be there,
// after, limit and backend.
func (c *Client) StorageList(ctx context.Context, query url.Values) (out api.StorageList, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/storage?"+query.Encode(), nil, &out)
}

// StorageRaw opens the bytes of an object. The caller closes it.
func (c *Client) StorageRaw(ctx context.Context, path string) (io.ReadCloser, error) {
	return c.StorageRange(ctx, path, "", 0)
}

// StorageRange opens the bytes of an object from an offset on; an empty backend
// means the one of the run it belongs to. Only what is read from the start is
// verified by the server. The caller closes it.
func (c *Client) StorageRange(ctx context.Context, path, backend string, offset int64) (io.ReadCloser, error) {
	query := url.Values{"raw": {"1"}}
	if backend != "" {
		query.Set("backend", backend)
	}
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.send(ctx, http.MethodGet, "/api/storage/"+escapePath(path)+"?"+query.Encode(), header, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer func() { _ = resp.Body.Close() }()
		data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a cut error text is still an error text
		return nil, failure(resp, data)
	}
	return resp.Body, nil
}

// escapePath escapes each segment of an object path.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, "/")
}

// RunEvents returns what workers reported of a task run after an event.
func (c *Client) RunEvents(ctx context.Context, id string, after int64, limit int) (out api.TaskRunEvents, err error) {
	path := fmt.Sprintf("/api/task-runs/%s/events?after=%d&limit=%d", escape(id), after, limit)
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}
