package daemon

import (
	"fmt"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/manifest"
)

// Whoever reads the events of a host can tell which daemons there were and how
// each ended, wherever one was killed.
func TestHostEvents_daemonsThatEndWithoutAWord(t *testing.T) {
	t.Parallel()
	h := networkHost(t)
	told := func() string {
		t.Helper()
		events, err := h.manifest.Events(t.Context(), manifest.EventsQuery{})
		noError(t, err)
		var out []string
		for _, e := range events {
			_, pid, _ := strings.Cut(string(e.Data), `"pid":`)
			out = append(out, strings.TrimPrefix(e.Type, "daemon.")+" "+pid[:1])
		}
		return strings.Join(out, ", ")
	}
	start := func(pid int) { t.Helper(); noError(t, h.greet(t.Context(), Info{PID: pid, Port: 1, Version: "v"})) }
	want := func(text string) {
		t.Helper()
		if got := told(); got != text {
			t.Fatalf("the events tell %q, want %q", got, text)
		}
	}
	start(1)
	want("started 1") // durable when greet returns
	start(2)
	want("started 1, killed 1, started 2")
	// Killed after it left word of itself, before it could tell of anything.
	noError(t, writeInfo(h.o.Dir, Info{PID: 3, Port: 1}))
	start(4)
	want("started 1, killed 1, started 2, killed 2, killed 3, started 4")
	// Killed after its last event, before it took its word away: it ended in order.
	_, err := h.manifest.AppendEvent(t.Context(), manifest.Event{Type: api.HostDaemonStopped, Data: fmt.Appendf(nil, `{"pid":4}`)})
	noError(t, err)
	start(5)
	want("started 1, killed 1, started 2, killed 2, killed 3, started 4, stopped 4, started 5")
}

// The start is written before anybody can ask, the end before the daemon is gone.
func TestHostEvents_startAndEndAreOnDisk(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	dir := newHome(t, p.URL)
	newest := func() string {
		m, err := manifest.Open(t.Context(), dir.Manifest())
		noError(t, err)
		defer func() { _ = m.Close() }()
		e, err := m.LastEvent(t.Context(), api.HostDaemonStarted, api.HostDaemonStopped, api.HostDaemonKilled)
		noError(t, err)
		return e.Type
	}
	d := startDaemon(t, testOptions(dir))
	if got := newest(); got != api.HostDaemonStarted {
		t.Errorf("it serves, and the newest event is %s", got)
	}
	noError(t, d.stop())
	if got := newest(); got != api.HostDaemonStopped {
		t.Errorf("it ended, and the newest event is %s", got)
	}
}
