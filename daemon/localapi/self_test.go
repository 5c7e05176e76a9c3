package localapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"pipedai/api"
)

func (b *fakeBackend) UpgradeSelf(_ context.Context, req api.UpgradeSelfRequest, by string, wait bool) (api.UpgradeSelfResult, error) {
	if (req.Version == "") == (req.FromLocal == "") {
		return api.UpgradeSelfResult{}, &api.Error{Status: 400, Code: api.CodeInvalid, Message: "exactly one"}
	}
	op := api.Operation{ID: "op_1", Kind: "upgrade-self", Status: "running", Steps: []string{"check"}, AskedBy: by}
	if wait {
		op.Step = "rehearse"
	}
	return api.UpgradeSelfResult{OK: true, Action: "upgrade-self", DurationMs: 7, Operation: &op}, b.broken
}

func TestUpgradeSelf(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/api/upgrade-self", `{"version":"1.2.3"}`, http.StatusOK, `"ok":true,"action":"upgrade-self","durationMs":7`},
		{"/api/upgrade-self?async=1", `{"fromLocal":"/x"}`, http.StatusAccepted, `"op_1"`},
		{"/api/upgrade-self", `{"version":"1.2.3","fromLocal":"/x"}`, http.StatusBadRequest, "exactly one"},
		{"/api/upgrade-self?async=maybe", `{"version":"1.2.3"}`, http.StatusBadRequest, "async"},
		{"/api/upgrade-self", `{"version":"1.2.3","timeoutMs":-1}`, http.StatusBadRequest, "timeoutMs"},
	} {
		status, _, body := f.ask(t, strings.TrimSuffix(f.plain("POST", test.path, "Content-Length: "+strconv.Itoa(len(test.body))), "{}")+test.body)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", test.path, test.body, status, body, test.status, test.want)
		}
	}
}
