package controlplane

import (
	"net/http"
	"strings"
	"testing"

	"pipedai/internal/httpkit"
)

// TestAudit_everyRoute: a route that may change something cannot be forgotten
// by the audit log.
func TestAudit_everyRoute(t *testing.T) {
	t.Parallel()
	s := &Server{kit: &httpkit.Kit{}}
	if err := unnamed(s.routes()); err != nil {
		t.Error(err)
	}
	for _, r := range s.routes() {
		if noun, verb, two := strings.Cut(r.access.audit.action, "."); r.access.audit.action != "" && (!two || noun == "" || verb == "") {
			t.Errorf("%s is recorded as %q, which is not noun.verb", r.pattern, r.access.audit.action)
		}
	}
	forgotten := append(s.routes(), route{pattern: "POST /api/v1/new", access: operate, handler: http.NotFoundHandler()})
	if err := unnamed(forgotten); err == nil || !strings.Contains(err.Error(), "POST /api/v1/new") {
		t.Errorf("a route without an action: %v", err)
	}
}
