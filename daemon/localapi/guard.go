package localapi

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/localnet"
	"pipedai/internal/secret"
)

// The two paths that the guard knows by name.
const (
	pathEvents  = "/api/events"
	pathHealthz = "/api/healthz"
)

// guard stands before every route. In this order: the request must be
// addressed to us by one of our exact names, must not come from another site's
// page, must carry the token unless it asks for one of the few things that
// hold no secret, and must say that its body is JSON if it has one to act on.
func (s *Server) guard(next http.Handler) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hidesOrigin(r) {
			s.kit.Fail(w, r, &api.Error{
				Status: http.StatusForbidden, Code: api.CodeForeignOrigin, Message: "a page has to say where it is from",
			})
			return
		}
		if !public(r) && !s.authorised(r) {
			s.refuse(w, r)
			return
		}
		if canonical := path.Clean(r.URL.Path); canonical != r.URL.Path && canonical+"/" != r.URL.Path {
			s.kit.Fail(w, r, notFound()) // the mux would redirect; nobody of ours asks like that
			return
		}
		if acts(r) && !declaredJSON(r) {
			s.kit.Fail(w, r, &api.Error{
				Status: http.StatusUnsupportedMediaType, Code: api.CodeUnsupportedType,
				Message: "the request must be declared as JSON", Fix: "send Content-Type: application/json",
			})
			return
		}
		if refusal := unfit(r); refusal != nil {
			s.kit.Fail(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
	names := localnet.Guard{Hosts: localnet.LoopbackHosts(s.o.Port)}
	if s.o.Host != "" {
		names.Hosts = append(names.Hosts, net.JoinHostPort(s.o.Host, strconv.Itoa(s.o.Port)))
	}
	return names.Wrap(inner, func(w http.ResponseWriter, r *http.Request, refusal *api.Error) {
		s.kit.Fail(w, r, refusal)
	})
}

// public reports whether a request needs no token: the page's own files and
// liveness, read only. A path that only looks like one of them, by case, by
// dots or by doubled slashes, is not public.
func public(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	p := r.URL.Path
	if p == pathHealthz {
		return true
	}
	if r.URL.RawPath != "" || path.Clean(p) != p {
		return false // spelled in a way no page spells it
	}
	first, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(p, "/")), "/")
	return first != "api" && first != "metrics"
}

// authorised checks the token. Browsers cannot set headers on a WebSocket, so
// there, and only there, it may ride in the query.
func (s *Server) authorised(r *http.Request) bool {
	return s.holds(s.token.Load(), r) || s.renewToken() && s.holds(s.token.Load(), r)
}

func (s *Server) holds(t *token, r *http.Request) bool {
	if t.is(httpkit.Bearer(r)) {
		return true
	}
	if r.URL.Path != pathEvents || r.Method != http.MethodGet || !wantsUpgrade(r) || len(r.Header.Values("Authorization")) > 0 {
		return false
	}
	values := r.URL.Query()["token"]
	return len(values) == 1 && t.is(secret.Text(values[0]))
}

// hidesOrigin reports whether a browser asks for a WebSocket without saying
// for which page. Real ones always say.
func hidesOrigin(r *http.Request) bool {
	return r.URL.Path == pathEvents && wantsUpgrade(r) && r.Header.Get("Origin") == "" &&
		strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/")
}

// refuse answers a request without the token, the same way whatever was wrong
// with it. Someone who keeps guessing is slowed down; the owner is not, for a
// right token never comes here.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request) {
	tooMany, tell := s.guesses.add(time.Now())
	if tell {
		s.o.Log.Warn("requests without a valid token", "path", r.URL.Path)
	}
	if tooMany {
		w.Header().Set("Retry-After", "10")
		s.kit.Fail(w, r, &api.Error{
			Status: http.StatusTooManyRequests, Code: api.CodeRateLimited, Message: "too many requests without a valid token",
		})
		return
	}
	s.kit.Fail(w, r, &api.Error{
		Status: http.StatusUnauthorized, Code: api.CodeUnauthorized,
		Message: "Unauthorized", Fix: "open the page with: pipedai-orchestrator dashboard",
	})
}

// acts reports whether a request may change something by its body. DELETE
// names everything in its path.
func acts(r *http.Request) bool {
	return r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch
}

func declaredJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// unfit refuses bodies before a byte of them is read: those that say that they
// are too large, which handlers that take none would not notice, and those
// that are compressed, so that nothing has to be unpacked to see how large it is.
func unfit(r *http.Request) *api.Error {
	if r.ContentLength > maxBody {
		return &api.Error{
			Status: http.StatusRequestEntityTooLarge, Code: api.CodeTooLarge,
			Message: "Payload too large", Fix: fmt.Sprintf("send at most %d bytes", maxBody),
		}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &api.Error{
			Status: http.StatusUnsupportedMediaType, Code: api.CodeUnsupportedType,
			Message: "compressed bodies are not taken", Fix: "leave Content-Encoding out",
		}
	}
	return nil
}

const (
	guessWindow = 10 * time.Second
	guessLimit  = 100
)

// guesses counts refused requests in fixed windows, those of all callers
// together: on loopback an address says nothing about who calls (any of
// 127.0.0.0/8 is free to all), so whoever guesses would only change theirs. A
// right token is never counted, so nobody who has it is ever held back; others
// hear 429 instead of 401.
type guesses struct {
	mu    sync.Mutex
	since time.Time
	count int
}

// add counts one; it reports whether there are too many, and whether this one
// is worth a log line.
func (g *guesses) add(now time.Time) (tooMany, tell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) > guessWindow {
		g.since, g.count = now, 0
	}
	g.count++
	return g.count > guessLimit, g.count == 1
}
