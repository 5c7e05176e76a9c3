// Package dispatch is the HTTP way to a worker: one POST for an attempt, to an
// address that policy allows.
package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/engine"
)

const (
	// answerLimit is how much of an answer is read. A worker says "accepted" in
	// a few bytes; more than this is not for us.
	answerLimit = 4 << 10
	// drainTime is how long the rest of an accepting answer is waited for, so
	// that its connection can be used again.
	drainTime = 250 * time.Millisecond
)

// Options configure a Client. Zero values mean the documented default.
type Options struct {
	// Timeout bounds one whole exchange. 5 s.
	Timeout time.Duration
	// Own are addresses the engine itself listens on. They are refused: a worker
	// that announces one would make the engine talk to itself.
	Own []netip.AddrPort
	// RefuseLoopback and RefusePrivate narrow the policy for an engine whose
	// workers are all on public addresses.
	RefuseLoopback bool
	RefusePrivate  bool
	// MaxIdlePerWorker is how many connections to one worker are kept open. 64.
	MaxIdlePerWorker int
}

// Client dispatches over HTTP. It is safe for concurrent use.
type Client struct {
	o         Options
	http      *http.Client
	transport *http.Transport
}

var _ engine.Dispatcher = (*Client)(nil)

// New makes a client. Close it to drop its idle connections.
func New(o Options) *Client {
	return newClient(o, nil)
}

// newClient lets tests resolve names by themselves; the policy judges what
// comes out of it all the same.
func newClient(o Options, lookup func(ctx context.Context, host string) (string, error)) *Client {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.MaxIdlePerWorker = cmp.Or(o.MaxIdlePerWorker, 64)
	dialer := &net.Dialer{
		Timeout:   o.Timeout,
		KeepAlive: 30 * time.Second,
		Control:   policy{o}.control,
	}
	dial := dialer.DialContext
	if lookup != nil {
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			ip, err := lookup(ctx, host)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(ip, port))
		}
	}
	transport := &http.Transport{
		Proxy:                  nil, // a proxy would dial for us, past the policy
		DialContext:            dial,
		MaxIdleConnsPerHost:    o.MaxIdlePerWorker,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true, // sends no Accept-Encoding
		TLSHandshakeTimeout:    o.Timeout,
	}
	return &Client{o: o, transport: transport, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // judged like any answer outside 2xx
		},
	}}
}

// Close drops idle connections. Exchanges under way are not disturbed.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Dispatch posts one attempt and returns nil when the worker took it: any
// answer of 2xx. Every error is an *engine.DispatchError.
func (c *Client) Dispatch(ctx context.Context, baseURL string, d api.Dispatch) error {
	target, problem := targetURL(baseURL, d.TaskID)
	if problem != "" {
		return &engine.DispatchError{Final: true, Message: problem}
	}
	body, err := json.Marshal(d)
	if err != nil {
		return &engine.DispatchError{Final: true, Message: fmt.Sprintf("Dispatch cannot be encoded: %s", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return &engine.DispatchError{Final: true, Message: fmt.Sprintf("Worker address %s is not usable: %s", baseURL, err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "") // the contract has one header

	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreached(ctx, baseURL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 == 2 {
		// Taken, whatever the rest of the answer does. It is read only so that
		// the connection can be used again, and not for long.
		timer := time.AfterFunc(drainTime, cancel)
		defer timer.Stop()
		_, _ = io.CopyN(io.Discard, resp.Body, answerLimit)
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, answerLimit)) // as much as came in time
	return refusal(resp, string(text))
}

// targetURL is where an attempt goes, or the problem with the address. The task
// id is taken as it is: the registration made sure that it is one path segment.
func targetURL(baseURL, task string) (target, problem string) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil || base.Host == "":
		return "", fmt.Sprintf("Worker address %q is not a URL", baseURL)
	case base.Scheme != "http" && base.Scheme != "https":
		return "", fmt.Sprintf("Worker address %q is neither http nor https", baseURL)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return "", fmt.Sprintf("Worker address of %s holds more than scheme, host, port and path", base.Host)
	}
	return strings.TrimRight(baseURL, "/") + "/tasks/" + task, ""
}

// refusal judges an answer outside 2xx.
func refusal(resp *http.Response, body string) *engine.DispatchError {
	status := resp.StatusCode
	if status/100 == 3 {
		return &engine.DispatchError{Final: true, Message: fmt.Sprintf(
			"Worker returned %d: redirects are not followed; register the address it leads to", status)}
	}
	text := strings.TrimSpace(strings.ToValidUTF8(body, "\uFFFD"))
	return &engine.DispatchError{
		Final:   isFinal(status),
		Message: fmt.Sprintf("Worker returned %d: %s", status, cmp.Or(text, http.StatusText(status), "no text")),
	}
}

// isFinal says which answers no retry can change. A worker that is being
// replaced answers 404 for a while; 408, 425 and 429 ask for another try.
func isFinal(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return status/100 == 4
	}
}

// unreached tells why there was no answer.
func (c *Client) unreached(ctx context.Context, baseURL string, err error) *engine.DispatchError {
	var forbidden *forbiddenError
	switch {
	case errors.As(err, &forbidden):
		return &engine.DispatchError{Final: true, Message: fmt.Sprintf("Dispatch to %s refused: %s", baseURL, forbidden)}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &engine.DispatchError{Message: fmt.Sprintf("Worker at %s did not answer within %s", baseURL, c.o.Timeout)}
	case ctx.Err() != nil:
		return &engine.DispatchError{Message: fmt.Sprintf("Dispatch to %s was cut short: the engine is stopping", baseURL)}
	}
	var wrapped *url.Error // repeats method and URL
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &engine.DispatchError{Message: fmt.Sprintf("Worker at %s was not reached: %s", baseURL, err)}
}
