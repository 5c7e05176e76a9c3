package localapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestServer_changeWorkerReadsStrictly(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, tt := range []struct {
		path, body string
		status     int
		has        string
	}{
		{"/api/workers/w1", `{"limits":{"pids":7}}`, http.StatusOK, `"pids":7`},
		{"/api/workers/w1", `{}`, http.StatusOK, `"id":"w1"`},
		{"/api/workers/w1", `{"limits":{"memory":7}}`, http.StatusBadRequest, `unknown field \"memory\"`},
		{"/api/workers/w1", `{"stopGraceMs":"10m"}`, http.StatusBadRequest, "stopGraceMs"},
		{"/api/workers/w1", `[1]`, http.StatusBadRequest, "invalid_request"},
		{"/api/workers/w2", `{}`, http.StatusNotFound, "not_found"},
		{"/api/workers/con", `{}`, http.StatusNotFound, "not_found"},
	} {
		status, _, body := f.ask(t, strings.TrimSuffix(f.plain(http.MethodPatch, tt.path, "Content-Length: "+strconv.Itoa(len(tt.body))), "{}")+tt.body)
		if status != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("%s %s: %d %s", tt.path, tt.body, status, body)
		}
	}
}
