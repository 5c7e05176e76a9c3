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

func scenarios() []scenario {
	return []scenario{
		{"push", both, measurePush},
		{"pull", both, measurePull},
		{"enqueue", both, measureEnqueue},
		{"trigger", both, measureTrigger},
		{"diamond", both, measureDiamond},
		{"latency", both, measureLatency},
	}
}

func scenarioNames() []string {
	var out []string
	for _, s := range scenarios() {
		out = append(out, s.name)
	}
	return out
}

// target is what a figure should reach on a store.
type target struct {
	least, most float64 // 0: no such bound
	leastRatio  float64
	overLimit   float64 // most, above the limit
	hasOver     bool
}

func (t target) String() string {
	var parts []string
	if t.least > 0 {
		parts = append(parts, "at least "+number(t.least))
	}
	if t.most > 0 {
		parts = append(parts, "at most "+number(t.most))
	}
	if t.leastRatio > 0 {
		parts = append(parts, fmt.Sprintf("%.2f of the limit", t.leastRatio))
	}
	if t.hasOver {
		parts = append(parts, "limit + "+number(t.overLimit))
	}
	return strings.Join(parts, ", ")
}

func (t target) met(value, limit float64) bool {
	return (t.least == 0 || value >= t.least) && (t.most == 0 || value <= t.most) &&
		(t.leastRatio == 0 || limit > 0 && value/limit >= t.leastRatio) && (!t.hasOver || value <= limit+t.overLimit)
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
	return []figure{
		{"push", "push tasks, queued to durable completion", "tasks/s", limitPost, of(target{least: 6000, leastRatio: 0.2}, least(9000))},
		{"pull", "pull tasks, claims and reports in batches", "tasks/s", limitClaims, of(least(15000), least(15000))},
		{"enqueue", "enqueue, 10,000 per request", "tasks/s", limitCopy, of(target{least: 50000, leastRatio: 0.5}, least(100000))},
		{"trigger", "single triggers, 32 clients", "runs/s", limitCommits, of(target{leastRatio: 0.8}, least(3000))},
		{"diamond", "diamonds of 4 tasks, push, triggered before", "runs/s", limitPost, of(least(1200), least(1800))},
		{"diamond-live", "diamonds of 4 tasks, push, triggered meanwhile", "runs/s", limitPost, nil},
		{"latency-p50", "trigger to receipt, idle, p50", "ms", "", of(most(3), most(2))},
		{"latency-p99", "trigger to receipt, idle, p99", "ms", "", of(most(12), most(8))},
		{"memory-push", "most memory, pushing", "MB", "", of(most(250), most(250))},
		{"memory-pull", "most memory, pulled from", "MB", "", of(most(250), most(250))},
		{"memory-enqueue", "most memory, enqueueing", "MB", "", of(most(250), most(250))},
	}
}

// peak adds the most memory an engine has used as a figure.
func (m *measuring) peak(r *replica, figure string) {
	if mb, err := memory(r.cmd.Process.Pid, "VmHWM"); err == nil {
		m.add(sample{figure, mb, 0})
	}
}

// fillTime bounds how long a backlog is laid in.
const fillTime = 60 * time.Second
