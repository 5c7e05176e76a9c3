package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
)

// CheckIn tells the control plane how the host of the token is, and waits for
// orders as long as the request says.
func (c *Client) CheckIn(ctx context.Context, req api.CheckInRequest) (out api.CheckInResponse, err error) {
	timeout := callTimeout + time.Duration(req.WaitMs)*time.Millisecond
	return out, c.callFor(ctx, timeout, http.MethodPost, "/api/v1/hosts/self/checkin", nil, req, &out)
}

// Hosts lists the hosts of the workspace by name; an empty status means all.
func (c *Client) Hosts(ctx context.Context, status string) (out api.Hosts, err error) {
	path := "/api/v1/hosts"
	if status != "" {
		path += "?status=" + escape(status)
	}
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// Host tells of one host and its workers.
func (c *Client) Host(ctx context.Context, id string) (out api.HostDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/hosts/"+escape(id), nil, &out)
}

// NoteHost keeps a note about a host; an empty one takes it away.
func (c *Client) NoteHost(ctx context.Context, id, note string) (out api.HostDetail, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/hosts/"+escape(id)+"/note", api.NoteRequest{Note: note}, &out)
}

// PauseHost has the workers of a host given no more work. Runs in hand continue.
func (c *Client) PauseHost(ctx context.Context, id string, req api.PauseRequest) (out api.HostDetail, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/hosts/"+escape(id)+"/pause", req, &out)
}

// ResumeHost undoes PauseHost.
func (c *Client) ResumeHost(ctx context.Context, id string) (out api.HostDetail, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/hosts/"+escape(id)+"/resume", nil, &out)
}

// RevokeHost voids the credentials of a host and of its workers.
func (c *Client) RevokeHost(ctx context.Context, id string) (out api.HostDetail, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/hosts/"+escape(id)+"/revoke", nil, &out)
}

// WorkerEventList lists the lifecycle events of a worker after since, oldest
// first; since 0 means the newest ones. A limit of 0 leaves it to the server.
func (c *Client) WorkerEventList(ctx context.Context, workerID string, since int64, limit int) (out api.WorkerEvents, err error) {
	path := fmt.Sprintf("/api/v1/workers/%s/events?", escape(workerID))
	if since > 0 {
		path += fmt.Sprintf("since=%d&", since)
	}
	if limit > 0 {
		path += fmt.Sprintf("limit=%d&", limit)
	}
	return out, c.call(ctx, http.MethodGet, path[:len(path)-1], nil, &out)
}
