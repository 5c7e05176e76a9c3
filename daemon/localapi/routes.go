package localapi

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pipedai/api"
	"pipedai/internal/httpkit"
)

// route is one line of the table below.
type route struct {
	method, path string
	handler      http.Handler
	anytime      bool // answers while the daemon is starting, too
}

func (rt route) pattern() string { return rt.method + " " + rt.path }

// table is every route there is. All of it stands behind guard.go, and every
// line is described in reference.go.
func (s *Server) table() []route {
	k := s.kit
	return []route{
		{"GET", pathHealthz, httpkit.JSON(k, s.healthz), true},
		{"GET", "/api/openapi.json", http.HandlerFunc(s.openapi), true},
		{"GET", "/metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}), true},

		{"GET", "/api/self", httpkit.JSON(k, s.self), false},
		{"POST", "/api/upgrade-self", httpkit.JSON(k, s.upgradeSelf), false},
		{"POST", "/api/reload", httpkit.JSON(k, s.reload), false},
		{"GET", "/api/connectivity", httpkit.JSON(k, s.connectivity), true},
		{"POST", "/api/connectivity/check", httpkit.JSON(k, s.examine), false},
		{"GET", "/api/usage", httpkit.JSON(k, s.usage), false},
		{"GET", "/api/config", httpkit.JSON(k, s.config), false},
		{"POST", "/api/restart", httpkit.JSON(k, s.leave(true)), false},
		{"POST", "/api/detach", httpkit.JSON(k, s.leave(false)), false},
		{"GET", pathEvents, http.HandlerFunc(s.events), false},

		{"GET", "/api/workers", httpkit.JSON(k, s.workers), false},
		{"POST", "/api/workers", httpkit.JSON(k, s.build), false},
		{"GET", "/api/workers/{id}", httpkit.JSON(k, s.worker), false},
		{"PATCH", "/api/workers/{id}", httpkit.JSON(k, s.changeWorker), false},
		{"POST", "/api/workers/{id}/start", httpkit.JSON(k, s.act(ActionStart)), false},
		{"POST", "/api/workers/{id}/stop", httpkit.JSON(k, s.act(ActionStop)), false},
		{"POST", "/api/workers/{id}/restart", httpkit.JSON(k, s.act(ActionRestart)), false},
		{"POST", "/api/workers/{id}/enable", httpkit.JSON(k, s.act(ActionEnable)), false},
		{"POST", "/api/workers/{id}/disable", httpkit.JSON(k, s.act(ActionDisable)), false},
		{"DELETE", "/api/workers/{id}", httpkit.JSON(k, s.act(ActionDelete)), false},
		{"POST", "/api/workers/upgrade", httpkit.JSON(k, s.upgradeAll), false},
		{"POST", "/api/workers/{id}/upgrade", httpkit.JSON(k, s.upgrade), false},
		{"GET", "/api/workers/{id}/logs", httpkit.JSON(k, s.logs), false},
		{"GET", "/api/workers/{id}/logs/download", http.HandlerFunc(s.downloadLogs), false},
		{"GET", "/api/workers/{id}/runs", httpkit.JSON(k, s.workerRuns), false},
		{"GET", "/api/workers/{id}/runs/{run}/events", httpkit.JSON(k, s.runEvents), false},

		{"GET", "/api/adoptable", httpkit.JSON(k, s.adoptable), false},
		{"POST", "/api/adopt", httpkit.JSON(k, s.adopt), false},
		{"POST", "/api/adopt/undo", httpkit.JSON(k, s.undoAdopt), false},

		{"GET", "/api/operations", httpkit.JSON(k, s.operations), false},
		{"GET", "/api/operations/{id}", httpkit.JSON(k, s.operation), false},
		{"POST", "/api/operations/{id}/cancel", httpkit.JSON(k, s.cancelOperation), false},
	}
}

// routes builds the mux. What is not in the table is a file of the page, or
// nothing.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string]bool{}
	for _, rt := range s.table() {
		handler := rt.handler
		if !rt.anytime {
			handler = s.whenReady(handler)
		}
		mux.Handle(rt.pattern(), s.counted(rt.pattern(), handler))
		methods[rt.method] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if allowed := otherMethods(mux, r, methods); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.kit.Fail(w, r, &api.Error{
				Status: http.StatusMethodNotAllowed, Code: api.CodeInvalid,
				Message: r.Method + " is not what this path answers to", Fix: "use " + strings.Join(allowed, " or "),
			})
			return
		}
		if !public(r) {
			s.kit.Fail(w, r, notFound())
			return
		}
		s.o.Dashboard.ServeHTTP(w, r)
	})
}

// otherMethods lists the methods that the path of a request does answer to.
func otherMethods(mux *http.ServeMux, r *http.Request, methods map[string]bool) []string {
	var allowed []string
	for _, m := range []string{"GET", "POST", "PATCH", "DELETE"} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); methods[m] && pattern != "" {
			allowed = append(allowed, m)
		}
	}
	return allowed
}

// whenReady answers "not ready" until there is something to answer with. The
// port is bound before workers are touched, so callers may come early.
func (s *Server) whenReady(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.o.Backend.Ready() {
			w.Header().Set("Retry-After", "1")
			s.kit.Fail(w, r, notReady())
			return
		}
		next.ServeHTTP(w, r)
	})
}
