package dispatch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	// headLimit bounds what a worker says before the body of its answer.
	headLimit = 16 << 10
	// interimLimit bounds the 1xx answers before the answer.
	interimLimit = 5
)

// conn is a connection to a worker. One goroutine uses it at a time, for one
// exchange after the other: no goroutines of its own, one write for a request.
type conn struct {
	net.Conn
	raw    syscall.RawConn // nil: cannot be asked whether it is closed
	r      *bufio.Reader
	budget int       // bytes the worker may still send
	failed error     // why the last read ended early
	since  time.Time // when it became idle
}

func newConn(raw net.Conn) *conn {
	c := &conn{Conn: raw}
	if s, ok := raw.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	c.r = bufio.NewReaderSize(boundedReader{c}, 4<<10)
	return c
}

var errTooMuch = errors.New("the answer is longer than any answer needs to be")

// boundedReader reads from the connection as long as the budget lasts.
type boundedReader struct{ c *conn }

func (b boundedReader) Read(p []byte) (int, error) {
	if b.c.budget <= 0 {
		b.c.failed = errTooMuch
		return 0, errTooMuch
	}
	n, err := b.c.Conn.Read(p[:min(len(p), b.c.budget)])
	b.c.budget -= n
	b.c.failed = err
	return n, err
}

// answer is what a worker said.
type answer struct {
	status     int
	retryAfter string
	body       string // of a refusal, as much of it as came
}

// notSentError is an exchange of which not one byte left: the worker cannot
// have seen it.
type notSentError struct{ error }

func (e notSentError) Unwrap() error { return e.error }

// exchange sends a request and reads the answer, by the deadline that is set. keep says that the connection
// can be used again.
func (c *conn) exchange(ctx context.Context, request []byte, deadline time.Time) (a answer, keep bool, err error) {
	forget := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer func() { keep = forget() && keep }() // else the deadline is not ours any more

	c.budget = headLimit
	if n, err := c.Write(request); err != nil && n == 0 {
		return answer{}, false, notSentError{err}
	} else if err != nil {
		return answer{}, false, err
	}
	resp, err := c.response() //nolint:bodyclose // the connection is what is kept or closed
	if err != nil {
		return answer{}, false, err
	}
	a = answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	accepted := a.status/100 == 2
	if accepted {
		// Taken, whatever the rest of the answer does. It is read only so that the
		// connection can be used again, and not for long.
		if resp.Close {
			return a, false, nil
		}
		if c.r.Buffered() < int(resp.ContentLength) || resp.ContentLength < 0 {
			soon := time.Now().Add(drainTime)
			if soon.Before(deadline) {
				_ = c.SetReadDeadline(soon)
			}
		}
	}
	c.budget = answerLimit
	body := io.LimitReader(resp.Body, answerLimit)
	var text []byte
	if accepted {
		_, err = io.Copy(io.Discard, body)
	} else {
		text, err = io.ReadAll(body)
	}
	a.body = string(text)
	if err == nil {
		var one [1]byte
		_, end := resp.Body.Read(one[:])
		keep = errors.Is(end, io.EOF) && c.r.Buffered() == 0 && !resp.Close && a.status != http.StatusSwitchingProtocols
	}
	return a, keep, nil
}

// posted is the request that answers are read for: its method decides whether
// an answer has a body.
var posted = &http.Request{Method: http.MethodPost}

// response reads the head of the answer, passing over interim ones.
func (c *conn) response() (*http.Response, error) {
	for range interimLimit {
		resp, err := http.ReadResponse(c.r, posted)
		if err != nil && c.failed != nil {
			err = c.failed // and not how far the parser came
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.New("the connection was closed without an answer")
		case err != nil:
			return nil, err
		case resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols:
			return resp, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim answers", interimLimit-1)
}
