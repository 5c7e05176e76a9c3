package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
)

// silence ends a stream that sent nothing, not even a keep-alive, for so long.
const silence = 75 * time.Second

// errSilent says that a stream ended for its silence.
var errSilent = fmt.Errorf("nothing came for %s", silence)

// stream reads server-sent events until ctx ends or the connection does; it
// then returns why. each gets the event's id, name and data.
func (c *Client) stream(ctx context.Context, path string, since int64, each func(id int64, name string, data []byte)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := http.Header{"Accept": {"text/event-stream"}}
	if since > 0 {
		header.Set("Last-Event-ID", strconv.FormatInt(since, 10))
	}
	// From the first moment on: a server may be silent before its headers, too.
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	resp, err := c.send(ctx, http.MethodGet, path, header, nil)
	if err != nil {
		if errors.Is(context.Cause(ctx), errSilent) {
			return unreached(http.MethodGet, path, errSilent)
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a cut error text is still an error text
		return failure(resp, data)
	}

	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), 4<<20)
	var (
		id   int64
		name string
		data [][]byte
	)
	for lines.Scan() {
		quiet.Reset(silence)
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if data != nil {
				each(id, name, bytes.Join(data, []byte("\n")))
			}
			name, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				id = n
			}
		case "event":
			name = value
		case "data":
			data = append(data, []byte(value))
		}
	}
	err = lines.Err()
	switch {
	case errors.Is(context.Cause(ctx), errSilent): // not the caller's cancellation
		err = errSilent
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return unreached(http.MethodGet, path, err)
}

// Stream reads the engine's change feed from after since until ctx or the
// connection ends, and returns why it ended. Reconnecting is the caller's.
func (c *Client) Stream(ctx context.Context, since int64, each func(api.StreamEvent)) error {
	return c.stream(ctx, "/api/stream", since, func(_ int64, _ string, data []byte) {
		var event api.StreamEvent
		if json.Unmarshal(data, &event) == nil {
			each(event)
		}
	})
}

// WorkerEvents reads the lifecycle events of a worker from after since until
// ctx or the connection ends, and returns why it ended. id is what to send as
// since after a reconnect.
func (c *Client) WorkerEvents(ctx context.Context, workerID string, since int64, each func(id int64, event api.LifecycleEvent)) error {
	path := fmt.Sprintf("/api/v1/workers/%s/events/stream", escape(workerID))
	return c.stream(ctx, path, since, func(id int64, name string, data []byte) {
		var event api.LifecycleEvent
		if json.Unmarshal(data, &event) != nil {
			return // not an event of ours
		}
		if event.Type == "" {
			event.Type = name
		}
		each(id, event)
	})
}
