package localapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"pipedai/api"
)

var _ Lifecycle = (*fakeBackend)(nil)

func (b *fakeBackend) Build(_ context.Context, req api.BuildRequest, _ string, wait bool) (api.BuildResult, error) {
	if !wait {
		return api.BuildResult{Operation: &api.Operation{ID: "op_1", Kind: "build", Status: "running", Steps: []string{}}}, nil
	}
	return api.BuildResult{ID: "built-" + req.Label}, nil
}

func (b *fakeBackend) Operations(_ context.Context, limit int) ([]api.Operation, error) {
	return []api.Operation{{ID: "op_1", Kind: "delete", Status: "running", Progress: limit, Steps: []string{}}}, nil
}

func (b *fakeBackend) Operation(_ context.Context, id string) (api.Operation, error) {
	if id != "op_1" {
		return api.Operation{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "no operation has this id"}
	}
	return api.Operation{ID: id, Status: "running", Steps: []string{}}, nil
}

func (b *fakeBackend) CancelOperation(ctx context.Context, id, _ string) (api.Operation, error) {
	return b.Operation(ctx, id)
}

func (b *fakeBackend) HostEvents(_ context.Context, since int64, worker string, _ int) (api.HostEvents, error) {
	return api.HostEvents{Items: []api.HostEvent{{Seq: since + 1, WorkerID: worker, Type: "worker.started", Data: json.RawMessage("{}")}}, Next: since + 1}, b.broken
}

func TestLifecycle_routes(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	const build = `{"apiUrl":"https://a.test","label":"x"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/api/workers", build, 201, `{"id":"built-x"}`},
		{"POST", "/api/workers?async=1", build, 202, `"operation":{"id":"op_1"`},
		{"POST", "/api/workers?async=maybe", build, 400, "async must be 1 or 0"},
		{"POST", "/api/workers", `{"label":"x"}`, 400, "apiUrl"},
		{"POST", "/api/workers", `{"apiUrl":"https://a.test","authMode":"magic"}`, 400, "authMode"},
		{"POST", "/api/workers", `{`, 400, ""},
		{"GET", "/api/operations", "", 200, `"progress":50`},
		{"GET", "/api/operations?limit=0", "", 400, "limit"},
		{"GET", "/api/operations/op_1", "", 200, `"id":"op_1"`},
		{"GET", "/api/operations/op_2", "", 404, "no operation"},
		{"POST", "/api/operations/op_1/cancel", "{}", 200, `"id":"op_1"`},
		{"GET", "/api/events?since=7&worker=w1", "", 200, `"next":8`},
		{"GET", "/api/events?since=-1", "", 400, "since"},
		{"GET", "/api/events?worker=..%2Fx", "", 404, "worker"},
		{"POST", "/api/workers/w1/start?now=1", "{}", 400, "now with stop"},
		{"POST", "/api/workers/w1/stop?drain=1", "{}", 400, "drain goes with"},
		{"POST", "/api/workers/w1/stop?now=perhaps", "{}", 400, "now must be"},
		{"POST", "/api/workers/w1/stop?now=1", "{}", 200, `"stop"`},
		{"POST", "/api/workers/w1/restart", "{}", 200, `"restart"`},
		{"POST", "/api/workers/w1/disable?drain=1", "{}", 200, `"disable"`},
		{"DELETE", "/api/workers/w1", "", 200, `"delete"`},
		{"DELETE", "/api/workers/w1?drain=0", "", 200, `"delete"`},
		{"DELETE", "/api/workers/w1?now=1", "", 200, `"delete"`},
	} {
		request := f.plain(c.method, c.path)
		if c.method == "POST" {
			request = f.plain(c.method, c.path, "Content-Length: "+strconv.Itoa(len(c.body)))
			request = strings.TrimSuffix(request, "{}") + c.body
		}
		status, _, body := f.ask(t, request)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d with %q", c.method, c.path, status, body, c.status, c.want)
		}
	}
	want := "stop now w1,restart w1,disable drain w1,delete drain w1,delete now w1,delete now w1"
	got := strings.Join(f.backend.acts, ",")
	if got != want {
		t.Errorf("acts %s\nwant %s", got, want)
	}
}

func TestAskedBy(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"pipedai-orchestrator/1.2.3":           "cli",
		"Mozilla/5.0 (X11; Linux) Firefox/140": "dashboard",
		"curl/8.1\x1b[31m":                     "curl/8.1[31m",
		"":                                     "a program",
	} {
		r := &http.Request{Header: http.Header{"User-Agent": {agent}}}
		if got := askedBy(r); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}
