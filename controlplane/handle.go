package controlplane

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pipedai/internal/httpkit"
)

// none is the request or response of a handler that has none.
type none = httpkit.None

// handle makes a route's handler of a function. label is what a failure that
// nobody expected is called.
func handle[Req, Resp any](s *Server, label string, fn func(context.Context, Req) (Resp, error)) http.Handler {
	if _, bodyless := any(*new(Req)).(none); bodyless {
		return httpkit.JSON(s.kit, func(ctx context.Context, _ none) (Resp, error) {
			var req Req
			resp, err := fn(ctx, req)
			return labelled(ctx, s, label, resp, err)
		})
	}
	return httpkit.JSON(s.kit, func(ctx context.Context, raw json.RawMessage) (Resp, error) {
		var req Req
		var resp Resp
		if err := bind(s.validate, raw, &req); err != nil {
			return labelled(ctx, s, label, resp, err)
		}
		resp, err := fn(ctx, req)
		return labelled(ctx, s, label, resp, err)
	})
}

// handleRaw is handle for a body whose form only the handler knows.
func handleRaw[Resp any](s *Server, label string, fn func(context.Context, json.RawMessage) (Resp, error)) http.Handler {
	return httpkit.JSON(s.kit, func(ctx context.Context, raw json.RawMessage) (Resp, error) {
		resp, err := fn(ctx, raw)
		return labelled(ctx, s, label, resp, err)
	})
}

func labelled[Resp any](ctx context.Context, s *Server, label string, resp Resp, err error) (Resp, error) {
	if err != nil {
		return resp, s.answer(ctx, label, err)
	}
	return resp, nil
}

// query reads query parameters and collects what is wrong with them.
type query struct {
	values   url.Values
	problems tree
}

func queryOf(ctx context.Context) *query {
	return &query{httpkit.Request(ctx).URL.Query(), newTree()}
}

func (q *query) text(name string) string { return q.values.Get(name) }

func (q *query) number(name string, def, low, high int) int {
	text := q.values.Get(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		q.problems.add([]string{name}, "Expected number, received string")
	case n < low:
		q.problems.add([]string{name}, "Number must be greater than or equal to "+strconv.Itoa(low))
	case n > high:
		q.problems.add([]string{name}, "Number must be less than or equal to "+strconv.Itoa(high))
	default:
		return n
	}
	return def
}

func (q *query) time(name string) time.Time {
	text := q.values.Get(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	q.problems.add([]string{name}, "Invalid datetime")
	return time.Time{}
}

// err is nil when everything asked for was well-formed.
func (q *query) err() error {
	if q.problems.empty() {
		return nil
	}
	return invalid(q.problems)
}

func pathID(ctx context.Context) string { return httpkit.PathValue(ctx, "id") }
