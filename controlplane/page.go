package controlplane

import (
	"net/http"
	"strings"
)

// page serves what is no API route: the console's pages and assets to those
// who read, and "no such route" for everything else.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	api := path == "/api" || strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, capabilityPrefix)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if s.o.Console == nil || api || !reads {
		s.fail(w, r, "", errNoRoute)
		return
	}
	s.o.Console.ServeHTTP(w, r)
}
