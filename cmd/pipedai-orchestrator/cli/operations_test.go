package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/buildinfo"
)

func operationOf(status string) api.Operation {
	op := api.Operation{
		ID: "op_1", Kind: "build", Status: status, Step: "register", Steps: []string{"mint", "register"}, AskedBy: "cli",
		Progress: 50, StartedAt: api.At(time.Now()), UpdatedAt: api.At(time.Now()),
	}
	switch status {
	case "running":
		op.Cancellable, op.Message = true, "registering the worker"
	case "succeeded":
		op.WorkerID, op.Progress, op.EndedAt = "w2", 100, api.At(time.Now())
	case "failed":
		op.Error, op.Fix, op.EndedAt = "the token was used already", "build it again", api.At(time.Now())
	}
	return op
}

func TestOperations(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"))
	routes["GET /api/operations"] = api.Operations{Items: []api.Operation{operationOf("running"), operationOf("failed")}}
	routes["GET /api/operations/op_1"] = operationOf("running")
	routes["POST /api/operations/op_1/cancel"] = operationOf("running")
	fakeDaemon(t, tm, buildinfo.Version(), routes)

	tm.run(t, "operations").want(t, 0, "op_1", "register (50 %)", "failed")
	tm.run(t, "operations", "op_1").want(t, 0, "registering the worker", "operations cancel op_1")
	tm.run(t, "operations", "op_2").want(t, 1, "Not found")
	tm.run(t, "operations", "cancel", "op_1").want(t, 0, "is being taken back")
	r := tm.run(t, "operations", "--json")
	var list api.Operations
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list.Items) != 2 || r.err != "" {
		t.Errorf("%v: %s%s", err, r.out, r.err)
	}
	r = tm.run(t, "operations", "cancel", "op_1", "--json")
	var op api.Operation
	if err := json.Unmarshal([]byte(r.out), &op); err != nil || op.ID != "op_1" {
		t.Errorf("%v: %s%s", err, r.out, r.err)
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	for status, tt := range map[string]struct {
		args []string
		code int
		text []string
	}{
		"succeeded": {nil, 0, []string{"Built worker w2", "list"}},
		"failed":    {nil, 1, []string{"the token was used already", "build it again"}},
		"running":   {[]string{"--no-wait"}, 0, []string{"operations op_1"}},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			tm.stdin = "wrk_registration\n"
			op := operationOf(status)
			routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
			routes["POST /api/workers"] = api.BuildResult{Operation: &op}
			routes["GET /api/operations/op_1"] = op
			fakeDaemon(t, tm, buildinfo.Version(), routes)
			args := append([]string{"build", "--label", "pdf", "--token-stdin"}, tt.args...)
			tm.run(t, args...).want(t, tt.code, tt.text...)
			r := tm.run(t, append(args, "--json")...)
			if r.code != tt.code || strings.Contains(r.out+r.err, "wrk_registration") {
				t.Errorf("%d %s%s", r.code, r.out, r.err)
			}
			var report builtReport
			if err := json.Unmarshal([]byte(r.out), &report); tt.code == 0 && (err != nil || report.Operation.ID != "op_1" || report.ID != op.WorkerID) {
				t.Errorf("%v: %s", err, r.out)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
	routes["GET /api/events"] = api.HostEvents{Next: 2, Items: []api.HostEvent{
		{Seq: 1, At: api.At(time.Now()), Type: "daemon.started", Data: json.RawMessage(`{"pid":7}`)},
		{Seq: 2, At: api.At(time.Now()), Type: "worker.started", WorkerID: "w1", Data: json.RawMessage(`{"pid":8}`)},
	}}
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	tm.run(t, "events").want(t, 0, "daemon.started", "pid=7", "box  pid=8")
	r := tm.run(t, "events", "--worker", "box")
	if r.want(t, 0, "worker.started"); strings.Contains(r.out, "daemon.started") {
		t.Errorf("events of one worker: %s", r.out)
	}
	r = tm.run(t, "events", "--json", "--since", "1")
	var one api.HostEvent
	if err := json.Unmarshal([]byte(r.out), &one); err != nil || one.Seq != 2 || r.err != "" {
		t.Errorf("%v: %s%s", err, r.out, r.err)
	}
}

func TestOperationsAndEvents_usage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"operations", "--limit", "0"}, {"operations", "a", "b"}, {"operations", "cancel"},
		{"events", "--since", "-1"}, {"events", "-n", "0"}, {"build", "x"}, {"build", "--token-stdin", "--token-file", "f"},
	} {
		newTerminal(t).run(t, args...).want(t, 2)
	}
	for _, args := range [][]string{{"operations"}, {"operations", "op_1"}, {"events"}, {"build", "--api-url", "https://a.test"}} {
		newTerminal(t).run(t, args...).want(t, 3)
	}
	tm := newTerminal(t)
	tm.stdin = ""
	tm.run(t, "build", "--token-stdin").want(t, 2, "holds no registration token")
}
