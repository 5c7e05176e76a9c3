package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

func TestClient_failures(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/runs/known":
			w.WriteHeader(http.StatusConflict)
			_, _ = fmt.Fprint(w, `{"error":"already ended","code":"conflict","requestId":"req_1"}`)
		case "/api/runs/html":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprint(w, `<html>`)
		default:
			_, _ = fmt.Fprint(w, `<html>`)
		}
	}))
	t.Cleanup(server.Close)
	c := New(server.URL+"//", Options{Token: "tok_secret"})

	tests := []struct {
		id   string
		want *api.Error
	}{
		{"known", &api.Error{Status: 409, Message: "already ended", Code: api.CodeConflict, RequestID: "req_1"}},
		{"html", &api.Error{Status: 502, Message: "HTTP 502"}},
	}
	for _, test := range tests {
		_, err := c.Run(t.Context(), test.id)
		var got *api.Error
		if !errors.As(err, &got) {
			t.Fatalf("%s: got %v, want an *api.Error", test.id, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.id, diff)
		}
	}
	if _, err := c.Run(t.Context(), "ok"); err == nil {
		t.Error("an answer that is not JSON was taken for a run")
	}

	server.Close()
	_, err := c.Run(t.Context(), "known")
	var got *api.Error
	if !errors.As(err, &got) || got.Status != 0 || strings.Contains(err.Error(), "tok_secret") {
		t.Errorf("unreachable server: got %v, want status 0 and no token", err)
	}
}

func TestClient_Stream(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Last-Event-ID"); got != "7" {
			t.Errorf("got Last-Event-ID %q, want 7", got)
		}
		_, _ = fmt.Fprint(w, ": keep-alive\r\n\r\nid: 8\nevent: run\ndata: {\"seq\":8,\ndata: \"type\":\"run\"}\n\ndata: noise\n\nid: 9\ndata: {\"seq\":9}")
	}))
	t.Cleanup(server.Close)
	var got []api.StreamEvent
	err := New(server.URL, Options{}).Stream(t.Context(), 7, func(e api.StreamEvent) { got = append(got, e) })
	if err == nil {
		t.Error("the end of the stream was not reported")
	}
	// The last frame was never finished, so it does not count.
	if diff := cmp.Diff([]api.StreamEvent{{Seq: 8, Type: "run"}}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A stream that sends nothing ends, and not as if its reader had wanted that.
func TestClient_silentStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body, _ := io.Pipe()
		c := New("http://quiet.test", Options{HTTP: &http.Client{Transport: silent{body}}})
		err := c.Stream(t.Context(), 0, func(api.StreamEvent) {})
		var got *api.Error
		if errors.Is(err, context.Canceled) || !errors.As(err, &got) || got.Status != 0 || !strings.Contains(err.Error(), "nothing came for") {
			t.Errorf("got %v, want that nothing came", err)
		}
	})
}

// silent answers every request with a body that never comes; the end of the
// request closes it.
type silent struct{ body *io.PipeReader }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	context.AfterFunc(r.Context(), func() { _ = s.body.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Body: s.body, Request: r}, nil
}

func TestClient_cancelledCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	if _, err := New(server.URL, Options{}).Info(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
