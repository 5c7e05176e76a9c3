package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func TestRuns_listAndShow(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
	routes["GET /api/workers/w1/runs"] = api.LocalRuns{Items: []api.LocalRun{{RunID: "run_abc", Bytes: 2048}, {RunID: "run_abd", Bytes: 10}}}
	routes["GET /api/workers/w1/runs/run_old/events"] = api.LocalRunEvents{Items: []api.LocalRunEvent{}}
	fakeDaemon(t, tm, "0.1.0-dev", routes)

	tm.run(t, "runs", "box").want(t, 0, "RUN", "run_abc", "2.0 KiB", "run_abd", "10 B")
	if r := tm.run(t, "runs", "box", "--json"); r.code != 0 || !strings.Contains(r.out, `"runId": "run_abc"`) {
		t.Errorf("--json: %d %s", r.code, r.out)
	}
	tm.run(t, "runs", "box", "run_a").want(t, cliutil.ExitUsage, "2 runs begin with", "run_abc, run_abd")
	tm.run(t, "runs", "box", "run_old").want(t, cliutil.ExitFailed, "no events of a run", "runs w1")
	tm.run(t, "runs", "nobody").want(t, cliutil.ExitFailed, "no worker has the id")
	tm.run(t, "runs", "box", "-f").want(t, cliutil.ExitUsage, "--follow needs a run")
	tm.run(t, "runs").want(t, cliutil.ExitUsage)
	newTerminal(t).run(t, "runs", "box").want(t, cliutil.ExitNotRunning)
}

// Every event is shown once, in order, whatever an answer holds; following ends
// with the run.
func TestRuns_followsUntilTheRunEnds(t *testing.T) {
	t.Parallel()
	events := []api.LocalRunEvent{
		{Seq: 1, Type: "system", TS: "2026-07-01T10:00:00.000Z", Payload: json.RawMessage(`{"subtype":"started","text":"started"}`)},
		{Seq: 2, Type: "system", TS: "2026-07-01T10:00:00.500Z", Payload: json.RawMessage(`{"subtype":"log","level":"warn","text":"odd \u001b[31m"}`)},
		{Seq: 3, Type: "system", TS: "2026-07-01T10:00:00.600Z", Payload: json.RawMessage(`{"subtype":"progress","percent":50,"text":"half"}`)},
		{Seq: 4, Type: "result", TS: "2026-07-01T10:00:01.000Z", Payload: json.RawMessage(`{"result":"success","status":"success"}`)},
	}
	// The file grows by one event with every look but the first.
	var looks atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
		switch r.URL.Path {
		case "/api/healthz":
			answer(api.LocalHealth{Status: "ok", Ready: true, PID: 4711})
		case "/api/self":
			answer(selfOf("running"))
		case "/api/workers":
			answer(api.FusedWorkers{Items: []api.FusedWorker{workerOf("w1", "box")}})
		case "/api/workers/w1/runs":
			answer(api.LocalRuns{Items: []api.LocalRun{{RunID: "run_abc"}}})
		case "/api/workers/w1/runs/run_abc/events":
			out := api.LocalRunEvents{Items: []api.LocalRunEvent{}}
			for _, e := range events[:min(looks.Add(1)-1, int64(len(events)))] {
				if after := r.URL.Query().Get("after"); after == "-1" || e.Seq > int64(after[0]-'0') {
					out.Items = append(out.Items, e)
				}
			}
			answer(out)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tm := newTerminal(t)
	write(t, filepath.Join(tm.home, "orchestrator", "credentials.json"), `{"version":1,"localToken":"oct_ours"}`)
	write(t, filepath.Join(tm.home, "orchestrator", "daemon.json"), `{"pid":4711,"port":`+port+`,"version":"0.1.0-dev","startedAt":"2026-01-01T00:00:00.000Z"}`)

	r := tm.run(t, "runs", "box", "run_a", "-f")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if r.code != 0 || len(lines) != len(events) || strings.Contains(r.out, "\x1b") {
		t.Fatalf("%d\n%s%s", r.code, r.out, r.err)
	}
	for i, want := range []string{"started", "warn odd", " 50 % half", "result    success"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %q, want %q", lines[i], want)
		}
	}
	r = tm.run(t, "runs", "box", "run_abc", "--json")
	if lines := strings.Split(strings.TrimSpace(r.out), "\n"); r.code != 0 || len(lines) != 4 || !jsonOnly(r.out) {
		t.Errorf("--json: %d\n%s", r.code, r.out)
	}
}
