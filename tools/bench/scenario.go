package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A scenario measures one or more figures on a store.
type scenario struct {
	name   string
	stores []string
	run    func(ctx context.Context, m *measuring) error
}

// measuring is one repetition of one scenario on one store.
type measuring struct {
	g      *ground
	o      options
	store  string
	limits limits
	add    func(sample)
	note   func(format string, args ...any)
}

// sample is one measured value of a figure.
type sample struct {
	figure string
	value  float64
	limit  float64 // what to compare with; 0 for none
}

var both = []string{postgres, sqlite}

// columns are what a scenario can be measured on.
var columns = []string{postgres, sqlite, onHost}

func scenarios() []scenario {
	return append([]scenario{
		{"push", both, measurePush},
		{"pull", both, measurePull},
		{"enqueue", both, measureEnqueue},
		{"trigger", both, measureTrigger},
		{"diamond", both, measureDiamond},
		{"latency", both, measureLatency},
		{"chain", both, measureChain},
		{"history", both, measureHistory},
		{"snapshot", []string{postgres}, measureSnapshot},
		{"limit", []string{postgres}, measureLimit},
		{"kill", []string{postgres}, measureKill},
		{"idle", both, measureIdle},
	}, hostScenarios()...)
}

func scenarioNames() []string {
	var out []string
	for _, s := range scenarios() {
		out = append(out, s.name)
	}
	return out
}

// target is what a figure should reach on a store. A zero bound is none.
type target struct {
	least, most           float64
	leastRatio, mostRatio float64 // of the limit beside it
	over                  float64 // most, beyond the limit
	none                  bool    // not one
}

func (t target) String() string {
	var parts []string
	if t.none {
		parts = append(parts, "none")
	}
	for _, bound := range []struct {
		n      float64
		format string
	}{
		{t.least, "at least %s"}, {t.most, "at most %s"}, {t.leastRatio, "at least %s of the limit"},
		{t.mostRatio, "at most %s times"}, {t.over, "at most limit + %s"},
	} {
		if bound.n > 0 {
			parts = append(parts, fmt.Sprintf(bound.format, number(bound.n)))
		}
	}
	return strings.Join(parts, ", ")
}

// met judges medians: of the values, of the limits and of the ratios.
func (t target) met(value, limit, ratio float64) bool {
	return (t.least == 0 || value >= t.least) && (t.most == 0 || value <= t.most) &&
		(t.leastRatio == 0 || ratio >= t.leastRatio) && (t.mostRatio == 0 || ratio > 0 && ratio <= t.mostRatio) &&
		(t.over == 0 || value <= limit+t.over) && (!t.none || value == 0)
}

// figure is one row of the table.
type figure struct {
	id, title, unit string
	limit           string            // name of what stands beside it
	targets         map[string]target // by store; none: for information
}

func figures() []figure {
	of := func(pg, lite target) map[string]target { return map[string]target{postgres: pg, sqlite: lite} }
	least := func(n float64) target { return target{least: n} }
	most := func(n float64) target { return target{most: n} }
	return append([]figure{
		{"push", "push tasks, queued to durable completion", "tasks/s", limitPost, of(target{least: 6000, leastRatio: 0.2}, least(9000))},
		{"push-engine", "  processor of the engine per task", "µs", "", nil},
		{"push-database", "  processor of the database per task", "µs", "", nil},
		{"pull", "pull tasks, claims and reports in batches", "tasks/s", limitClaims, of(least(15000), least(15000))},
		{"pull-engine", "  processor of the engine per task", "µs", "", nil},
		{"pull-database", "  processor of the database per task", "µs", "", nil},
		{"enqueue", "enqueue, 10,000 per request", "tasks/s", limitCopy, of(target{least: 50000, leastRatio: 0.5}, least(100000))},
		{"trigger", "single triggers, 32 clients", "runs/s", limitCommits, of(target{leastRatio: 0.8}, least(3000))},
		{"diamond", "diamonds of 4 tasks, push, triggered before", "runs/s", limitPost, of(least(1200), least(1800))},
		{"diamond-live", "diamonds of 4 tasks, push, triggered meanwhile", "runs/s", limitPost, nil},
		{"latency-p50", "trigger to receipt, idle, p50", "ms", "", of(most(3), most(2))},
		{"latency-p99", "trigger to receipt, idle, p99", "ms", "", of(most(12), most(8))},
		{"chain", "chain of 400 steps, per step, p50", "ms", "", of(most(3), most(2))},
		{"history", "claim of 100 beside finished rows, p50", "ms", limitEmpty, of(target{mostRatio: 1.1}, target{mostRatio: 1.1})},
		{"snapshot", "push tasks while a foreign snapshot is held", "tasks/s", limitBaseline, of(target{leastRatio: 0.7}, target{})},
		{"limit", "push tasks, at most 40 at once, 4 replicas", "tasks/s", limitUnbound, of(target{leastRatio: 0.85}, target{})},
		{"kill", "replica killed: last task dispatched again", "s", limitLease, of(target{over: 2}, target{})},
		{"idle-statements", "idle replica, statements", "/s", "", of(most(5), target{})},
		{"idle-cpu", "idle replica, processor", "%", "", of(most(1), most(1))},
		{"idle-memory", "idle replica, memory", "MB", "", of(most(60), most(60))},
		{"memory-push", "most memory, pushing", "MB", "", of(most(250), most(250))},
		{"memory-pull", "most memory, pulled from", "MB", "", of(most(250), most(250))},
		{"memory-enqueue", "most memory, enqueueing", "MB", "", of(most(250), most(250))},
	}, hostFigures()...)
}

// databaseLimit is a limit of PostgreSQL; nothing stands beside SQLite.
func (m *measuring) databaseLimit(name string) float64 {
	if m.store != postgres {
		return 0
	}
	return m.limits[name]
}

// peak adds the most memory an engine has used as a figure.
func (m *measuring) peak(r *replica, figure string) {
	if mb, err := memory(r.process.Pid, "VmHWM"); err == nil {
		m.add(sample{figure, mb, 0})
	}
}

// fillTime bounds how long a backlog is laid in.
const fillTime = 60 * time.Second
