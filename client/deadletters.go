package client

import (
	"context"
	"net/http"
	"net/url"

	"pipedai/api"
)

// DeadLetters lists task runs that failed for good, newest first. filter holds
// query parameters: pipelineId, taskId, from, to, includeRetried, limit,
// offset.
func (c *Client) DeadLetters(ctx context.Context, filter url.Values) (out api.DeadLetters, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/dlq?"+filter.Encode(), nil, &out)
}

// DeadLetter returns one, by its id or that of its task run.
func (c *Client) DeadLetter(ctx context.Context, id string) (out api.DeadLetter, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/dlq/"+escape(id), nil, &out)
}

// RetryDeadLetter runs one again. A second time is a conflict.
func (c *Client) RetryDeadLetter(ctx context.Context, id string) (out api.RetriedDeadLetter, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/dlq/"+escape(id)+"/retry", nil, &out)
}

// RetryDeadLetters runs those again that a filter selects.
func (c *Client) RetryDeadLetters(ctx context.Context, req api.RetryAllRequest) (out api.RetriedAll, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/dlq/retry-all", req, &out)
}

// PurgeDeadLetters deletes old ones, retried or not.
func (c *Client) PurgeDeadLetters(ctx context.Context, req api.PurgeRequest) (out api.Purged, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/dlq/purge", req, &out)
}

// ReplayPlan tells what Replay would run again.
func (c *Client) ReplayPlan(ctx context.Context, run string) (out api.Replay, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/runs/"+escape(run)+"/replay", nil, &out)
}

// Replay runs everything again that broke in a run, and keeps what completed.
func (c *Client) Replay(ctx context.Context, run string) (out api.Replay, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/runs/"+escape(run)+"/replay", nil, &out)
}

// LetterGroups puts dead letters together that failed alike. filter holds query
// parameters: pipelineId, taskId, from, to, includeRetried.
func (c *Client) LetterGroups(ctx context.Context, filter url.Values) (out api.LetterGroups, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/dlq/groups?"+filter.Encode(), nil, &out)
}

// LetterIDs lists the ids of dead letters, newest first. filter holds those
// query parameters, and group, after and limit.
func (c *Client) LetterIDs(ctx context.Context, filter url.Values) (out api.LetterIDs, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/dlq/ids?"+filter.Encode(), nil, &out)
}
