package controlplane

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pipedai/api"
)

// announced is a registration of n tasks; next says where each leads.
func announced(service string, n int, next func(i int) []string) string {
	req := api.RegisterRequest{ServiceID: service, Version: "1", BaseURL: "http://h"}
	for i := range n {
		req.Tasks = append(req.Tasks, api.TaskRegistration{ID: fmt.Sprintf("%s-%d", service, i), CodeHash: "1", AllowedNext: next(i)})
	}
	data, err := json.Marshal(req)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// TestLimits_graphs: graphs far larger than people draw are registered,
// planned, started and read; those that could not be kept are refused with a
// sentence.
func TestLimits_graphs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tasks int
		next  func(i int) []string
		check func(t *testing.T, b *bench, plan api.DryRun)
	}{
		"10,000 tasks that lead nowhere": {10_000, func(int) []string { return nil }, func(t *testing.T, b *bench, plan api.DryRun) {
			if len(plan.Plan[0].Tasks) != 10_000 {
				t.Errorf("the first step has %d tasks", len(plan.Plan[0].Tasks))
			}
		}},
		"a chain of 2,000": {2000, func(i int) []string {
			if i == 1999 {
				return nil
			}
			return []string{fmt.Sprintf("big-%d", i+1)}
		}, func(t *testing.T, b *bench, plan api.DryRun) {
			if len(plan.Plan) != 2000 {
				t.Errorf("the plan has %d steps", len(plan.Plan))
			}
		}},
		"a join of 2,000": {2002, func(i int) []string {
			switch i {
			case 0:
				var all []string
				for j := range 2000 {
					all = append(all, fmt.Sprintf("big-%d", j+1))
				}
				return all
			case 2001:
				return nil
			}
			return []string{"big-2001"}
		}, func(t *testing.T, b *bench, plan api.DryRun) {
			if len(plan.Plan) != 3 || len(plan.Plan[1].Tasks) != 2000 || len(plan.Plan[2].WaitsFor) != 2000 {
				t.Errorf("the plan has %d steps", len(plan.Plan))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.post("/api/register", announced("big", test.tasks, test.next), nil)
			b.post("/api/register", announced("big", test.tasks, test.next), nil) // and again, as every start of a worker does
			var plan api.DryRun
			b.post("/api/pipelines/big/dry-run", `{}`, &plan)
			if !plan.Valid {
				t.Fatalf("%.500v", plan.Errors)
			}
			test.check(t, b, plan)
			var run api.TriggerResponse
			b.post("/api/pipelines/big/trigger", `{}`, &run)
			if w := b.do("GET", "/api/runs/"+run.PipelineRunID, ""); w.Code != http.StatusOK {
				t.Errorf("the run: %d %.300s", w.Code, w.Body)
			}
			if w := b.do("POST", "/api/runs/"+run.PipelineRunID+"/cancel", `{}`); w.Code != http.StatusOK {
				t.Errorf("cancelled: %d %.300s", w.Code, w.Body)
			}
		})
	}
}

// TestLimits_derivedGraphsDoNotMultiply: every entry task has a pipeline of its
// own with all that it leads to, so that a few kilobytes of registration could
// mean gigabytes of graphs.
func TestLimits_derivedGraphsDoNotMultiply(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// 800 entries, each before the same chain of 800.
	body := announced("wide", 1600, func(i int) []string {
		switch {
		case i < 800:
			return []string{"wide-800"}
		case i == 1599:
			return nil
		}
		return []string{fmt.Sprintf("wide-%d", i+1)}
	})
	w := b.do("POST", "/api/register", body)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %.300s", w.Code, w.Body)
	}
	list := b.do("GET", "/api/pipelines", "")
	if n := list.Body.Len(); n > 1<<20 {
		t.Errorf("the list of pipelines has %d bytes", n)
	}
}

// TestLimits_lengths: what is longer than its column or its use.
func TestLimits_lengths(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", pdf, nil)
	long := strings.Repeat("x", 300)
	b.hold([]contractRow{
		{"1.3 service id", "POST", "/api/register", `{"serviceId":"` + long + `","version":"1","baseUrl":"http://h","tasks":[]}`, nil, 400, []string{`"serviceId":{"_errors":["String must contain at most 255 character(s)"]}`}, nil},
		{"1.3 successor", "POST", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://h","tasks":[{"id":"a","codeHash":"1","allowedNext":["` + long + `"]}]}`, nil, 400, []string{`"allowedNext":{`}, nil},
		{"1.3 version", "POST", "/api/register", `{"serviceId":"s","version":"` + long + `","baseUrl":"http://h","tasks":[]}`, nil, 400, []string{`"version":{"_errors":["String must contain at most 255 character(s)"]}`}, nil},
		{"1.3 code hash", "POST", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://h","tasks":[{"id":"a","codeHash":"` + long + `"}]}`, nil, 400, []string{`"codeHash":{"_errors":["String must contain at most 255 character(s)"]}`}, nil},
		{"1.3 address", "POST", "/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://h/` + strings.Repeat("x", 3000) + `","tasks":[]}`, nil, 400, []string{`"baseUrl":{"_errors":["String must contain at most 2048 character(s)"]}`}, nil},
		{"1.4 pipeline id", "PUT", "/api/pipelines/" + long, `{"entryTasks":["text"]}`, nil, 400, []string{`"id":{"_errors":[`}, nil},
		{"1.4 idempotency key", "POST", "/api/pipelines/pdf/trigger", `{"input":{},"idempotencyKey":"` + strings.Repeat("k", 5000) + `"}`, nil, 400, []string{`"idempotencyKey":{"_errors":["String must contain at most 255 character(s)"]}`}, nil},
		{"1.5 idempotency key", "POST", "/api/queue/task", `{"taskId":"text","idempotencyKey":"` + strings.Repeat("k", 5000) + `"}`, nil, 400, []string{`"idempotencyKey":{"_errors":["String must contain at most 255 character(s)"]}`}, nil},
		{"1.7 error text", "POST", "/api/callback/trun_x", `{"status":"failed","error":"` + strings.Repeat("e", 1<<20) + `"}`, nil, 404, nil, nil},
		{"1.7 message", "POST", "/api/progress", `{"runId":"x","progress":1,"message":"` + strings.Repeat("m", 1<<20) + `"}`, nil, 200, []string{`"acknowledged":false`}, nil},
	})
}
