package controlplane

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"pipedai/internal/httpkit"
)

// none is the request or response of a handler that has none.
type none = httpkit.None

// handle makes a route's handler of a function. label is what a failure that
// nobody expected is called. A function whose body has a form that only it
// knows takes a json.RawMessage.
func handle[Req, Resp any](s *Server, label string, fn func(context.Context, Req) (Resp, error)) http.Handler {
	return jsonHandler{httpkit.JSON(s.kit, func(ctx context.Context, req Req) (Resp, error) {
		resp, err := fn(ctx, req)
		return labelled(ctx, s, label, resp, err)
	}), wireType[Req](), wireType[Resp]()}
}

// jsonHandler is a handler that knows what it reads and answers; nil is nothing.
type jsonHandler struct {
	http.Handler
	body, answer reflect.Type
}

// wireType is the type of a body; nil for none.
func wireType[T any]() reflect.Type {
	t := reflect.TypeFor[T]()
	if t == reflect.TypeFor[none]() {
		return nil
	}
	return t
}

func labelled[Resp any](ctx context.Context, s *Server, label string, resp Resp, err error) (Resp, error) {
	if err != nil {
		err = s.answer(ctx, label, err)
		noteFailure(ctx, err)
		return resp, err
	}
	return resp, nil
}

// query reads query parameters and collects what is wrong with them.
type query struct {
	values   url.Values
	problems httpkit.Problems
}

func queryOf(ctx context.Context) *query {
	return &query{httpkit.Request(ctx).URL.Query(), httpkit.NewProblems()}
}

func (q *query) text(name string) string { return clean(q.values.Get(name)) }

func (q *query) number(name string, def, low, high int) int {
	text := q.values.Get(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		q.problems.Add([]string{name}, "Expected number, received string")
	case n < low:
		q.problems.Add([]string{name}, "Number must be greater than or equal to "+strconv.Itoa(low))
	case n > high:
		q.problems.Add([]string{name}, "Number must be less than or equal to "+strconv.Itoa(high))
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
	q.problems.Add([]string{name}, "Invalid datetime")
	return time.Time{}
}

// err is nil when everything asked for was well-formed.
func (q *query) err() error {
	return q.problems.Err()
}

// pathID is what stands for {id} in the path.
func pathID(ctx context.Context) string { return pathValue(ctx, "id") }

// pathValue is what stands for {name} in the path.
func pathValue(ctx context.Context, name string) string { return clean(httpkit.PathValue(ctx, name)) }

// clean makes a text that came in an address or a header fit every column: valid
// UTF-8 without NUL. Bodies are refused that are not.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// cut shortens a clean text to n bytes at a character.
func cut(text string, n int) string {
	if text = clean(text); len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
