package controlplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/internal/localnet"
	"pipedai/internal/oplog"
	"pipedai/internal/secret"
	"pipedai/storage"
	"pipedai/store"
)

// Options configures a Server. Fields without a default are required.
type Options struct {
	Engine *engine.Engine
	// Console serves the web console for every GET that is no API route. Nil:
	// such a path is not found.
	Console http.Handler
	// Hosts are the exact values of the Host header this server answers to,
	// with port. Origins are the allowed Origin values; empty means http:// and
	// each of Hosts.
	Hosts, Origins []string
	// PublicURL is how hosts and browsers reach this server. Empty: the address
	// each request came in by.
	PublicURL string
	// RequireToken switches operator authentication on for the engine's routes.
	// Without it they are open to every local program; the routes that manage
	// hosts need a token either way.
	RequireToken bool
	// Secret is what engine and workers share. With RequireToken, workers that
	// are not enrolled prove themselves with it. Empty: only enrolled ones can.
	Secret secret.Text

	// TokenMaxAge is the age at which workers are asked to replace their tokens;
	// zero: never.
	TokenMaxAge time.Duration

	// BaseURLs says where services are reached that announce another address.
	BaseURLs BaseURLs

	Version, Build string
	Mode           string        // for /api/info
	MaxConcurrency int           // for /api/info
	PollInterval   time.Duration // for /api/info
	Backends       []storage.Config
	DefaultBackend string

	// CodeLifetime bounds a device pairing (10 minutes), PollEvery the pace at
	// which a device may ask (5 seconds).
	CodeLifetime, PollEvery time.Duration
	// StreamCheck is how often an open stream looks whether its token is still
	// valid and sends a sign of life (2 seconds; a sign goes out every tenth time).
	StreamCheck time.Duration

	Now func() time.Time // time.Now
	Log *slog.Logger     // discarded
}

// Server is the HTTP API of `pipeweave serve`. It is an http.Handler.
type Server struct {
	o       Options
	st      store.Store
	kit     *httpkit.Kit
	handler http.Handler
	metrics *metrics
	started time.Time
	words   [][]string // of the routes' paths, see wordTables
	// described makes the OpenAPI document when it is first asked for.
	described func() ([]byte, error)

	badTokens, badCodes, pairings *limiter // failures by address
	refusals                      *refusalLog
	tokens                        *tokenCache
	inUse                         *tokensInUse
	waiting                       *waiters
	newest                        newestReleases
	knownKeys                     knownKeys
	present                       presence
	draining                      chan struct{} // closed by Drain
	drain                         sync.Once
}

// maxBody is the most bytes of a request body.
const maxBody = 10 << 20

// New makes a server. It starts nothing.
func New(o Options) (*Server, error) {
	switch {
	case o.Engine == nil:
		return nil, errors.New("control plane: no engine given")
	case len(o.Hosts) == 0:
		return nil, errors.New("control plane: no host name given to answer to")
	}
	if o.CodeLifetime == 0 {
		o.CodeLifetime = 10 * time.Minute
	}
	if o.PollEvery == 0 {
		o.PollEvery = 5 * time.Second
	}
	if o.StreamCheck == 0 {
		o.StreamCheck = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With(oplog.Component, "http")
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	s := &Server{
		o:         o,
		st:        o.Engine.Store(),
		kit:       &httpkit.Kit{MaxBody: maxBody, Log: o.Log},
		started:   o.Now(),
		badTokens: newLimiter(o.Now, 100, time.Minute),
		badCodes:  newLimiter(o.Now, 10, time.Minute),
		pairings:  newLimiter(o.Now, 60, time.Minute),
		refusals:  newRefusalLog(o.Now),
		tokens:    newTokenCache(o.Now),
		inUse:     &tokensInUse{st: o.Engine.Store(), now: o.Now},
		draining:  make(chan struct{}),
	}
	s.waiting = newWaiters(s.watchWaiting)
	o.Engine.OnNotice(s.waiting.notice)
	o.Engine.OnHostNews(func(ids []store.HostID) {
		for _, id := range ids {
			s.waiting.wake(waitHost(id))
		}
	})
	metrics, err := newMetrics(s.st, o.Engine.Collectors())
	if err != nil {
		return nil, fmt.Errorf("control plane: %w", err)
	}
	s.metrics = metrics
	s.described = sync.OnceValues(func() ([]byte, error) { return s.description().JSON() })
	if err := errors.Join(s.undescribed(), unnamed(s.routes())); err != nil {
		return nil, fmt.Errorf("control plane: %w", err)
	}
	s.handler = s.chain()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Drain ends what would keep a stopping HTTP server waiting: streams and
// claims that wait for work. Ordinary requests are answered as before.
func (s *Server) Drain() {
	s.drain.Do(func() { close(s.draining) })
	s.waiting.endAll(errWorkerChanged)
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// chain is everything a request passes before its route, outermost first:
// request id and answer headers, the packing of answers, the guard, the path
// rules, the mux.
func (s *Server) chain() http.Handler {
	mux := http.NewServeMux()
	routes := s.routes()
	s.words = wordTables(routes)
	for _, route := range routes {
		mux.Handle(route.pattern, s.allow(route))
	}
	// A wrong method ends here, too, and never at the mux's own answer.
	mux.Handle("/", http.HandlerFunc(s.page))

	guard := localnet.Guard{Hosts: s.o.Hosts, Origins: s.o.Origins}
	guarded := guard.Wrap(s.paths(mux), func(w http.ResponseWriter, r *http.Request, e *api.Error) { s.kit.Fail(w, r, e) })
	return httpkit.WithRequestID(httpkit.SecurityHeaders(s.kit.Recover(httpkit.Compress(guarded))))
}

// NotReady answers every request with 503 until the real server can take
// over, so that a caller hears "not ready" and not a refused connection.
func NotReady(hosts []string) http.Handler {
	kit := &httpkit.Kit{}
	deny := func(w http.ResponseWriter, r *http.Request, e *api.Error) { kit.Fail(w, r, e) }
	return httpkit.WithRequestID(httpkit.SecurityHeaders(localnet.Guard{Hosts: hosts}.Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "1")
			kit.Fail(w, r, &api.Error{
				Status: http.StatusServiceUnavailable, Code: api.CodeNotReady,
				Message: "The server is starting", Fix: "try again in a moment",
			})
		}), deny)))
}
