package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/pgserver"
)

// The promise of this file: three replicas share a PostgreSQL, any of them is
// killed every few hundred milliseconds, the database is restarted, and of the
// runs that go through meanwhile none is lost, doubled or stuck.
//
// PIPEWEAVE_CHAOS_RUNS makes it longer (make test-long: 2000),
// PIPEWEAVE_CHAOS_SEED repeats a choice of runs and kills.

// chaosRuns is how many pipeline runs go through.
const chaosRuns = 900

// kind is one sort of run.
type kind struct {
	service string
	options api.TriggerRequest
	share   int // of 20
	status  string
	tasks   map[string][]string // the statuses a task may end with; "" is: it has no row
}

var (
	done   = []string{"completed"}
	failed = []string{"failed"}
)

func kinds() []kind {
	return []kind{
		{service: "diamond", share: 6, status: "completed", tasks: map[string][]string{"d1": done, "d2": done, "d3": done, "d4": done}},
		{service: "chain", share: 4, status: "completed", tasks: map[string][]string{"c1": done, "c2": done, "c3": done, "c4": done, "c5": done}},
		{service: "flaky", share: 4, status: "completed", tasks: map[string][]string{"f1": done, "f2": done}},
		{service: "limited", share: 3, status: "completed", tasks: map[string][]string{"l1": done}},
		// x2 fails for good. The branch beside it may have been done before that.
		{service: "broken", share: 2, status: "failed", tasks: map[string][]string{"x1": done, "x2": failed,
			"x3": {"completed", "cancelled", ""}, "x4": {"cancelled", "skipped", ""}, "x5": {"completed", "cancelled", "skipped", ""}}},
		{service: "broken", share: 1, options: api.TriggerRequest{FailureMode: "continue"}, status: "partial", tasks: map[string][]string{
			"x1": done, "x2": failed, "x3": done, "x4": {"cancelled", "skipped", ""}, "x5": done}},
	}
}

// limitOfLimited lets through a little more than comes, so that the limit is
// reached all the time.
const limitOfLimited = 2

// register announces the services of the kinds above.
func (c *chaos) register() {
	c.t.Helper()
	tries, delay, interval := 30.0, 50.0, 1500.0
	task := func(id string, next ...string) api.TaskRegistration {
		return api.TaskRegistration{ID: id, CodeHash: "0123456789abcdef", AllowedNext: append([]string{}, next...),
			Retries: &tries, RetryDelayMs: &delay, RetryBackoff: "fixed", HeartbeatIntervalMs: &interval}
	}
	limited := task("l1")
	most := float64(limitOfLimited)
	limited.Concurrency = &most
	for service, tasks := range map[string][]api.TaskRegistration{
		"diamond": {task("d1", "d2", "d3"), task("d2", "d4"), task("d3", "d4"), task("d4")},
		"flaky":   {task("f1", "f2"), task("f2")},
		"limited": {limited},
		"broken":  {task("x1", "x2", "x3"), task("x2", "x4"), task("x3", "x4", "x5"), task("x4"), task("x5")},
	} {
		req := api.RegisterRequest{ServiceID: service, Version: "1.0.0", BaseURL: c.service.url, Tasks: tasks,
			Capabilities: []string{api.CapabilityInlineInput}}
		if _, err := c.replicas[0].client("").Register(c.t.Context(), req); err != nil {
			c.t.Fatalf("register %s: %v", service, err)
		}
	}
	c.enroll()
	req := api.RegisterRequest{ServiceID: "chain", Version: "1.0.0", Capabilities: []string{api.CapabilityInlineInput},
		Tasks: []api.TaskRegistration{task("c1", "c2"), task("c2", "c3"), task("c3", "c4"), task("c4", "c5"), task("c5")}}
	if _, err := c.replicas[0].client(c.token).RegisterSelf(c.t.Context(), req); err != nil {
		c.t.Fatalf("register chain: %v", err)
	}
}

// chaos is everything that takes part.
type chaos struct {
	t        *testing.T
	seed     uint64
	database *pgserver.Server
	replicas []*chaosReplica
	service  *chaosService
	token    string // of the pulling worker

	mu        sync.Mutex
	runs      map[string]int // acknowledged triggers: index of the kind by run
	ambiguous int            // triggers that were answered by nobody, or with a failure
}

func TestChaos_ReplicasAndDatabase(t *testing.T) {
	// Alone: it needs both processors, and its patience is about seconds.
	runs := setting(t, "PIPEWEAVE_CHAOS_RUNS", chaosRuns)
	c := newChaos(t, uint64(setting(t, "PIPEWEAVE_CHAOS_SEED", int(time.Now().UnixNano()&0xffff))))
	t.Logf("seed %d", c.seed)
	c.register()

	// Workers outlive the killing: what is open then still has to be done.
	working, stopWorking := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for i := range 3 {
		workers.Go(func() { c.pull(working, rand.New(rand.NewPCG(c.seed, uint64(100+i)))) })
	}
	defer workers.Wait()
	defer stopWorking()

	killing, stopKilling := context.WithCancel(t.Context())
	var killers sync.WaitGroup
	killers.Go(func() { c.killReplicas(killing, rand.New(rand.NewPCG(c.seed, 1))) })
	killers.Go(func() { c.restartDatabase(killing) })
	c.trigger(runs)
	stopKilling()
	killers.Wait()
	c.answering() // the one that was killed last may be starting

	open := c.settle()
	if len(open) > 0 {
		c.explain(open)
		t.Fatalf("%d runs are stuck (seed %d)", len(open), c.seed)
	}
	c.check()
	kills, restarts := 0, c.service.restarts
	for _, r := range c.replicas {
		kills += r.kills
	}
	t.Logf("%d runs, %d kills, %d restarts of the database, %d executions, %d ambiguous triggers",
		len(c.runs), kills, restarts, c.service.executions(), c.ambiguous)
	if kills < 10 || restarts < 2 || c.service.most < limitOfLimited {
		t.Errorf("%d kills, %d restarts of the database, at most %d of the limited task at once: this proved little", kills, restarts, c.service.most)
	}
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// trigger starts n runs of all kinds, over all replicas, at a pace at which
// plenty of kills fall into them.
func (c *chaos) trigger(n int) {
	const clients, perSecond = 4, 45
	all := kinds()
	var deck []int // indexes of kinds by share
	for i, k := range all {
		deck = append(deck, slices.Repeat([]int{i}, k.share)...)
	}
	var going sync.WaitGroup
	for client := range clients {
		going.Go(func() {
			choice := rand.New(rand.NewPCG(c.seed, uint64(10+client)))
			pace := time.NewTicker(clients * time.Second / perSecond)
			defer pace.Stop()
			for range n / clients {
				<-pace.C
				c.triggerOne(choice, all, deck[choice.IntN(len(deck))])
			}
		})
	}
	going.Wait()
}

func (c *chaos) triggerOne(choice *rand.Rand, all []kind, i int) {
	for {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		got, err := c.any(choice, "").Trigger(ctx, all[i].service, all[i].options)
		cancel()
		c.mu.Lock()
		if err == nil {
			c.runs[got.PipelineRunID] = i
			c.mu.Unlock()
			return
		}
		c.ambiguous++
		c.mu.Unlock()
		if c.t.Context().Err() != nil {
			return
		}
		<-time.After(20 * time.Millisecond) // another process starts
	}
}

// settle waits until no run is open, as long as something still ends, and
// returns those that are left.
func (c *chaos) settle() []string {
	c.t.Helper()
	// Longer than the lease of a claim that never reached its worker.
	const silence = 60 * time.Second
	var open []string
	for changed := time.Now(); time.Since(changed) < silence; <-time.After(100 * time.Millisecond) {
		before := len(open)
		open = nil
		for _, status := range []string{"pending", "running"} {
			open = append(open, c.list(status)...)
		}
		if len(open) == 0 {
			return nil
		}
		if len(open) != before {
			changed = time.Now()
		}
	}
	return open
}

// list names the runs with a status.
func (c *chaos) list(status string) []string {
	c.t.Helper()
	var out []string
	for {
		var page api.Runs
		get(c.t, at(c.replicas[0].port, fmt.Sprintf("/api/runs?limit=1000&offset=%d&status=%s", len(out), status)), "", &page)
		for _, run := range page.Runs {
			out = append(out, run.ID)
		}
		if len(page.Runs) < 1000 {
			return out
		}
	}
}

func (c *chaos) explain(open []string) {
	c.t.Helper()
	for _, id := range open[:min(len(open), 5)] {
		var run api.RunDetail
		get(c.t, at(c.replicas[0].port, "/api/runs/"+id), "", &run)
		c.t.Logf("run %s of %s is %s", id, run.PipelineID, run.Status)
		for _, task := range run.Tasks {
			c.t.Logf("  %s %s: %s, attempt %d, %s; the worker saw %s", task.TaskID, task.ID, task.Status, task.Attempt, task.Error,
				c.service.story(id, task.TaskID))
		}
	}
	for i, r := range c.replicas {
		c.t.Logf("replica %d:\n%s", i, tail(r.log.String()))
	}
}

// check holds every run against what its kind must end as, and against what
// the workers saw.
func (c *chaos) check() {
	c.t.Helper()
	all := kinds()
	total := 0
	for _, status := range []string{"completed", "failed", "partial", "cancelled"} {
		total += len(c.list(status))
	}
	if total < len(c.runs) || total > len(c.runs)+c.ambiguous {
		c.t.Errorf("there are %d runs; %d triggers were acknowledged and %d left open", total, len(c.runs), c.ambiguous)
	}
	problems := map[string]int{}
	complain := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if kind, _, _ := strings.Cut(text, ":"); problems[kind] < 5 { // the first few tell the story
			c.t.Error(text)
			problems[kind]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.runs)) {
		k := all[c.runs[id]]
		var run api.RunDetail
		get(c.t, at(c.replicas[0].port, "/api/runs/"+id), "", &run)
		if run.Status != k.status {
			complain("status: run %s of %s %s is %s, want %s", id, k.service, k.options.FailureMode, run.Status, k.status)
		}
		status := map[string]string{}
		for _, task := range run.Tasks {
			if _, twice := status[task.TaskID]; twice {
				complain("doubled: task %s has two rows in %s", task.TaskID, id)
			}
			status[task.TaskID] = task.Status
			if _, expected := k.tasks[task.TaskID]; !expected {
				complain("unknown: run %s of %s has a task %s", id, k.service, task.TaskID)
			}
			if problem := c.service.disagrees(id, task); problem != "" {
				complain("reports: %s of %s: %s; the worker saw %s", task.TaskID, id, problem, c.service.story(id, task.TaskID))
			}
		}
		for name, allowed := range k.tasks {
			if !slices.Contains(allowed, status[name]) {
				complain("task: %s of %s (%s %s) is %q, want one of %q", name, id, k.service, k.options.FailureMode, status[name], allowed)
			}
		}
	}
	for _, problem := range c.service.found() {
		complain("%s", problem)
	}
	var q api.QueueStatus
	get(c.t, at(c.replicas[0].port, "/api/queue/status"), "", &q)
	if q.Pending != 0 || q.Running != 0 {
		complain("counters: %d pending and %d running, and no run is open", q.Pending, q.Running)
	}
}
