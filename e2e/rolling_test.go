package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
)

// The promise of this file: the workers of a host go to another version while
// there is work, and no run notices: none is lost, done twice or failed by it.
// At most one worker at a time is out of work, and next to nothing but draining
// and starting takes time.

const (
	rollingWorkers = 10
	shortRuns      = 200
	longRuns       = 20
	longLasts      = 4 * time.Second
	// rollingOverhead is what the whole may take, as a multiple of the drains and
	// starts in it.
	rollingOverhead = 1.25
)

// publisher is an operator with a key.
type publisher struct {
	p   *plane
	key string
}

func newPublisher(t testing.TB, p *plane) publisher {
	t.Helper()
	o := publisher{p, filepath.Join(t.TempDir(), "release.key")}
	p.cli(t, "releases", "keygen", o.key)
	p.cli(t, "releases", "keys", "set", "--key", o.key)
	return o
}

func (o publisher) publish(t testing.TB, version, path string) {
	t.Helper()
	o.p.cli(t, "releases", "publish", "--program", "pipedai-worker", "--version", version,
		"--artifact", runtime.GOOS+"/"+runtime.GOARCH+"="+path, "--key", o.key)
}

// workers are what the local API says of them.
func (h *host) workers(t testing.TB) []api.FusedWorker {
	t.Helper()
	var list api.FusedWorkers
	get(t, at(h.port, "/api/workers"), h.token(t), &list)
	return list.Items
}

// tally is a service of two tasks that write down when they begin and end.
type tally struct{ file, effects string }

func newTally(t testing.TB) tally {
	t.Helper()
	dir := t.TempDir()
	s := tally{filepath.Join(dir, "tasks.yaml"), filepath.Join(dir, "effects")}
	text := "service: tally\nversion: 1.0.0\ntasks:\n"
	for task, lasts := range map[string]time.Duration{"short": 200 * time.Millisecond, "long": longLasts} {
		script := fmt.Sprintf("echo begin $PIPEDAI_RUN_ID >>%[1]s; sleep %.1[2]f; echo end $PIPEDAI_RUN_ID >>%[1]s; echo 1", s.effects, lasts.Seconds())
		text += fmt.Sprintf("  - id: %s\n    command: [/bin/sh, -c, %q]\n    retries: 3\n    heartbeat: 30s\n", task, script)
	}
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// done counts how often each run began and ended; the name of a later attempt
// is another one.
func (s tally) done(t testing.TB) map[string]int {
	t.Helper()
	data, err := os.ReadFile(s.effects)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for line := range strings.Lines(string(data)) {
		out[strings.TrimSpace(line)]++
	}
	return out
}

// spans are the steps of operations with the time each took, as the daemon
// tells them.
type spans struct {
	mu     sync.Mutex
	at     map[string]mark // where each operation is
	took   map[string]time.Duration
	waited int // drains that had a run to wait for
	begun  func(op api.Operation)
}

type mark struct {
	step    string
	since   time.Time
	waiting bool
}

func (s *spans) note(op api.Operation) {
	s.mu.Lock()
	last, known := s.at[op.ID]
	step := op.Step
	if op.Status != "running" {
		step = ""
	}
	if strings.Contains(op.Message, "waiting for run ") && !last.waiting {
		last.waiting = true
		s.waited++
	}
	if known && last.step != step && last.step != "" {
		s.took[last.step] += op.UpdatedAt.Sub(last.since)
	}
	if !known {
		last.since = op.StartedAt.Time
	} else if last.step != step {
		last.since = op.UpdatedAt.Time
	}
	last.step = step
	s.at[op.ID] = last
	s.mu.Unlock()
	if !known && s.begun != nil {
		s.begun(op)
	}
}

// follow reads what the daemon tells of upgrades until the end of the test.
func (h *host) follow(t testing.TB, s *spans) {
	t.Helper()
	s.at, s.took = map[string]mark{}, map[string]time.Duration{}
	conn, resp, err := websocket.Dial(t.Context(), at(h.port, "/api/events"), &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + h.token(t)}},
	})
	if err != nil {
		t.Fatalf("follow the daemon's events: %v (%+v)", err, resp)
	}
	conn.SetReadLimit(16 << 20)
	ended := make(chan struct{})
	t.Cleanup(func() { _ = conn.CloseNow(); <-ended })
	go func() {
		defer close(ended)
		for {
			_, data, err := conn.Read(context.WithoutCancel(t.Context()))
			if err != nil {
				return
			}
			var frame api.LocalFrame
			if json.Unmarshal(data, &frame) == nil && frame.Operation != nil && frame.Operation.Kind == "upgrade" {
				s.note(*frame.Operation)
			}
		}
	}()
}

// outOfWork are the workers that get no work, by what the control plane says in
// one answer, and those without a process, by what the host says in one.
func outOfWork(t testing.TB, p *plane, h *host) (there, here []string) {
	t.Helper()
	for _, w := range p.known(t) {
		if w.Disabled || w.Status != "online" {
			there = append(there, w.Label+" "+w.DerivedStatus)
		}
	}
	for _, w := range h.workers(t) {
		if w.Local == nil || w.Local.PID == nil || w.Local.Draining {
			here = append(here, w.Label)
		}
	}
	return there, here
}

func TestUpgrade_rollingUnderLoad(t *testing.T) {
	t.Parallel()
	from, to := "8.0.0", "8.1.0"
	p := newPlane(t, "")
	p.env = append(p.env, "MAX_CONCURRENCY=200")
	p.start(t)
	operator := newPublisher(t, p)
	old := workerNamed(t, from)
	operator.publish(t, from, old)
	operator.publish(t, to, workerNamed(t, to))

	set, h := newTally(t), newHost(t)
	h.env = append(h.env, "PIPEDAI_WORKER_PROGRAM="+old, "PIPEDAI_PROBE_INTERNET=off")
	h.pair(t, p, set.file)
	h.start(t)
	var builds []*proc
	for i := 1; i < rollingWorkers; i++ {
		builds = append(builds, start(t, h.env, "pipedai-orchestrator", "build", "--label", fmt.Sprint("worker ", i), "--tasks", set.file))
	}
	for _, b := range builds {
		if code := b.wait(t); code != 0 {
			t.Fatalf("build ended with exit code %d:\n%s", code, b.err.String())
		}
	}
	p.ready(t, "tally")
	eventually(t, "all workers to work", func() bool {
		there, here := outOfWork(t, p, h)
		return len(p.known(t)) == rollingWorkers && len(there)+len(here) == 0
	})

	// The load goes on as long as the upgrade does: a part of it comes with each
	// worker's turn, the rest is there before.
	const parts = 2 * rollingWorkers
	var ids []string
	load := func() {
		ids = append(ids, p.queue(t, "long", nil))
		for range shortRuns / parts {
			ids = append(ids, p.queue(t, "short", nil))
		}
	}
	for range parts - rollingWorkers {
		load()
	}
	turn := make(chan struct{}, rollingWorkers)
	s := &spans{begun: func(api.Operation) { turn <- struct{}{} }}
	h.follow(t, s)
	upgrade := start(t, h.env, "pipedai-orchestrator", "upgrade", "--all", "--version", to, "--json")
	most, looks := 0, 0
	for running := true; running; looks++ {
		select {
		case <-turn:
			load()
		case <-upgrade.done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		there, here := outOfWork(t, p, h)
		most = max(most, len(there), len(here))
		if len(there) > 1 || len(here) > 1 {
			t.Errorf("out of work at once: %v at the control plane, %v on the host", there, here)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if upgrade.code != 0 {
		t.Fatalf("the upgrade ended with %d:\n%s%s\n%s", upgrade.code, upgrade.out.String(), upgrade.err.String(), tail(h.proc.err.String()))
	}
	if len(ids) != longRuns+shortRuns {
		t.Fatalf("%d runs were queued, want %d", len(ids), longRuns+shortRuns)
	}

	var all struct {
		Items []api.Operation `json:"items"`
	}
	h.says(t, &all, "operations")
	whole := all.Items[slices.IndexFunc(all.Items, func(op api.Operation) bool { return op.Kind == "upgrade-all" })]
	for _, item := range whole.Upgrade.Items {
		if item.Status != api.UpgradeDone || item.To != to {
			t.Errorf("%s: %+v", item.Label, item)
		}
	}
	eventually(t, "every worker to report the version and to work", func() bool {
		there, here := outOfWork(t, p, h)
		for _, w := range p.known(t) {
			if w.Version == nil || *w.Version != to {
				return false
			}
		}
		return len(there)+len(here) == 0
	})
	eventually(t, "all runs to end", func() bool { c := p.counts(t); return c.Running == 0 && c.Pending == 0 })
	effects := set.done(t)
	during := 0
	for _, id := range ids {
		run := p.taskRun(t, id)
		if run.Status != "completed" || run.Attempt != 1 || len(run.PreviousAttempts) != 0 {
			t.Errorf("%s is %s at attempt %d after %+v: %s", id, run.Status, run.Attempt, run.PreviousAttempts, run.Error)
		}
		if run.StartedAt.Before(whole.EndedAt.Time) && run.CompletedAt.After(whole.StartedAt.Time) {
			during++
		}
	}
	for what, n := range effects {
		if n != 1 {
			t.Errorf("%q happened %d times", what, n)
		}
	}
	if want := 2 * len(ids); len(effects) != want {
		t.Errorf("%d begins and ends of runs, want %d", len(effects), want)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	took := whole.EndedAt.Sub(whole.StartedAt.Time)
	drains, starts := s.took["drain"], s.took["start"]+s.took["verify"]
	ratio := float64(took) / float64(drains+starts)
	t.Logf("%d workers, %d short and %d long runs, %d of them while it went on: the upgrade took %.1fs, drains %.1fs (%d waited for a run), starts %.1fs: %.2f times these; at most %d worker out of work in %d looks",
		rollingWorkers, shortRuns, longRuns, during, took.Seconds(), drains.Seconds(), s.waited, starts.Seconds(), ratio, most, looks)
	t.Logf("steps: %v", s.took)
	if len(s.at) != rollingWorkers {
		t.Errorf("the daemon told of %d upgrades, want %d", len(s.at), rollingWorkers)
	}
	limit := rollingOverhead
	if raceEnabled {
		limit += 0.25 // drains and starts mostly wait; the detector slows down the rest
	}
	if ratio > limit {
		t.Errorf("it took %.2f times its drains and starts, want at most %.2f", ratio, limit)
	}
}
