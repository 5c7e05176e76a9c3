package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/sqlitefile"
)

// The promise of this file: a daemon that is killed at any step of an upgrade,
// also once more while the next one takes it up, leaves a worker that is
// upgraded, or exactly as it was: its pin, both desired states, its process.
// Never do two processes of it run, and when it is over it is not disabled at
// the control plane if it was enabled, and not without a process if it is to
// have one.
//
// PIPEDAI_UPGRADES makes it longer (make test-long: 200), PIPEDAI_UPGRADES_SEED
// repeats a choice.

const (
	upgradeKills = 39 // each step three times
	upgradeHosts = 4
	// A step may be over before the journal is looked at. One that was missed
	// each time is tried so often again.
	upgradeRetries = 20
)

// upgradeSteps are the steps of the journal; those with a sign are undone.
var upgradeSteps = []string{
	"check", "fetch", "disable", "drain", "pin", "stop", "start", "verify", "restore", "prune",
	"-start", "-pin", "-disable",
}

// versionedWorkers are the worker at some versions, and one that does not
// start.
func versionedWorkers(t *testing.T) (good []string, bad string) {
	t.Helper()
	good = []string{workerNamed(t, "7.0.0"), workerNamed(t, "7.1.0")}
	bad = filepath.Join(t.TempDir(), "pipedai-worker")
	script := "#!/bin/sh\nif [ \"$1\" = version ]; then echo 7.9.0; exit 0; fi\necho cannot open the database\nexit 3\n"
	if err := os.WriteFile(bad, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return good, bad
}

// upgradeHost is one host whose daemon is killed.
type upgradeHost struct {
	*host
	t       *testing.T
	key     string
	id      string
	choice  *rand.Rand
	journal *sqlitefile.DB
	good    []string
	bad     string
	story   []string

	mu    sync.Mutex
	twice string // what was seen of two processes at once
}

func TestUpgrade_kills(t *testing.T) {
	t.Parallel()
	count := setting(t, "PIPEDAI_UPGRADES", upgradeKills)
	seed := uint64(setting(t, "PIPEDAI_UPGRADES_SEED", int(time.Now().UnixNano()&0xffff)))
	t.Logf("seed %d", seed)
	good, bad := versionedWorkers(t)
	var mu sync.Mutex
	killed, ends, again := map[string]int{}, map[string]int{}, 0
	// missed says which upgrade to try once more; -1 when each step was hit.
	missed := func() int {
		mu.Lock()
		defer mu.Unlock()
		for range upgradeSteps {
			n := again % len(upgradeSteps)
			if again >= upgradeRetries*len(upgradeSteps) || count < len(upgradeSteps) {
				break
			}
			again++
			if killed[upgradeSteps[n]] == 0 {
				return n
			}
		}
		return -1
	}
	t.Run("hosts", func(t *testing.T) {
		for i := range upgradeHosts {
			t.Run(fmt.Sprint("host", i), func(t *testing.T) {
				t.Parallel()
				h := newUpgradeHost(t, startPlane(t, ""), rand.New(rand.NewPCG(seed, uint64(i))))
				h.good, h.bad = good, bad
				once := func(n int) {
					at, end := h.once(n)
					mu.Lock()
					defer mu.Unlock()
					killed[at]++
					ends[end]++
				}
				for n := i; n < count; n += upgradeHosts {
					once(n)
				}
				for n := missed(); n >= 0; n = missed() {
					once(n)
				}
				h.proc.stop(t)
			})
		}
	})
	t.Logf("%d upgrades, killed at %v, which ended %v", count, killed, ends)
	for _, step := range upgradeSteps {
		if count >= len(upgradeSteps) && killed[step] == 0 {
			t.Errorf("no daemon was killed at %q: this proved less than it should", step)
		}
	}
}

func newUpgradeHost(t *testing.T, p *plane, choice *rand.Rand) *upgradeHost {
	t.Helper()
	h := &upgradeHost{host: newHost(t), t: t, choice: choice}
	h.pair(t, p)
	h.boot()
	eventually(t, "the worker to run", func() bool {
		w := h.worker(t)
		h.id = w.ID
		return w.Local != nil && w.Local.PID != nil && w.WorkerVersion != nil
	})
	var err error
	h.journal, err = sqlitefile.Open(context.Background(), filepath.Join(h.home, "orchestrator", "manifest.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	watched, ended := make(chan struct{}), make(chan struct{})
	go func() { h.watch(watched); close(ended) }()
	t.Cleanup(func() {
		close(watched)
		<-ended
		_ = h.journal.Close()
		for _, pid := range h.leaders() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return h
}

// boot starts a daemon and waits until it looks after the worker.
func (h *upgradeHost) boot() {
	h.t.Helper()
	h.proc = start(h.t, h.env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(h.port), "--stop-grace", "10s", "--upgrade-timeout", "40s", "--probe-internet", "off")
	eventually(h.t, "the daemon to answer", func() bool {
		if !h.proc.running() {
			h.t.Fatalf("the daemon ended with exit code %d:\n%s", h.proc.code, tail(h.proc.err.String()))
		}
		h.key = h.token(h.t)
		status, _ := request(h.t, http.MethodGet, at(h.port, "/api/self"), h.key, nil, nil)
		return status == http.StatusOK
	})
}

// leaders are the processes that work for the host's worker, whichever version
// they are of.
func (h *upgradeHost) leaders() []int {
	return slices.DeleteFunc(pids(), func(pid int) bool { return !h.leads(pid) })
}

func (h *upgradeHost) leads(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(data), h.home) {
		return false
	}
	args := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
	return slices.Contains(args, "run") && slices.Contains(args, "--config")
}

// watch looks all the time for two processes at once. Those that were there for
// some seconds and did not work for the worker never will: looking at them again
// would cost more than all that is tested here.
func (h *upgradeHost) watch(until <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	strangers := map[int]time.Time{} // since when
	look := func() []int {
		all, now, seen := pids(), time.Now(), map[int]time.Time{}
		leaders := slices.DeleteFunc(all, func(pid int) bool {
			since, known := strangers[pid]
			if !known {
				since = now
			}
			if now.Sub(since) < 3*time.Second && h.leads(pid) {
				return false
			}
			seen[pid] = since
			return true
		})
		strangers = seen
		return leaders
	}
	for {
		select {
		case <-until:
			return
		case <-tick.C:
		}
		// One that is about to become another program is counted under its
		// parent's command line: both have to be there for longer than that.
		if first := look(); len(first) > 1 {
			<-time.After(5 * time.Millisecond)
			second := look()
			both := slices.DeleteFunc(first, func(pid int) bool { return !slices.Contains(second, pid) })
			if len(both) > 1 {
				h.mu.Lock()
				h.twice = fmt.Sprintf("processes %v at once", both)
				h.mu.Unlock()
			}
		}
	}
}

// found is how a worker is, in all that must be restored.
type found struct {
	pin              string
	running, enabled bool
	disabledThere    bool
}

func (h *upgradeHost) now() (found, api.FusedWorker) {
	h.t.Helper()
	w := h.worker(h.t)
	return found{w.Pin, w.Running, w.Enabled, w.Remote != nil && w.Remote.Disabled}, w
}

func (h *upgradeHost) verb(verb string) {
	h.t.Helper()
	status, body := request(h.t, http.MethodPost, at(h.port, "/api/workers/"+h.id+"/"+verb), h.key, struct{}{}, nil)
	if status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", verb, status, body)
	}
}

// once brings the worker into some state, upgrades it, kills the daemon at a
// step, and wants all to be well in the end. It returns where the daemon was
// killed and how the upgrade ended.
func (h *upgradeHost) once(n int) (reached, end string) {
	h.t.Helper()
	step := upgradeSteps[n%len(upgradeSteps)]
	if h.choice.IntN(8) == 0 {
		h.verb("stop")
	} else {
		h.verb("start")
	}
	if h.choice.IntN(6) == 0 {
		h.verb("disable")
	} else {
		h.verb("enable")
	}
	if strings.HasPrefix(step, "-") || step == "verify" {
		h.verb("start") // one that is stopped has nothing to prove
	}
	h.settled("before")
	before, w := h.now()
	program := h.good[0]
	if w.Pin != "" && strings.HasPrefix(w.Pin, "7.0.0") {
		program = h.good[1]
	}
	if strings.HasPrefix(step, "-") || before.running && h.choice.IntN(6) == 0 { // one that is stopped would not notice
		program = h.bad
	}
	h.story = []string{fmt.Sprintf("%d: %+v to %s, killed at %q", n, before, program, step)}

	var result api.UpgradeResult
	status, body := request(h.t, http.MethodPost, at(h.port, "/api/workers/"+h.id+"/upgrade?async=1"), h.key,
		api.UpgradeRequest{FromLocal: program, UpgradeOptions: api.UpgradeOptions{Force: true, AllowDowngrade: true}}, &result)
	if status != http.StatusAccepted {
		h.t.Fatalf("upgrade: %d %s\n%s", status, body, h.told())
	}
	id := result.Operation.ID
	reached = h.until(id, step)
	h.pause(25)
	h.proc.kill(h.t, syscall.SIGKILL)
	for h.choice.IntN(3) == 0 { // and the next one, too
		h.note("the next one is killed, too")
		h.proc = start(h.t, h.env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(h.port), "--probe-internet", "off")
		h.pause(700)
		h.proc.kill(h.t, syscall.SIGKILL)
	}
	h.boot()
	var op api.Operation
	eventually(h.t, "the upgrade to end", func() bool {
		get(h.t, at(h.port, "/api/operations/"+id), h.key, &op)
		return op.Status != "running"
	})
	h.note("it ended %s: %s", op.Status, op.Error)
	want := before
	if op.Status == "succeeded" {
		want.pin = op.Upgrade.ToPin
		if program == h.bad {
			h.t.Errorf("a version that does not start was taken for good\n%s", h.told())
		}
	} else if program != h.bad {
		h.t.Errorf("a good version was taken back: %s\n%s", op.Error, h.told())
	}
	h.settled("after")
	if got, w := h.now(); got != want {
		h.t.Errorf("it is %+v, want %+v (%+v)\n%s", got, want, w.Local, h.told())
	}
	h.mu.Lock()
	if h.twice != "" {
		h.t.Errorf("%s\n%s", h.twice, h.told())
		h.twice = ""
	}
	h.mu.Unlock()
	if h.t.Failed() {
		h.t.Fatalf("daemon:\n%s", tail(h.proc.err.String()))
	}
	return reached, op.Status
}

func (h *upgradeHost) note(format string, args ...any) {
	h.story = append(h.story, fmt.Sprintf(format, args...))
}
func (h *upgradeHost) told() string { return strings.Join(h.story, "\n  ") }

// pause waits for up to so many milliseconds.
func (h *upgradeHost) pause(most int) {
	<-time.After(time.Duration(h.choice.IntN(most*1000)) * time.Microsecond)
}

// until watches the journal until the step has begun, or the upgrade has ended.
// It returns the step it saw.
func (h *upgradeHost) until(id, step string) string {
	h.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		var at, status string
		var undoing bool
		err := h.journal.Reader.QueryRow(`SELECT step, status, undoing FROM operations WHERE id = ?`, id).Scan(&at, &status, &undoing)
		if undoing {
			at = "-" + at
		}
		if err == nil && (at == step || status != "running") {
			if status != "running" && at != step {
				at = "ended"
			}
			return at
		}
		<-time.After(100 * time.Microsecond)
	}
	h.t.Fatalf("the journal never came to %q\n%s", step, h.told())
	return ""
}

// settled waits until the worker is as people want it: its process, of its
// pinned version, or none.
func (h *upgradeHost) settled(when string) {
	h.t.Helper()
	what := ""
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		what = h.unsettled()
		if what == "" {
			return
		}
		<-time.After(25 * time.Millisecond)
	}
	h.t.Fatalf("%s: it does not come to rest: %s\n%s\ndaemon:\n%s", when, what, h.told(), tail(h.proc.err.String()))
}

func (h *upgradeHost) unsettled() string {
	is, w := h.now()
	pids := h.leaders()
	switch {
	case w.Local == nil || w.Remote == nil || w.RemoteStale:
		return "nothing is known of it"
	case is.enabled == is.disabledThere:
		return fmt.Sprintf("enabled %v here, disabled %v there", is.enabled, is.disabledThere)
	case !is.running && (len(pids) > 0 || w.Local.State != "stopped"):
		return fmt.Sprintf("processes %v, state %s", pids, w.Local.State)
	case !is.running:
		return ""
	case w.Local.PID == nil || w.Local.State != "running" || w.Local.Draining || !slices.Equal(pids, []int{*w.Local.PID}):
		return fmt.Sprintf("processes %v, %+v", pids, w.Local)
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pids[0]))
	if err != nil {
		return err.Error()
	}
	folder := filepath.Join(h.home, "orchestrator", "versions", "pipedai-worker", is.pin) + "/"
	if is.pin == "" {
		folder = bin + "/"
	}
	if !strings.HasPrefix(exe, folder) {
		return fmt.Sprintf("it runs %s, and is pinned to %q", exe, is.pin)
	}
	return ""
}
