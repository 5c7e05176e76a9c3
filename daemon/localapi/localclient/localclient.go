// Package localclient speaks to the daemon of this host over its local API.
// The command line and tests use it; it knows the wire and nothing of the
// daemon's inside. Every refusal is an *api.Error; its Status is 0 when no
// daemon answered.
package localclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
)

const (
	lookTimeout = 30 * time.Second
	// actTimeout is longer than the daemon takes to answer an action at worst:
	// it asks the control plane and waits a while for a worker to stop.
	actTimeout = 3 * time.Minute
	maxAnswer  = 32 << 20
	maxFrame   = 16 << 20
)

// Client talks to one daemon. It is safe for concurrent use.
type Client struct {
	base  string
	token secret.Text
	http  *http.Client
}

// New returns a client for the daemon at a base URL without a trailing slash.
// No proxy is asked: the token must not leave this machine.
func New(base string, token secret.Text) *Client {
	return &Client{base: base, token: token, http: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Through has every call pass through what wrap makes of the client's own
// transport. It returns the client.
func (c *Client) Through(wrap func(http.RoundTripper) http.RoundTripper) *Client {
	c.http.Transport = wrap(c.http.Transport)
	return c
}

// Health asks whether a daemon is alive and ready; it needs no token.
func (c *Client) Health(ctx context.Context) (out api.LocalHealth, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/healthz", nil, &out)
}

// Self describes the daemon.
func (c *Client) Self(ctx context.Context) (out api.SelfStatus, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/self", nil, &out)
}

// UpgradeSelf has the daemon become another version of itself. It does not wait:
// the result names the operation.
func (c *Client) UpgradeSelf(ctx context.Context, req api.UpgradeSelfRequest) (out api.UpgradeSelfResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/upgrade-self?async=1", req, &out)
}

// Metrics returns what the daemon counts, in the text form of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	const what = "GET /metrics"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreached(ctx, what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, unreached(ctx, what, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, failure(resp.StatusCode, data)
	}
	return data, nil
}

// Connectivity returns the latest sample of the network probes and up to n of
// the newest, oldest first.
func (c *Client) Connectivity(ctx context.Context, n int) (out api.Connectivity, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/connectivity?tail="+strconv.Itoa(n), nil, &out)
}

// Usage returns at most n of the newest samples of what each worker took.
func (c *Client) Usage(ctx context.Context, n int) (out api.UsageHistory, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/usage?tail="+strconv.Itoa(n), nil, &out)
}

// Workers lists the managed workers.
func (c *Client) Workers(ctx context.Context) ([]api.FusedWorker, error) {
	var out api.FusedWorkers
	err := c.call(ctx, http.MethodGet, "/api/workers", nil, &out)
	return out.Items, err
}

// Worker asks for one worker with its settings and its last exits.
func (c *Client) Worker(ctx context.Context, id string) (out api.WorkerDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/workers/"+url.PathEscape(id), nil, &out)
}

// ChangeWorker changes its settings, from its next start on.
func (c *Client) ChangeWorker(ctx context.Context, id string, change api.WorkerSettingsChange) (out api.WorkerDetail, err error) {
	return out, c.call(ctx, http.MethodPatch, "/api/workers/"+url.PathEscape(id), change, &out)
}

// Act carries out a verb: start, stop, restart, enable or disable. Options are
// "now" (stop and restart without waiting for the run in hand) and "drain"
// (disable, and answer when it has ended).
func (c *Client) Act(ctx context.Context, id, verb string, options ...string) (out api.ActionResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/workers/"+url.PathEscape(id)+"/"+verb+query(options), struct{}{}, &out)
}

// Delete removes a worker here and at its control plane, once the run it has in
// hand has ended; with the option "now" at once.
func (c *Client) Delete(ctx context.Context, id string, options ...string) (out api.ActionResult, err error) {
	return out, c.call(ctx, http.MethodDelete, "/api/workers/"+url.PathEscape(id)+query(options), nil, &out)
}

func query(options []string) string {
	if len(options) == 0 {
		return ""
	}
	return "?" + strings.Join(options, "=1&") + "=1"
}

// Build registers a new worker and runs it; the answer does not wait for that.
func (c *Client) Build(ctx context.Context, req api.BuildRequest) (out api.BuildResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/workers?async=1", req, &out)
}

// Upgrade begins the upgrade of a worker; the answer does not wait for its end.
func (c *Client) Upgrade(ctx context.Context, id string, req api.UpgradeRequest) (out api.UpgradeResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/workers/"+url.PathEscape(id)+"/upgrade?async=1", req, &out)
}

// UpgradeAll begins that of several, one after the other.
func (c *Client) UpgradeAll(ctx context.Context, req api.UpgradeAllRequest) (out api.UpgradeResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/workers/upgrade?async=1", req, &out)
}

// Examine looks at what stands between the host and its control planes.
func (c *Client) Examine(ctx context.Context) (out api.ConnectivityReport, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/connectivity/check", nil, &out)
}

// Config tells what the daemon was started with.
func (c *Client) Config(ctx context.Context) (out api.HostConfig, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/config", nil, &out)
}

// Adoptable lists stand-alone workers that could be managed.
func (c *Client) Adoptable(ctx context.Context) (out api.AdoptResult, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/adoptable", nil, &out)
}

// Adopt has the daemon manage stand-alone workers.
func (c *Client) Adopt(ctx context.Context, req api.AdoptRequest) (out api.AdoptResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/adopt", req, &out)
}

// UndoAdopt has the daemon give an adopted worker back.
func (c *Client) UndoAdopt(ctx context.Context, req api.UndoAdoptRequest) (out api.AdoptResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/adopt/undo", req, &out)
}

// Operations lists the newest long actions, newest first.
func (c *Client) Operations(ctx context.Context, limit int) ([]api.Operation, error) {
	var out api.Operations
	err := c.call(ctx, http.MethodGet, "/api/operations?limit="+strconv.Itoa(limit), nil, &out)
	return out.Items, err
}

// Operation tells about one.
func (c *Client) Operation(ctx context.Context, id string) (out api.Operation, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/operations/"+url.PathEscape(id), nil, &out)
}

// CancelOperation has one taken back. It does not wait until it is.
func (c *Client) CancelOperation(ctx context.Context, id string) (out api.Operation, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/operations/"+url.PathEscape(id)+"/cancel", struct{}{}, &out)
}

// HostEvents returns what happened after since, oldest first; the newest when
// it is 0. An empty worker means all.
func (c *Client) HostEvents(ctx context.Context, since int64, worker string, limit int) (out api.HostEvents, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if since > 0 {
		q.Set("since", strconv.FormatInt(since, 10))
	}
	if worker != "" {
		q.Set("worker", worker)
	}
	return out, c.call(ctx, http.MethodGet, "/api/events?"+q.Encode(), nil, &out)
}

// Get returns the answer to any read as it is; for those who keep it.
func (c *Client) Get(ctx context.Context, path string) (out json.RawMessage, err error) {
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// Reload tells the daemon that the manifest or worker configurations changed.
func (c *Client) Reload(ctx context.Context, req api.ReloadRequest) (out api.Reloaded, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/reload", req, &out)
}

// Restart asks the daemon to be replaced by a new one, and Detach to end; both
// leave the workers running. The answer comes before it does so.
func (c *Client) Restart(ctx context.Context, req api.LeaveRequest) (out api.Leaving, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/restart", req, &out)
}

// Detach is described at Restart.
func (c *Client) Detach(ctx context.Context, req api.LeaveRequest) (out api.Leaving, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/detach", req, &out)
}

// Logs returns some lines of a worker's log, the newest when the query says
// nothing else. Its parameters are those of the route.
func (c *Client) Logs(ctx context.Context, id string, query url.Values) (out api.LogLines, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/workers/"+url.PathEscape(id)+"/logs?"+query.Encode(), nil, &out)
}

// Runs lists the run event files of a worker, newest first.
func (c *Client) Runs(ctx context.Context, id string) ([]api.LocalRun, error) {
	var out api.LocalRuns
	err := c.call(ctx, http.MethodGet, "/api/workers/"+url.PathEscape(id)+"/runs", nil, &out)
	return out.Items, err
}

// RunEvents returns the events of a run after a sequence number.
func (c *Client) RunEvents(ctx context.Context, id, run string, after int64) ([]api.LocalRunEvent, error) {
	var out api.LocalRunEvents
	path := fmt.Sprintf("/api/workers/%s/runs/%s/events?after=%d", url.PathEscape(id), url.PathEscape(run), after)
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out.Items, err
}

// Events reads frames from after since until ctx or the connection ends, and
// returns why it ended. Frames are given in order; each must not block for
// long, or the daemon hangs up.
func (c *Client) Events(ctx context.Context, since int64, each func(api.LocalFrame)) error {
	address := c.base + "/api/events"
	if since > 0 {
		address += "?since=" + strconv.FormatInt(since, 10)
	}
	conn, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient: c.http, HTTPHeader: http.Header{"Authorization": {"Bearer " + c.token.Reveal()}},
	})
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a cut error text is still an error text
		return failure(resp.StatusCode, data)
	}
	if err != nil {
		return unreached(ctx, "GET /api/events", err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("event stream: %w", err)
		}
		var frame api.LocalFrame
		if json.Unmarshal(data, &frame) == nil {
			each(frame)
		}
	}
}

func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	timeout := lookTimeout
	if method != http.MethodGet {
		timeout = actTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: encode: %w", method, path, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "pipedai-orchestrator/"+buildinfo.Version())
	if !c.token.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreached(ctx, method+" "+path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return unreached(ctx, method+" "+path, err)
	}
	if resp.StatusCode/100 != 2 {
		return failure(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &api.Error{
			Status: http.StatusBadGateway, Code: api.CodeUpstream,
			Message: fmt.Sprintf("%s %s: something else than the daemon answered", method, path),
		}
	}
	return nil
}

// unreached is the error of a call without an answer. The caller's own
// cancellation stays recognisable.
func unreached(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &api.Error{Code: api.CodeUpstream, Message: fmt.Sprintf("the daemon did not answer: %v", err)}
}

func failure(status int, data []byte) error {
	out := &api.Error{}
	if json.Unmarshal(data, out) != nil || out.Message == "" {
		out = &api.Error{Message: fmt.Sprintf("HTTP %d", status)}
	}
	out.Status = status
	return out
}
