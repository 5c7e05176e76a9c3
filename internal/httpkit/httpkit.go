// Package httpkit is the plumbing both HTTP servers share: handlers that are
// functions of a request, errors with one shape, request ids, limits, security
// headers and server-sent events. It knows no route and no rule of its own.
package httpkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// Kit is how one server decodes, fails and logs.
type Kit struct {
	// Map turns an error into what the client hears. It returns nil for an
	// error it does not know; the client then hears "internal error" and the
	// log has the cause.
	Map func(error) *api.Error
	// MaxBody is the most bytes of a JSON body; 0 means 1 MiB.
	MaxBody int64
	// Strict refuses bodies that are not declared as JSON with 415. Without it
	// anything that looks like JSON is read as such.
	Strict bool
	// Log gets one line per failure that the client is not told about.
	Log *slog.Logger
}

type contextKey int

const (
	requestKey contextKey = iota
	requestIDKey
	statusKey
)

// Request returns the HTTP request a handler function serves.
func Request(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey).(*http.Request)
	return r
}

// PathValue returns a wildcard of the matched route, percent-decoded.
func PathValue(ctx context.Context, name string) string { return Request(ctx).PathValue(name) }

// Query returns a query parameter, empty when absent.
func Query(ctx context.Context, name string) string { return Request(ctx).URL.Query().Get(name) }

// RequestID returns the id that answers, errors and log lines of a request
// share.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// SetStatus chooses another success status than 200 for the answer of the
// handler function that runs under ctx.
func SetStatus(ctx context.Context, status int) {
	if s, ok := ctx.Value(statusKey).(*int); ok {
		*s = status
	}
}

// None is the request or response of a handler that has none.
type None struct{}

// JSON makes a handler of a function. The body is decoded into Req and
// validated by its struct tags (not at all when Req is None); the result is
// encoded as JSON, or answered with 204 and no body when Resp is None.
func JSON[Req, Resp any](k *Kit, fn func(context.Context, Req) (Resp, error)) http.Handler {
	return Typed{Body: typeOf[Req](), Answer: typeOf[Resp](), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if _, none := any(req).(None); !none {
			if err := k.Decode(w, r, &req); err != nil {
				k.Fail(w, r, err)
				return
			}
		}
		status := http.StatusOK
		ctx := context.WithValue(r.Context(), statusKey, &status)
		ctx = context.WithValue(ctx, requestKey, r)
		resp, err := fn(ctx, req)
		if err != nil {
			k.Fail(w, r, err)
			return
		}
		if _, none := any(resp).(None); none {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		Write(w, status, resp)
	})}
}

// Typed is what JSON returns: a handler that knows the types of its JSON, nil
// for None, so that a description of the routes need not repeat them.
type Typed struct {
	http.Handler
	Body, Answer reflect.Type
}

func typeOf[T any]() reflect.Type {
	t := reflect.TypeFor[T]()
	if t == reflect.TypeFor[None]() {
		return nil
	}
	return t
}

// answers are what bodies are encoded in.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keepAnswer bounds a buffer that is kept for the next answer.
const keepAnswer = 1 << 20

// Write answers with JSON.
func Write(w http.ResponseWriter, status int, body any) {
	buf := answers.Get().(*bytes.Buffer)
	buf.Reset()
	if err := json.NewEncoder(buf).Encode(body); err != nil {
		// Only our own types get here; a failure is a defect, not a request's fault.
		status = http.StatusInternalServerError
		buf.Reset()
		buf.WriteString(`{"error":"Internal server error","code":"internal"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the client is gone; there is nobody to tell
	if buf.Cap() <= keepAnswer {
		answers.Put(buf)
	}
}

// Fail answers with an error, in the one shape errors have.
func (k *Kit) Fail(w http.ResponseWriter, r *http.Request, err error) {
	id := RequestID(r.Context())
	answer := asAPIError(err)
	if answer == nil && k.Map != nil {
		answer = k.Map(err)
	}
	switch {
	case errors.Is(r.Context().Err(), context.Canceled) && answer == nil:
		return // the client went away; that is the cause
	case answer == nil:
		if k.Log != nil {
			k.Log.Error("request failed", "request", id, "method", r.Method, "path", r.URL.Path, "error", err)
		}
		answer = &api.Error{
			Status: http.StatusInternalServerError, Code: api.CodeInternal,
			Message: "Internal server error",
		}
	case answer.Status >= http.StatusInternalServerError && k.Log != nil:
		k.Log.Warn("request failed", "request", id, "method", r.Method, "path", r.URL.Path, "status", answer.Status, "error", err)
	}
	copied := *answer // the error may be shared, the request id is not
	copied.RequestID = id
	if copied.Status == 0 {
		copied.Status = http.StatusInternalServerError
	}
	if wait, again := retryAfter[copied.Status]; again && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", wait)
	}
	Write(w, copied.Status, &copied)
}

// retryAfter is when to come back after an answer that says "not now", in
// seconds, unless the handler has said otherwise.
var retryAfter = map[int]string{
	http.StatusTooManyRequests:    "60", // the window of every limit
	http.StatusServiceUnavailable: "5",
}

func asAPIError(err error) *api.Error {
	var known *api.Error
	if errors.As(err, &known) && known.Status != 0 {
		return known
	}
	return nil
}

// WithRequestID gives every request an id and returns it in X-Request-Id.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := string(secret.New("req"))[:20]
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey, id)))
	})
}

// SecurityHeaders sets what every answer carries: no caching, no sniffing, no
// framing, no referrer. A handler may replace them.
func SecurityHeaders(next http.Handler) http.Handler {
	headers := http.Header{}
	headers.Set("Cache-Control", "no-store")
	headers.Set("X-Content-Type-Options", "nosniff")
	headers.Set("X-Frame-Options", "DENY")
	headers.Set("Referrer-Policy", "no-referrer")
	headers.Set("Cross-Origin-Resource-Policy", "same-origin")
	headers.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range headers {
			h[name] = values[:1:1] // shared: whoever sets or adds makes a new list
		}
		next.ServeHTTP(w, r)
	})
}

// Recover turns a panic of a handler into a 500 and a log line.
func (k *Kit) Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				panic(cause)
			}
			if k.Log != nil {
				k.Log.Error("handler panicked", "request", RequestID(r.Context()), "path", r.URL.Path, "panic", cause)
			}
			k.Fail(w, r, &api.Error{Status: http.StatusInternalServerError, Code: api.CodeInternal, Message: "Internal server error"})
		}()
		next.ServeHTTP(w, r)
	})
}

// Server returns a server with limits on everything a client can draw out but
// the answer: handlers that stream or wait have no write deadline.
func Server(handler http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	if log != nil {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	}
	return s
}

// Bearer returns the token of an Authorization header; empty when there is
// none, more than one, or another scheme. The scheme word is case-sensitive,
// as older servers had it.
func Bearer(r *http.Request) secret.Text {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	token, found := strings.CutPrefix(values[0], "Bearer ")
	if !found {
		return ""
	}
	return secret.Text(token)
}
