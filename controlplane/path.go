package controlplane

import (
	"net/http"
	"net/url"
	"slices"
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
		path = s.lowerWords(path, segments)
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

// wordTables are the engine's routes as the segments of their paths, those with
// the most fixed words first, so that /api/dlq/retry-all is not read as an id.
func wordTables(routes []route) [][]string {
	var out [][]string
	for _, r := range routes {
		_, path, _ := strings.Cut(r.pattern, " ")
		if !strings.HasPrefix(path, "/api/v1/") { // those clients spell paths exactly
			out = append(out, strings.Split(path, "/"))
		}
	}
	fixed := func(words []string) (n int) {
		for _, word := range words {
			if !strings.HasPrefix(word, "{") {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b []string) int { return fixed(b) - fixed(a) })
	return out
}

// lowerWords lower-cases the words of an engine route and leaves its ids:
// /API/Pipelines/Invoices/Trigger is /api/pipelines/Invoices/trigger.
func (s *Server) lowerWords(path string, segments []string) string {
	if path == strings.ToLower(path) {
		return path
	}
	for _, words := range s.words {
		if lowered, fits := spelledAs(words, segments); fits {
			return strings.Join(lowered, "/")
		}
	}
	return path
}

// spelledAs returns the segments with the words of a route, if they fit it.
func spelledAs(words, segments []string) ([]string, bool) {
	rest := strings.HasSuffix(words[len(words)-1], "...}")
	if len(segments) != len(words) && (!rest || len(segments) < len(words)) {
		return nil, false
	}
	out := slices.Clone(segments)
	for i, word := range words {
		if strings.HasPrefix(word, "{") {
			continue
		}
		if !strings.EqualFold(word, segments[i]) {
			return nil, false
		}
		out[i] = word
	}
	return out, true
}
