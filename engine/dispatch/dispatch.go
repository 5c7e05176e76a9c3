// Package dispatch is the HTTP way to a worker: one POST for an attempt, to an
// address that policy allows.
//
// Workers on plain http:// are spoken to over connections of our own
// (endpoint.go, conn.go), at about half of what net/http's client costs; https
// and addresses that need translating go through that client. Either way one
// exchange has one deadline and the answer has limits.
//
// An attempt is never sent twice unless the first time nothing of it left this
// machine: a worker that hung up after it may have started. What fails later
// fails the attempt, and the task's retries decide, under the next number.
package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

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
	// Allow are the networks that workers may be in. None: any that is not refused
	// to everybody.
	Allow []netip.Prefix
	// MaxIdlePerWorker is how many connections to one worker are kept open, for a
	// few seconds after their last use. 256.
	MaxIdlePerWorker int
}

// Client dispatches over HTTP. It is safe for concurrent use.
type Client struct {
	o         Options
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	http      *http.Client // for what is not plain
	transport *http.Transport

	mu        sync.Mutex
	endpoints map[string]*endpoint // by base URL
	sweeper   *time.Timer          // nil: no connection is idle
	closed    bool
}

// maxEndpoints bounds the endpoints that are remembered.
const maxEndpoints = 4096

var (
	_ engine.Dispatcher     = (*Client)(nil)
	_ engine.AddressChecker = (*Client)(nil)
)

// New makes a client. Close it to drop its idle connections.
func New(o Options) *Client {
	return newClient(o, nil)
}

// newClient lets tests resolve names by themselves; the policy judges what
// comes out of it all the same.
func newClient(o Options, lookup func(ctx context.Context, host string) (string, error)) *Client {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.MaxIdlePerWorker = cmp.Or(o.MaxIdlePerWorker, 256)
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
		IdleConnTimeout:        idleLife,
		MaxResponseHeaderBytes: headLimit,
		DisableCompression:     true, // sends no Accept-Encoding
		TLSHandshakeTimeout:    o.Timeout,
	}
	return &Client{o: o, dial: dial, endpoints: map[string]*endpoint{}, transport: transport, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // judged like any answer outside 2xx
		},
	}}
}

// Close drops idle connections. Exchanges under way are not disturbed.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	endpoints := slices.Collect(maps.Values(c.endpoints))
	c.mu.Unlock()
	for _, e := range endpoints {
		e.drop(time.Now().Add(time.Hour))
	}
	c.transport.CloseIdleConnections()
}

// endpoint returns the one behind a base URL, or the problem with it.
func (c *Client) endpoint(baseURL string) (*endpoint, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.endpoints[baseURL]; e != nil {
		return e, ""
	}
	e, problem := newEndpoint(baseURL)
	if problem != "" {
		return nil, problem
	}
	if len(c.endpoints) >= maxEndpoints {
		for _, old := range c.endpoints {
			old.drop(time.Now().Add(time.Hour))
		}
		clear(c.endpoints)
	}
	c.endpoints[baseURL] = e
	return e, ""
}

// sweepLater sees to it that idle connections are closed in time.
func (c *Client) sweepLater() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweeper == nil && !c.closed {
		c.sweeper = time.AfterFunc(idleLife, c.sweep)
	}
}

func (c *Client) sweep() {
	c.mu.Lock()
	endpoints := slices.Collect(maps.Values(c.endpoints))
	c.sweeper = nil
	c.mu.Unlock()
	left := false
	for _, e := range endpoints {
		left = e.drop(time.Now().Add(-idleLife)) || left
	}
	if left {
		c.sweepLater()
	}
}

// Dispatch posts one attempt and returns nil when the worker took it: any
// answer of 2xx. Every error is an *engine.DispatchError. A worker that asked
// for fewer requests is waited for, but not for long: then the error is marked
// Busy, and nothing was sent.
func (c *Client) Dispatch(ctx context.Context, baseURL string, d api.Dispatch) error {
	e, problem := c.endpoint(baseURL)
	if problem != "" {
		return &engine.DispatchError{Final: true, Message: problem}
	}
	if !e.gate.enter(ctx, c.o.Timeout/2) {
		return &engine.DispatchError{Busy: true, Message: fmt.Sprintf("Worker at %s asked for fewer requests", baseURL)}
	}
	began := time.Now()
	send := c.send
	if !e.plain {
		send = c.sendThrough
	}
	a, err := send(ctx, e, &d, began.Add(c.o.Timeout))
	e.gate.leave(began, a.status, a.retryAfter)
	switch {
	case err != nil:
		return c.unreached(ctx, baseURL, err)
	case a.status/100 == 2:
		return nil
	}
	return refusal(a)
}

// send posts over a connection of the endpoint's own.
func (c *Client) send(ctx context.Context, e *endpoint, d *api.Dispatch, deadline time.Time) (answer, error) {
	if limit, limited := ctx.Deadline(); limited && limit.Before(deadline) {
		deadline = limit
	}
	buf := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	request, start := e.appendRequest(*buf, d)
	defer func() {
		if cap(request) <= largeBuffer {
			*buf = request[:0]
			buffers.Put(buf)
		}
	}()
	for {
		cn, reused, err := e.take(ctx, c, deadline)
		if err != nil {
			return answer{}, err
		}
		a, keep, err := cn.exchange(ctx, request[start:], deadline)
		if keep {
			e.give(c, cn)
		} else {
			_ = cn.Close()
		}
		var unsent notSentError
		if reused && errors.As(err, &unsent) && ctx.Err() == nil {
			continue // the worker hung up just now
		}
		return a, err
	}
}

// sendThrough posts by net/http.
func (c *Client) sendThrough(ctx context.Context, e *endpoint, d *api.Dispatch, deadline time.Time) (answer, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	target := e.base + "/tasks/" + segment(d.TaskID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(appendDispatch(nil, d))) //nolint:gosec // the policy decides about the address when it is dialled
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "") // the contract has one header
	resp, err := c.http.Do(req)      //nolint:gosec // the policy decides about the address when it is dialled
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if a.status/100 == 2 {
		timer := time.AfterFunc(drainTime, cancel)
		defer timer.Stop()
		_, _ = io.CopyN(io.Discard, resp.Body, answerLimit)
		return a, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, answerLimit)) // as much as came in time
	a.body = string(text)
	return a, nil
}

// refusal judges an answer outside 2xx.
func refusal(a answer) *engine.DispatchError {
	if a.status/100 == 3 {
		return &engine.DispatchError{Final: true, Message: fmt.Sprintf(
			"Worker returned %d: redirects are not followed; register the address it leads to", a.status)}
	}
	text := strings.TrimSpace(harmless(a.body))
	return &engine.DispatchError{
		Final:   isFinal(a.status),
		Message: fmt.Sprintf("Worker returned %d: %s", a.status, cmp.Or(text, http.StatusText(a.status), "no text")),
	}
}

// harmless makes a stranger's text one that does nothing to a terminal or a
// log: no control characters but line ends and tabs, nothing that turns the
// direction of what follows.
func harmless(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
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
	case errors.Is(ctx.Err(), context.DeadlineExceeded), ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded),
		ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return &engine.DispatchError{Unreached: true, Message: fmt.Sprintf("Worker at %s did not answer within %s", baseURL, c.o.Timeout)}
	case ctx.Err() != nil:
		return &engine.DispatchError{Message: fmt.Sprintf("Dispatch to %s was cut short: the engine is stopping", baseURL)}
	}
	var wrapped *url.Error // repeats method and URL
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &engine.DispatchError{Unreached: true, Message: fmt.Sprintf("Worker at %s was not reached: %s", baseURL, err)}
}
