package httpkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

type order struct {
	Name  string  `json:"name" validate:"required"`
	Count float64 `json:"count" validate:"gte=0,lte=100"`
	Kind  string  `json:"kind,omitempty" validate:"omitempty,oneof=a b"`
	Items []item  `json:"items" validate:"dive"`
}

type item struct {
	ID string `json:"id" validate:"required"`
}

var errKnown = errors.New("known")

func serve(t *testing.T, k *Kit, body, contentType string, fn func(context.Context, order) (order, error)) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	WithRequestID(k.Recover(JSON(k, fn))).ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("answer %q is not JSON: %v", w.Body, err)
	}
	return w.Code, out
}

func echo(_ context.Context, o order) (order, error) { return o, nil }

func TestJSON_badInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, contentType string
		strict                  bool
		status                  int
		contains                []string
	}{
		{name: "missing member", body: `{}`, status: 400, contains: []string{`"name":{"_errors":["Required"]}`}},
		{name: "no body", body: ``, status: 400, contains: []string{`"Required"`}},
		{name: "wrong type", body: `{"name":5}`, status: 400, contains: []string{`Expected string, received number`}},
		{name: "root of another type", body: `[1]`, status: 400, contains: []string{`Expected object, received array`}},
		{name: "out of range", body: `{"name":"x","count":101}`, status: 400, contains: []string{`Number must be less than or equal to 100`}},
		{name: "unknown word", body: `{"name":"x","kind":"c"}`, status: 400, contains: []string{`Invalid enum value. Expected 'a' | 'b', received 'c'`}},
		{name: "inside a list", body: `{"name":"x","items":[{"id":"1"},{}]}`, status: 400, contains: []string{`"1":{"_errors":[],"id":{"_errors":["Required"]}}`}},
		{name: "not JSON", body: `{"name":`, status: 400, contains: []string{`"error":"Invalid request"`, `not JSON`}},
		{name: "too large", body: `{"name":"` + strings.Repeat("x", 200) + `"}`, status: 413, contains: []string{`Payload too large`}},
		{name: "form where JSON is required", body: `{"name":"x"}`, contentType: "application/x-www-form-urlencoded", strict: true, status: 415},
		{name: "no type where JSON is required", body: `{"name":"x"}`, strict: true, status: 415},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, body := serve(t, &Kit{MaxBody: 128, Strict: test.strict}, test.body, test.contentType,
				func(_ context.Context, _ order) (order, error) {
					t.Error("the handler was reached")
					return order{}, nil
				})
			if status != test.status {
				t.Errorf("got status %d, want %d", status, test.status)
			}
			if body["requestId"] == "" || body["requestId"] == nil {
				t.Error("the answer has no request id")
			}
			var text bytes.Buffer
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(body)
			for _, want := range test.contains {
				if !strings.Contains(text.String(), want) {
					t.Errorf("got %s, want it to contain %s", text.String(), want)
				}
			}
		})
	}
}

func TestJSON_lenient(t *testing.T) {
	t.Parallel()
	status, body := serve(t, &Kit{}, ` {"name":"x","kind":null,"unknown":1}`, "application/x-www-form-urlencoded", echo)
	if status != 200 || body["name"] != "x" {
		t.Errorf("got %d %v, want the order back", status, body)
	}
}

func TestFail(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	kit := &Kit{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Map: func(err error) *api.Error {
			if errors.Is(err, errKnown) {
				return &api.Error{Status: 409, Code: api.CodeConflict, Message: "it is taken", Extra: map[string]any{"name": "x"}}
			}
			return nil
		},
	}
	t.Run("known error", func(t *testing.T) {
		status, body := serve(t, kit, `{"name":"x"}`, "", func(context.Context, order) (order, error) { return order{}, errKnown })
		delete(body, "requestId")
		if diff := cmp.Diff(map[string]any{"error": "it is taken", "code": "conflict", "name": "x"}, body); diff != "" || status != 409 {
			t.Errorf("status %d, body (-want +got):\n%s", status, diff)
		}
	})
	t.Run("not now says when", func(t *testing.T) {
		for status, want := range map[int]string{429: "60", 503: "5", 500: "", 409: ""} {
			w := httptest.NewRecorder()
			kit.Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), &api.Error{Status: status, Message: "no"})
			if got := w.Header().Get("Retry-After"); got != want {
				t.Errorf("%d: got Retry-After %q, want %q", status, got, want)
			}
		}
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", "1")
		kit.Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), &api.Error{Status: 503, Message: "no"})
		if got := w.Header().Get("Retry-After"); got != "1" {
			t.Errorf("got Retry-After %q, want the handler's own", got)
		}
	})
	t.Run("unknown error and panic tell nothing", func(t *testing.T) {
		for _, fn := range []func(context.Context, order) (order, error){
			func(context.Context, order) (order, error) {
				return order{}, errors.New("pq: password is hunter2")
			},
			func(context.Context, order) (order, error) { panic("hunter2") },
		} {
			status, body := serve(t, kit, `{"name":"x"}`, "", fn)
			if status != 500 || body["error"] != "Internal server error" || strings.Contains(body["error"].(string), "hunter2") {
				t.Errorf("got %d %v", status, body)
			}
			id, _ := body["requestId"].(string)
			if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "hunter2") {
				t.Errorf("log %q lacks the cause or request id %s", log.String(), id)
			}
		}
	})
}
