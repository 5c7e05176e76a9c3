package controlplane

import (
	"net/http"
	"net/url"
	"strings"
)

// capabilityPrefix starts the path of clients that cannot set headers: the
// segment after it proves who they are (see Server.capability).
const capabilityPrefix = "/cap/"

// paths applies the contract's rules for paths before the mux sees them:
// repeated slashes count as one, one trailing slash is ignored, and the fixed
// words of engine routes are read in any case. Ids keep their spelling.
//
// A dot segment is refused here, because the mux would answer it with a
// redirect to somewhere else.
func (s *Server) paths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
		r, path = s.takeCapability(r, path)
		if len(path) > 1 {
			path = strings.TrimSuffix(path, "/")
		}
		segments := strings.Split(path, "/") // the first is empty
		for _, segment := range segments {
			if segment == "." || segment == ".." {
				if strings.HasPrefix(strings.ToLower(path), "/api/storage/") {
					s.fail(w, r, "", errBadPath)
				} else {
					s.fail(w, r, "", errNoRoute)
				}
				return
			}
		}
		path = lowerWords(path, segments)
		if path != r.URL.EscapedPath() {
			decoded, err := url.PathUnescape(path)
			if err != nil {
				s.fail(w, r, "", errNoRoute)
				return
			}
			moved := *r.URL
			moved.Path, moved.RawPath = decoded, path
			copied := r.WithContext(r.Context())
			copied.URL = &moved
			r = copied
		}
		next.ServeHTTP(w, r)
	})
}

// lowerWords lower-cases the words of an engine route: /API/Pipelines/{id}/Trigger.
func lowerWords(path string, segments []string) string {
	if path == strings.ToLower(path) || len(segments) < 2 {
		return path
	}
	first := strings.ToLower(segments[1])
	if first == "health" && len(segments) == 2 {
		return "/health"
	}
	if first != "api" || len(segments) < 3 {
		return path
	}
	segments[1], segments[2] = first, strings.ToLower(segments[2])
	switch segments[2] {
	case "v1": // those clients spell paths exactly
	case "queue", "maintenance":
		if len(segments) > 3 {
			segments[3] = strings.ToLower(segments[3])
		}
	case "pipelines", "services", "tasks", "runs":
		if len(segments) > 4 {
			segments[4] = strings.ToLower(segments[4])
		}
	}
	return strings.Join(segments, "/")
}
