package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pipedai/api"
)

// Calls of a host and of its operator under /api/v1.

// DeviceStart begins a pairing.
func (c *Client) DeviceStart(ctx context.Context, req api.DeviceStartRequest) (out api.DeviceStart, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/device", req, &out)
}

// Redeem trades a code, or an approved device code, for credentials.
func (c *Client) Redeem(ctx context.Context, req api.RedeemRequest) (out api.RedeemResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/redeem", req, &out)
}

// maxPages bounds how many pages of a list are followed.
const maxPages = 1000

// Workers lists every worker of a workspace, following pages. A server whose
// pages do not end is an error, not a list.
func (c *Client) Workers(ctx context.Context, workspace string) ([]api.RemoteWorker, error) {
	var all []api.RemoteWorker
	path := "/api/v1/workspaces/" + escape(workspace) + "/workers"
	cursor := ""
	for range maxPages {
		var page api.RemoteWorkers
		query := ""
		if cursor != "" {
			query = "?cursor=" + url.QueryEscape(cursor)
		}
		if err := c.call(ctx, http.MethodGet, path+query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil || *page.NextCursor == "" {
			return all, nil
		}
		if *page.NextCursor == cursor {
			break
		}
		cursor = *page.NextCursor
	}
	return nil, &api.Error{
		Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "GET " + path + ": the server's list of workers does not end",
	}
}

// PoolWorkers lists the workers of the shared pool, with a token for that.
func (c *Client) PoolWorkers(ctx context.Context) ([]api.RemoteWorker, error) {
	var out api.RemoteWorkers
	err := c.call(ctx, http.MethodGet, "/api/v1/pool-workers", nil, &out)
	return out.Items, err
}

// DisableWorker stops giving a worker work, whoever wants it to. Runs in hand
// continue.
func (c *Client) DisableWorker(ctx context.Context, workspace, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id)+"/disable", nil, nil)
}

// EnableWorker undoes DisableWorker, and any other disabling.
func (c *Client) EnableWorker(ctx context.Context, workspace, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id)+"/enable", nil, nil)
}

// HoldWorker is DisableWorker with a reason, an end, or the name of the
// operation that does it.
func (c *Client) HoldWorker(ctx context.Context, workspace, id string, req api.SwitchRequest) (out api.RemoteWorker, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id)+"/disable", req, &out)
}

// UnholdWorker lifts what the operation named in the request did, or, with no
// name, everything.
func (c *Client) UnholdWorker(ctx context.Context, workspace, id string, req api.SwitchRequest) (out api.RemoteWorker, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id)+"/enable", req, &out)
}

// SwitchWorker is UnholdWorker when enabled, else HoldWorker, for those who do
// not need the answer: older servers have another one.
func (c *Client) SwitchWorker(ctx context.Context, workspace, id string, enabled bool, req api.SwitchRequest) error {
	verb := "/disable"
	if enabled {
		verb = "/enable"
	}
	return c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id)+verb, req, nil)
}

// DeleteWorker removes a worker and revokes its tokens.
func (c *Client) DeleteWorker(ctx context.Context, workspace, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(id), nil, nil)
}

// KeptPoolWorkers lists the workers of the pool for those who keep it.
func (c *Client) KeptPoolWorkers(ctx context.Context) (out api.PoolWorkers, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/admin/pool-workers", nil, &out)
}

// HoldPoolWorker is HoldWorker for a worker of the pool.
func (c *Client) HoldPoolWorker(ctx context.Context, id string, req api.SwitchRequest) (out api.RemoteWorker, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/admin/pool-workers/"+escape(id)+"/disable", req, &out)
}

// UnholdPoolWorker is UnholdWorker for a worker of the pool.
func (c *Client) UnholdPoolWorker(ctx context.Context, id string, req api.SwitchRequest) (out api.RemoteWorker, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/admin/pool-workers/"+escape(id)+"/enable", req, &out)
}

// DeletePoolWorker is DeleteWorker for a worker of the pool.
func (c *Client) DeletePoolWorker(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/admin/pool-workers/"+escape(id), nil, nil)
}

// SelfDisable has a pool worker, whose token the client holds, given no more
// work; SelfEnable undoes it.
func (c *Client) SelfDisable(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/pool-workers/"+escape(id)+"/self-disable", nil, nil)
}

// SelfEnable undoes SelfDisable.
func (c *Client) SelfEnable(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/pool-workers/"+escape(id)+"/self-enable", nil, nil)
}

// MintRegistration gets a token that admits one new worker to a workspace.
func (c *Client) MintRegistration(ctx context.Context, workspace string, req api.MintRequest) (out api.MintedToken, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/registration-token", req, &out)
}

// RegisterWorker trades a registration token for a worker, once.
func (c *Client) RegisterWorker(ctx context.Context, req api.RegisterWorkerRequest) (out api.RegisteredWorker, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workers/register", req, &out)
}

// Releases tells the newest versions.
func (c *Client) Releases(ctx context.Context) (out api.Releases, err error) {
	return out, c.callFor(ctx, 10*time.Second, http.MethodGet, "/api/v1/releases/latest", nil, nil, &out)
}

// Health reports whether the control plane answers.
func (c *Client) Health(ctx context.Context) error {
	return c.callFor(ctx, 5*time.Second, http.MethodGet, "/api/v1/health", nil, nil, nil)
}

// Session tells who the token is.
func (c *Client) Session(ctx context.Context) (out api.Session, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/session", nil, &out)
}

// Tokens lists the tokens of operators, newest first.
func (c *Client) Tokens(ctx context.Context) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/tokens", nil, &out)
}

// CreateToken makes a token; the answer holds it this once.
func (c *Client) CreateToken(ctx context.Context, req api.CreateTokenRequest) (out api.CreatedToken, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/tokens", req, &out)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) (out api.Token, err error) {
	return out, c.call(ctx, http.MethodDelete, "/api/v1/tokens/"+escape(id), nil, &out)
}

// AuditFilter says which lines of the audit log to read. Empty members admit
// all.
type AuditFilter struct {
	Actor, Action, Object, Workspace string
	Since, Until                     time.Time
	Oldest                           bool   // the oldest first
	Cursor                           string // the NextCursor of the page before, or the number of a line
	Limit                            int
}

// Audit reads the audit log, the newest line first.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (out api.AuditLines, err error) {
	query := url.Values{}
	for name, value := range map[string]string{
		"actor": f.Actor, "action": f.Action, "object": f.Object, "workspaceId": f.Workspace, "cursor": f.Cursor,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Oldest {
		query.Set("order", "oldest")
	}
	if f.Limit > 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	return out, c.call(ctx, http.MethodGet, "/api/v1/audit?"+query.Encode(), nil, &out)
}

// Enrollments lists pairings and codes, newest first; an empty status means
// all.
func (c *Client) Enrollments(ctx context.Context, status string) (out api.Enrollments, err error) {
	path := "/api/v1/enrollments"
	if status != "" {
		path += "?status=" + escape(status)
	}
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// LookupEnrollment finds the pairing a user code belongs to.
func (c *Client) LookupEnrollment(ctx context.Context, userCode string) (out api.Enrollment, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/enrollments/lookup?code="+escape(userCode), nil, &out)
}

// RevokeEnrollment takes back a pairing or a code that nobody redeemed.
func (c *Client) RevokeEnrollment(ctx context.Context, id string) (out api.Enrollment, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/"+escape(id)+"/revoke", nil, &out)
}

// Approve lets the host of a pairing join.
func (c *Client) Approve(ctx context.Context, id string) (out api.Enrollment, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/"+escape(id)+"/approve", nil, &out)
}

// Deny refuses a pairing.
func (c *Client) Deny(ctx context.Context, id string) (out api.Enrollment, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/"+escape(id)+"/deny", nil, &out)
}

// IssueCode makes an enrolment code for a host that nobody will sit at.
func (c *Client) IssueCode(ctx context.Context, req api.IssueCodeRequest) (out api.IssuedCode, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/enrollments/codes", req, &out)
}

// AskRotation asks a worker to replace its token with its next heartbeat.
func (c *Client) AskRotation(ctx context.Context, workspace, worker string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/workers/"+escape(worker)+"/rotate-token", nil, nil)
}
