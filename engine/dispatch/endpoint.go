package dispatch

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// idleLife is how long an unused connection is kept. Node, which runs most
	// workers, hangs up after five seconds, and a request that meets that moment
	// is lost.
	idleLife = 4 * time.Second
	// headRoom is the most a request takes before its body beyond the part that is
	// the same for every request of an endpoint: the task's path and a length.
	headRoom = 16
)

// endpoint is the worker behind one base URL.
type endpoint struct {
	base    string // as it was registered
	address string // host and port to connect to
	path    string // before "/tasks/"
	headers string // from " HTTP/1.1" to the value of Content-Length
	plain   bool   // an ordinary http:// address, spoken to over connections of our own
	gate    gate

	mu   sync.Mutex
	idle []*conn // the one used last comes first off the end
}

// newEndpoint reads a base URL, or returns the problem with it.
func newEndpoint(baseURL string) (*endpoint, string) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil || base.Host == "" || base.Hostname() == "":
		return nil, fmt.Sprintf("Worker address %q is not a URL", baseURL)
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Sprintf("Worker address %q is neither http nor https", baseURL)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Sprintf("Worker address of %s holds more than scheme, host, port and path", base.Host)
	}
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	return &endpoint{
		base: strings.TrimRight(baseURL, "/"), address: net.JoinHostPort(base.Hostname(), port),
		path:    strings.TrimRight(base.EscapedPath(), "/"),
		headers: " HTTP/1.1\r\nHost: " + base.Host + "\r\nContent-Type: application/json\r\nContent-Length: ",
		// What net/http would have to translate, it gets.
		plain: base.Scheme == "http" && isPlain(base.Host, ".-:[]") && isPlain(base.EscapedPath(), "/-._~%"),
	}, ""
}

// isPlain reports whether text holds nothing but letters and digits of ASCII
// and the bytes of also.
func isPlain(text, also string) bool {
	for i := range len(text) {
		b := text[i]
		if ('a' > b || b > 'z') && ('A' > b || b > 'Z') && ('0' > b || b > '9') && strings.IndexByte(also, b) < 0 {
			return false
		}
	}
	return true
}

// segment is a task id as a segment of a path. The registration made sure that
// it is one.
func segment(task string) string {
	if isPlain(task, "-._~:@!$&'()*+,;=") {
		return task
	}
	return url.PathEscape(task)
}

// take returns an idle connection that the worker has not closed, or a new one,
// with the deadline set.
func (e *endpoint) take(ctx context.Context, c *Client, deadline time.Time) (_ *conn, reused bool, err error) {
	for {
		e.mu.Lock()
		n := len(e.idle)
		if n == 0 {
			e.mu.Unlock()
			break
		}
		cn := e.idle[n-1]
		e.idle[n-1] = nil
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		// The deadline first: that of the last exchange may be over.
		if time.Since(cn.since) < idleLife && cn.SetDeadline(deadline) == nil && cn.alive() {
			return cn, true, nil
		}
		_ = cn.Close()
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	raw, err := c.dial(ctx, "tcp", e.address)
	if err != nil {
		return nil, false, err
	}
	cn := newConn(raw)
	return cn, false, cn.SetDeadline(deadline)
}

// give takes back a connection whose answer was read to its end.
func (e *endpoint) give(c *Client, cn *conn) {
	cn.since = time.Now()
	e.mu.Lock()
	keep := len(e.idle) < c.o.MaxIdlePerWorker
	if keep {
		e.idle = append(e.idle, cn)
	}
	e.mu.Unlock()
	if !keep {
		_ = cn.Close()
		return
	}
	c.sweepLater()
}

// drop closes the connections that are idle since before limit, and reports
// whether any is left.
func (e *endpoint) drop(limit time.Time) (left bool) {
	e.mu.Lock()
	stale := 0 // the oldest come first
	for stale < len(e.idle) && e.idle[stale].since.Before(limit) {
		stale++
	}
	old := append([]*conn(nil), e.idle[:stale]...)
	e.idle = append(e.idle[:0], e.idle[stale:]...)
	clear(e.idle[len(e.idle):cap(e.idle)])
	left = len(e.idle) > 0
	e.mu.Unlock()
	for _, cn := range old {
		_ = cn.Close()
	}
	return left
}
