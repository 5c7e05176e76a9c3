// Package client speaks to a control plane: as a worker, as a host and as an
// operator. It depends on the wire (package api) alone.
//
// Every failure is an *api.Error. Its Status is 0 when the server was not
// reached or did not answer in time; then the message names method and path
// and never a token. Nothing is retried here: callers know what may be
// repeated.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// callTimeout bounds an ordinary call.
const callTimeout = 30 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Token is a credential that prints as ***. Convert a string to make one.
type Token = secret.Text

// Options say how to connect. The zero value is an anonymous caller.
type Options struct {
	// Token is sent as bearer with every call; empty for none.
	Token Token
	// HTTP makes the requests; nil means a client of its own that honours the
	// proxy environment and follows redirects. Its Timeout must be 0: calls
	// have deadlines of their own, streams have none.
	HTTP *http.Client
	// UserAgent names the caller.
	UserAgent string
}

// Client is a connection to one control plane. It is safe for concurrent use.
type Client struct {
	base    string
	options Options
	token   atomic.Pointer[Token]
}

// New returns a client for a base URL, trailing slashes ignored.
func New(baseURL string, o Options) *Client {
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.UserAgent == "" {
		o.UserAgent = "pipedai"
	}
	c := &Client{base: strings.TrimRight(baseURL, "/"), options: o}
	c.SetToken(o.Token)
	return c
}

// SetToken makes the calls that begin from now on carry another token.
func (c *Client) SetToken(token Token) { c.token.Store(&token) }

// BaseURL returns the normalised base URL.
func (c *Client) BaseURL() string { return c.base }

// call makes one request. A nil body sends none, a nil out reads none.
func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	return c.callFor(ctx, callTimeout, method, path, nil, body, out)
}

func (c *Client) callFor(ctx context.Context, timeout time.Duration, method, path string, header http.Header, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := c.send(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return unreached(method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return failure(resp, data)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &api.Error{
			Status: http.StatusBadGateway, Code: api.CodeUpstream,
			Message: fmt.Sprintf("%s %s: the server's answer is not the JSON expected", method, path),
		}
	}
	return nil
}

// rawBody is a body that is sent as it is.
type rawBody []byte

func (c *Client) send(ctx context.Context, method, path string, header http.Header, body any) (*http.Response, error) {
	var reader io.Reader
	if raw, is := body.(rawBody); is {
		reader = bytes.NewReader(raw)
	} else if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: encode: %w", method, path, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.options.UserAgent)
	for name, values := range header {
		req.Header[name] = values
	}
	if token := *c.token.Load(); !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := c.options.HTTP.Do(req)
	if err != nil {
		return nil, unreached(method, path, err)
	}
	return resp, nil
}

// unreached is the error of a call that got no answer. The caller's own
// cancellation stays recognisable.
func unreached(method, path string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", method, path, context.Canceled)
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // without the URL, which may hold what a log must not
	}
	code := api.CodeUpstream
	var dial *net.OpError
	var name *net.DNSError
	if errors.As(err, &name) || errors.As(err, &dial) && dial.Op == "dial" {
		code = api.CodeUnreachable
	}
	return &api.Error{Code: code, Message: fmt.Sprintf("%s %s: no answer: %v", method, path, err)}
}

// failure rebuilds the server's error.
func failure(resp *http.Response, data []byte) error {
	out := &api.Error{}
	if err := json.Unmarshal(data, out); err != nil || out.Message == "" {
		out = &api.Error{Message: fmt.Sprintf("HTTP %d", resp.StatusCode)}
	}
	out.Status = resp.StatusCode
	out.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return out
}

// maxRetryAfter bounds what a server may ask for: one that says a year is
// mistaken.
const maxRetryAfter = time.Hour

// retryAfter reads the header: seconds, or the instant to wait for.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// escape makes one path segment of an id.
func escape[T ~string](id T) string {
	switch id {
	case ".", "..": // they would be taken for steps in the path
		return strings.ReplaceAll(string(id), ".", "%2E")
	}
	return url.PathEscape(string(id))
}
