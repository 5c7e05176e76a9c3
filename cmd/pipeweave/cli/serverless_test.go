package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/client"
)

// TestServe_serverless drives a whole pipeline, a retry included, by ticks
// alone: between them nothing moves.
func TestServe_serverless(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve("--mode", "serverless")
	defer stop()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	dispatched := make(chan api.Dispatch, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d api.Dispatch
		_ = json.NewDecoder(r.Body).Decode(&d)
		w.WriteHeader(http.StatusAccepted)
		dispatched <- d
	}))
	defer service.Close()
	once := float64(1)
	task := func(id string, next ...string) api.TaskRegistration {
		return api.TaskRegistration{ID: id, CodeHash: strings.Repeat("a", 16), AllowedNext: append([]string{}, next...), RetryDelayMs: &once}
	}
	if _, err := c.Register(t.Context(), api.RegisterRequest{
		ServiceID: "s", Version: "1.0.0", BaseURL: service.URL,
		Tasks: []api.TaskRegistration{task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d")},
	}); err != nil {
		t.Fatal(err)
	}
	started, err := c.Trigger(t.Context(), "s", api.TriggerRequest{})
	if err != nil {
		t.Fatal(err)
	}

	ticks, failed := 0, false
	for ticks < 500 {
		run, err := c.Run(t.Context(), started.PipelineRunID)
		if err != nil {
			t.Fatal(err)
		}
		if !run.CompletedAt.IsZero() {
			break
		}
		if _, err := c.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		ticks++
		for len(dispatched) > 0 { // a tick returns when its dispatches have ended
			d := <-dispatched
			report := api.CallbackRequest{Status: "success", OutputPath: "runs/" + d.RunID + "/output.json"}
			if d.TaskID == "b" && !failed {
				failed = true
				report = api.CallbackRequest{Status: "failed", Error: "once"}
			}
			if _, err := c.Callback(t.Context(), d.RunID, report); err != nil {
				t.Fatal(err)
			}
		}
	}
	run, err := c.Run(t.Context(), started.PipelineRunID)
	if err != nil {
		t.Fatal(err)
	}
	if run.Status != "completed" || len(run.Tasks) != 4 {
		t.Errorf("after %d ticks the run is %s with %d tasks", ticks, run.Status, len(run.Tasks))
	}
	if ticks < 4 {
		t.Errorf("a run of three levels and a retry took %d ticks: something moved between them", ticks)
	}
	select {
	case d := <-dispatched:
		t.Errorf("%s was dispatched without a tick", d.TaskID)
	default:
	}
}
