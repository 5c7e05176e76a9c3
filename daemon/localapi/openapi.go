package localapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"pipedai/internal/buildinfo"
	"pipedai/internal/httpkit"
	"pipedai/internal/openapi"
)

// description is every route with what there is to know about it: the types of
// its JSON from the table of routes, the rest from reference.go.
func (s *Server) description() openapi.Interface {
	about := reference()
	out := openapi.Interface{
		Title: "the daemon of a host", Version: buildinfo.Version(), Intro: referenceIntro,
		Address: "http://127.0.0.1:4599", Declared: true, Refusals: refusals(),
	}
	for _, rt := range s.table() {
		route := openapi.Route{Pattern: rt.pattern(), About: about[rt.pattern()], Group: "this host", Unavailable: starting}
		if strings.HasPrefix(rt.path, "/api/workers") {
			route.Group = "workers"
		}
		if rt.path != pathHealthz {
			route.Access = "holders of the token of this host"
		}
		if typed, ok := rt.handler.(httpkit.Typed); ok {
			route.Body, route.Answer = typed.Body, typed.Answer
		}
		if rt.method != http.MethodGet && rt.method != http.MethodDelete {
			route.Errors = append(route.Errors, openapi.Fail(http.StatusUnsupportedMediaType, "the request must be declared as JSON, uncompressed"),
				openapi.Fail(http.StatusRequestEntityTooLarge, "the body has more than 64 KiB"))
		}
		out.Routes = append(out.Routes, route)
	}
	return out
}

// starting is what 503 means here.
const starting = "the daemon is starting or stopping, or the manifest cannot be used now: try again after Retry-After"

// undescribed names every route that the reference does not have, and every
// entry of the reference that is no route.
func (s *Server) undescribed() error {
	about := reference()
	var problems []error
	for _, rt := range s.table() {
		if _, known := about[rt.pattern()]; !known {
			problems = append(problems, fmt.Errorf("route %s is not in reference.go", rt.pattern()))
		}
		delete(about, rt.pattern())
	}
	for pattern := range about {
		problems = append(problems, fmt.Errorf("reference.go has %s, which is no route", pattern))
	}
	return errors.Join(problems...)
}

// openapi answers GET /api/openapi.json. The document is made once: it changes
// with the program only.
func (s *Server) openapi(w http.ResponseWriter, r *http.Request) {
	document, err := s.document()
	if err != nil {
		s.kit.Fail(w, r, fmt.Errorf("describe the local API: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // the client is gone; there is nobody to tell
}

// Reference returns the page that people read of the same description, in
// Markdown. It needs no daemon.
func Reference() (string, error) {
	return (&Server{kit: &httpkit.Kit{}}).description().Markdown()
}
