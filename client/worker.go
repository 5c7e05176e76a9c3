package client

import (
	"context"
	"net/http"
	"time"

	"pipedai/api"
)

// Calls of a worker.

// Register announces a service that is reached by push.
func (c *Client) Register(ctx context.Context, req api.RegisterRequest) (out api.RegisterResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/register", req, &out)
}

// RegisterSelf announces the service of a pulling worker, which the token
// names.
func (c *Client) RegisterSelf(ctx context.Context, req api.RegisterRequest) (out api.RegisterResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workers/self/register", req, &out)
}

// Claim asks for work and waits for it as long as the request says.
func (c *Client) Claim(ctx context.Context, req api.ClaimRequest) (out api.ClaimResponse, err error) {
	timeout := callTimeout + time.Duration(req.WaitMs)*time.Millisecond
	return out, c.callFor(ctx, timeout, http.MethodPost, "/api/v1/workers/self/claim", nil, req, &out)
}

// Callbacks reports the ends of several attempts, at most api.MaxCallbacks.
func (c *Client) Callbacks(ctx context.Context, req api.CallbacksRequest) (out api.CallbacksResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workers/self/callbacks", req, &out)
}

// WorkerBeat says that the worker is alive and what it has in hand.
func (c *Client) WorkerBeat(ctx context.Context, version string, req api.WorkerBeatRequest) (out api.WorkerBeatResponse, err error) {
	header := http.Header{api.HeaderWorkerVersion: {version}}
	return out, c.callFor(ctx, callTimeout, http.MethodPost, "/api/v1/workers/self/heartbeat", header, req, &out)
}

// WorkerEvent reports a lifecycle event.
func (c *Client) WorkerEvent(ctx context.Context, event api.LifecycleEvent) error {
	return c.call(ctx, http.MethodPost, "/api/v1/workers/self/events", event, nil)
}

// Heartbeat extends the lease of one run.
func (c *Client) Heartbeat(ctx context.Context, req api.HeartbeatRequest) (out api.HeartbeatResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/heartbeat", req, &out)
}

// Progress reports progress, and extends the lease like Heartbeat.
func (c *Client) Progress(ctx context.Context, req api.HeartbeatRequest) (out api.HeartbeatResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/progress", req, &out)
}

// CheckIdempotency asks whether the work of an attempt was done before.
func (c *Client) CheckIdempotency(ctx context.Context, req api.IdempotencyCheck) (out api.IdempotencyAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/idempotency/check", req, &out)
}

// Callback reports the end of an attempt under its wire run id.
func (c *Client) Callback(ctx context.Context, wireID string, req api.CallbackRequest) (out api.CallbackResponse, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/callback/"+escape(wireID), req, &out)
}

// SendRunEvents reports what happened in runs: lines of NDJSON, each an
// api.RunEventLine.
func (c *Client) SendRunEvents(ctx context.Context, lines []byte) (out api.RunEventsAnswer, err error) {
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	return out, c.callFor(ctx, callTimeout, http.MethodPost, "/api/v1/workers/self/run-events", header, rawBody(lines), &out)
}

// RotateToken asks for a new token of the worker; the client goes on with the
// one it has.
func (c *Client) RotateToken(ctx context.Context) (out api.RotatedToken, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workers/self/rotate", nil, &out)
}
