package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
)

const (
	largeService = "large"
	fanOut       = 10_000
	layers       = 20
	layerWidth   = 25
	manyRuns     = 1_000
)

// TestLargePages: rows X3 and X5 against the real program: a run of 10,000
// tasks and a graph of 500 with 2,000 edges stay interactive while the run goes
// on, and of 1,000 runs that end together list and page say the same.
func TestLargePages(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	w := p.puller(t, largeTasks())
	dense := p.triggerLarge(t, "root")
	w.work(t, layers*layerWidth+1, nil)
	wide := p.triggerLarge(t, "split")
	w.work(t, 1, nil)

	// The page asks for the work when it is ready to watch it.
	control := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		n, _ := strconv.Atoi(query.Get("n"))
		switch query.Get("what") {
		case "work":
			every, _ := strconv.Atoi(query.Get("failEvery"))
			w.work(t, n, func(i int) bool { return every > 0 && i%every == every-1 })
		case "runs":
			const lanes = 8
			var all sync.WaitGroup
			for lane := range lanes {
				all.Go(func() {
					for range (n + lane) / lanes {
						p.triggerLarge(t, "tick")
					}
				})
			}
			all.Wait()
		}
		_, _ = io.WriteString(rw, "done")
	}))
	defer control.Close()
	b := openBrowser(t, map[string]any{"console": p.url(""), "tokens": map[string]string{"ada": p.token(t)}})
	b.step(t, "large", map[string]any{
		"control": control.URL, "wide": wide, "dense": dense, "tasks": fanOut, "nodes": layers*layerWidth + 1, "runs": manyRuns,
	})
	b.close(t)
}

// largeTasks are a fan-out, a graph in layers, and a task alone.
func largeTasks() []api.TaskRegistration {
	retries := 0.0
	var tasks []api.TaskRegistration
	add := func(id string, next []string) {
		tasks = append(tasks, api.TaskRegistration{ID: id, CodeHash: "1", AllowedNext: next, Retries: &retries})
	}
	var pages []string
	for i := range fanOut {
		pages = append(pages, fmt.Sprintf("page-%05d", i))
	}
	add("split", pages)
	for _, id := range pages {
		add(id, []string{})
	}
	step := func(layer, i int) string { return fmt.Sprintf("step-%d-%d", layer, i%layerWidth) }
	var first []string
	for i := range layerWidth {
		first = append(first, step(0, i))
	}
	add("root", first)
	for layer := range layers {
		for i := range layerWidth {
			next := []string{}
			if layer+1 < layers {
				for _, k := range []int{0, 1, 5, 11} {
					next = append(next, step(layer+1, i+k))
				}
			}
			add(step(layer, i), next)
		}
	}
	add("tick", []string{})
	return tasks
}

func (p *plane) triggerLarge(t testing.TB, pipeline string) string {
	t.Helper()
	var answer api.TriggerResponse
	status, body := request(t, http.MethodPost, p.url("/api/pipelines/"+pipeline+"/trigger"), "",
		map[string]any{"input": map[string]any{}, "failureMode": "continue"}, &answer)
	if status != http.StatusOK {
		t.Fatalf("trigger %s: status %d: %s", pipeline, status, body)
	}
	return answer.PipelineRunID
}

// puller is a worker that does nothing, quickly.
type puller struct{ c *client.Client }

func (p *plane) puller(t testing.TB, tasks []api.TaskRegistration) *puller {
	t.Helper()
	var issued api.IssuedCode
	request(t, http.MethodPost, p.url("/api/v1/enrollments/codes"), p.token(t), api.IssueCodeRequest{}, &issued)
	var got api.RedeemResult
	status, body := request(t, http.MethodPost, p.url("/api/v1/enrollments/redeem"), "",
		api.RedeemRequest{Code: issued.Code, Hostname: "puller", OS: "linux", Version: "1.0.0"}, &got)
	if status != http.StatusOK {
		t.Fatalf("redeem: status %d: %s", status, body)
	}
	w := &puller{c: client.New(p.url(""), client.Options{Token: secret.Text(got.WorkerToken)})}
	if _, err := w.c.RegisterSelf(t.Context(), api.RegisterRequest{ServiceID: largeService, Version: "1.0.0", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	return w
}

// work ends n task runs; fails says which of them do.
func (w *puller) work(t testing.TB, n int, fails func(i int) bool) {
	no, batch := false, 200
	for done := 0; done < n; {
		claimed, err := w.c.Claim(t.Context(), api.ClaimRequest{ServiceID: largeService, Max: min(batch, n-done), WaitMs: 5000})
		if err != nil {
			t.Errorf("claim: %v", err)
			return
		}
		if len(claimed.Runs) == 0 {
			t.Errorf("%d of %d task runs were there", done, n)
			return
		}
		var ends api.CallbacksRequest
		for i, run := range claimed.Runs {
			end := api.CallbackRequest{Status: "success", Attempt: run.Attempt}
			if fails != nil && fails(done+i) {
				end = api.CallbackRequest{Status: "failed", Error: "it is torn", Retryable: &no, Attempt: run.Attempt}
			}
			ends.Callbacks = append(ends.Callbacks, api.RunCallback{RunID: run.RunID, Callback: end})
		}
		done += len(claimed.Runs)
		got, err := w.c.Callbacks(t.Context(), ends)
		if err != nil {
			t.Errorf("report: %v", err)
			return
		}
		for _, r := range got.Results {
			if r.Status != http.StatusOK {
				text, _ := json.Marshal(r)
				t.Errorf("report: %s", text)
				return
			}
		}
	}
}
