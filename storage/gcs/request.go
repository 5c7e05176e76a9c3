package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"pipedai/internal/backoff"
	"pipedai/storage"
)

// tries is how often one request is sent while the server asks for patience.
const tries = 6

var pauses = backoff.Policy{Base: 200 * time.Millisecond, Max: 3 * time.Second}

// request is one that can be sent again.
type request struct {
	method, url string
	header      http.Header
	body        []byte
	more        bool // 308 is an answer: go on
}

// do sends a request until the server answers it, and turns refusals into
// errors. The caller closes the body.
func (b *Bucket) do(ctx context.Context, r request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := b.once(ctx, r)
		if err == nil && (resp.StatusCode < 300 || r.more && resp.StatusCode == http.StatusPermanentRedirect) {
			return resp, nil
		}
		again := true
		if err == nil {
			again = passing(resp.StatusCode)
			err = refusal(resp)
		}
		var refused *oauth2.RetrieveError
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &refused):
			// The answer may repeat what was sent: its code is all that is told.
			err = fmt.Errorf("%w: the service account gets no token (%s)", storage.ErrDenied, refused.ErrorCode)
			again = refused.Response != nil && passing(refused.Response.StatusCode)
		case strings.Contains(err.Error(), "private key should be a PEM"):
			return nil, fmt.Errorf("%w: the private key cannot be read", storage.ErrDenied)
		}
		if !again || try == tries {
			return nil, err
		}
		if !pauses.Wait(ctx, try) {
			return nil, context.Cause(ctx)
		}
	}
}

func (b *Bucket) once(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	return b.http.Do(req)
}

// passing reports whether asking again may help.
func passing(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// refusal says what a status means to a caller, in the server's words.
func refusal(resp *http.Response) error {
	text := resp.Status
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	_ = resp.Body.Close()
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err == nil && json.Unmarshal(data, &answer) == nil && answer.Error.Message != "" {
		text = answer.Error.Message
	}
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && strings.Contains(text, "bucket does not exist"):
		return errors.New(text)
	case code == http.StatusNotFound:
		return storage.ErrNotFound
	case code == http.StatusPreconditionFailed:
		return storage.ErrExists
	case code == http.StatusRequestedRangeNotSatisfiable:
		return storage.ErrBadRange
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %s", storage.ErrDenied, text)
	case passing(code):
		return fmt.Errorf("%w: %s", storage.ErrUnavailable, text)
	}
	return fmt.Errorf("storage answered %s: %s", resp.Status, text)
}
