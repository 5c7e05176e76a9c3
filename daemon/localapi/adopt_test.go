package localapi

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"pipedai/api"
)

var _ Adoption = (*fakeBackend)(nil)

func (b *fakeBackend) Adoptable(context.Context) (api.AdoptResult, error) {
	return api.AdoptResult{Items: []api.AdoptItem{{
		Path: "/h/worker.json", Label: "default", WorkerID: "w2", Status: api.AdoptRunning,
		Processes: []api.AdoptProcess{{PID: 7, Command: "pipedai-worker run --config /h/worker.json"}},
	}}}, b.broken
}

func (b *fakeBackend) Adopt(_ context.Context, req api.AdoptRequest, by string) (api.AdoptResult, error) {
	out := api.AdoptResult{Items: []api.AdoptItem{{Path: "/h/worker.json", Label: "default", Status: api.AdoptAdopted, Reason: by}}}
	if req.TakeOver {
		out.Operation = &api.Operation{ID: "op_1", Kind: "adopt", Status: "running", Steps: []string{"adopt"}}
	}
	return out, b.broken
}

func (b *fakeBackend) UndoAdopt(_ context.Context, id, _ string) (api.AdoptResult, error) {
	out := api.AdoptResult{Items: []api.AdoptItem{{WorkerID: id, Status: api.AdoptUndone}}}
	if id == "busy" {
		out.Operation = &api.Operation{ID: "op_2", Kind: "adopt-undo", Status: "running", Steps: []string{"give-back"}}
	}
	return out, b.broken
}

// Giving back that goes on is accepted, not done.
func TestUndoAdopt_goesOn(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for body, want := range map[string]int{`{"workerId":"w1"}`: 200, `{"workerId":"busy"}`: 202, `{}`: 400} {
		req := f.plain("POST", "/api/adopt/undo", "Content-Length: "+strconv.Itoa(len(body)))
		if status, _, answer := f.ask(t, strings.TrimSuffix(req, "{}")+body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

// A take-over that goes on is accepted, not done.
func TestAdopt_goesOn(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	for body, want := range map[string]int{`{}`: 200, `{"takeOver":true}`: 202, `{"paths":[""]}`: 400} {
		req := f.plain("POST", "/api/adopt", "Content-Length: "+strconv.Itoa(len(body)))
		req = strings.TrimSuffix(req, "{}") + body
		if status, _, answer := f.ask(t, req); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
