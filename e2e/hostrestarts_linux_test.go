package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// A worker that writes a line every millisecond runs through everything that
// can happen to its daemon: its process stays the same, and no line is missing
// or there twice.
func TestHost_linesThroughRestarts(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"quick": "quick"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	before := h.processes()
	if len(before) != 1 {
		t.Fatalf("the worker has processes %v", before)
	}
	lines := h.book.of("quick").lines
	same := func(what string) {
		t.Helper()
		h.settle(func() string { return "after: " + what })
		if now := h.processes(); len(now) != 1 || now[0] != before[0] {
			t.Fatalf("%s: the worker's process was %v and is %v", what, before, now)
		}
		eventually(t, "200 lines more after: "+what, func() bool {
			return h.sound() == nil && h.book.of("quick").lines > lines+200
		})
		lines = h.book.of("quick").lines
	}
	for i := range 5 {
		h.proc.kill(t, syscall.SIGKILL)
		h.boot(0)
		same(fmt.Sprint("SIGKILL ", i))
	}
	for i := range 3 {
		must(t, h.host.env, "pipedai-orchestrator", "restart")
		same(fmt.Sprint("restart ", i))
	}

	// From here on somebody restarts the daemon who is to do it, as a service
	// manager does. The first of its daemons is killed, the others ask for it.
	h.proc.kill(t, syscall.SIGKILL)
	h.host.env = append(h.host.env, "PIPEDAI_SERVICE=systemd")
	h.boot(0)
	same("SIGKILL under a service manager")
	for i := range 3 {
		if status, body := request(t, http.MethodPost, at(h.port, "/api/restart"), h.key, struct{}{}, nil); status != http.StatusOK && status != http.StatusAccepted {
			t.Fatalf("restart: %d %s", status, body)
		}
		const again = 75 // the exit code that the unit restarts on, see docs/service.md
		if code := h.proc.wait(t); code != again {
			t.Fatalf("the daemon left with exit code %d, want %d\n%s", code, again, tail(h.proc.err.String()))
		}
		h.boot(0)
		same(fmt.Sprint("restart by the service manager ", i))
	}
	if w := h.book.of("quick"); w.marked+w.missing+w.alone > 0 {
		t.Errorf("%d lines are missing", w.missing)
	}
	h.finish()
}

func (h *faultHost) nothing() string { return "nothing happened yet" }

// A machine that comes up again has other processes under the old numbers.
// None of them is taken for a worker or touched, and what is to run is started.
func TestHost_P7_anotherBoot(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady", "second": "steady", "idle": "idle"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	old := h.processes()
	h.down()
	h.proc.kill(t, syscall.SIGKILL)
	// The processes go on here, as strangers that have got those numbers.
	h.manifest(`UPDATE processes SET boot_id = 'another boot'`)
	h.boot(0)
	eventually(t, "new processes", func() bool { return len(h.processes()) == 4 })
	for _, p := range old {
		if !alive(p.pid) {
			t.Errorf("process %d was ended: it is not of this boot", p.pid)
		}
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	// Their FIFOs were removed, and with them what they wrote since.
	h.book.downs = append(h.book.downs, window{from: time.Now().Add(-patience)})
	h.settle(h.nothing)
	for _, w := range h.workers() {
		if w.Local.Reattached || w.Local.TotalRestarts != 0 || (w.Local.PID == nil) != (w.ID == "idle") {
			t.Errorf("%s after the boot: %+v", w.ID, *w.Local)
		}
	}
	h.finish()
}

// Twenty services, and the daemon is killed.
func TestHost_P6_twentyServices(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{}
	for i := range 20 {
		kinds[fmt.Sprintf("w%02d", i)] = "steady"
	}
	h := newFaultHost(t, kinds)
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	// Some have restarts to remember.
	for _, p := range h.processes()[:5] {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
		eventually(t, p.worker+" to be started again", func() bool { return h.count(p.worker) == 1 })
	}
	h.settle(h.nothing)
	pids, restarts := map[string]int{}, map[string]int{}
	for _, w := range h.workers() {
		pids[w.ID], restarts[w.ID] = *w.Local.PID, w.Local.TotalRestarts
	}
	h.down()
	h.proc.kill(t, syscall.SIGKILL)
	h.boot(0)
	h.settle(h.nothing)
	for _, w := range h.workers() {
		if !w.Local.Reattached || *w.Local.PID != pids[w.ID] || w.Local.TotalRestarts != restarts[w.ID] {
			t.Errorf("%s had pid %d and %d restarts; now %d, %d, re-attached %v", w.ID, pids[w.ID], restarts[w.ID],
				*w.Local.PID, w.Local.TotalRestarts, w.Local.Reattached)
		}
	}
	for id, w := range h.book.workers {
		if w.alone > 0 || w.missing > 0 {
			t.Errorf("%s: lines are missing", id)
		}
	}
	h.finish()
}
