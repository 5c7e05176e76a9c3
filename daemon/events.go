package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/internal/backoff"
	"pipedai/manifest"
	"pipedai/supervisor"
)

const (
	// eventPause gathers what happens together into one commit: a worker that
	// comes and goes must not wait for the disk to hear of it.
	eventPause = 200 * time.Millisecond
	// maxUnwritten bounds what is kept in memory while the disk takes nothing.
	maxUnwritten = 2000
)

// eventLog keeps what happens on this host: it writes events in batches, and
// shows each to whoever listens once it has its number.
type eventLog struct {
	h *host

	writing sync.Mutex // held while a batch is written and shown, so that batches keep their order
	mu      sync.Mutex
	waiting []manifest.Event
	lost    int
	filled  chan struct{} // capacity 1

	seen  map[string]workerSeen // by worker: what was told last
	links map[remoteKey]bool    // by workspace: whether it answered last
}

type remoteKey struct{ apiURL, workspaceID string }

// workerSeen is what was told of a worker's process.
type workerSeen struct {
	state  supervisor.State
	pid    int
	exitAt time.Time
	failed string
}

func newEventLog(h *host) *eventLog {
	return &eventLog{h: h, filled: make(chan struct{}, 1), seen: map[string]workerSeen{}, links: map[remoteKey]bool{}}
}

// add notes an event. It never blocks and never fails: data is one of ours.
func (l *eventLog) add(kind, worker string, data any) {
	if l.h.o.Trial != nil {
		return // nothing happens: it is only tried
	}
	text, err := json.Marshal(data)
	if err != nil || data == nil {
		text = []byte(`{}`)
	}
	l.mu.Lock()
	if len(l.waiting) < maxUnwritten {
		l.waiting = append(l.waiting, manifest.Event{At: time.Now(), EntryID: worker, Type: kind, Data: text})
	} else {
		l.lost++
	}
	l.mu.Unlock()
	select {
	case l.filled <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and then what is left.
func (l *eventLog) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			l.add(api.HostDaemonStopped, "", map[string]any{"pid": os.Getpid()})
			l.flush(context.WithoutCancel(ctx))
			return nil
		case <-l.filled:
		}
		backoff.Sleep(ctx, eventPause)
		l.flush(ctx)
	}
}

// flush writes and shows what waits.
func (l *eventLog) flush(ctx context.Context) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	batch, lost := l.waiting, l.lost
	l.waiting, l.lost = nil, 0
	l.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	if err := l.h.manifest.AppendEvents(ctx, batch); err != nil {
		l.h.o.Log.Warn("write host events", "error", err, "events", len(batch)+lost)
		l.mu.Lock()
		l.waiting = append(batch, l.waiting...)
		if over := len(l.waiting) - maxUnwritten; over > 0 {
			l.waiting = l.waiting[over:]
		}
		l.mu.Unlock()
		return // they go with the next event
	}
	if lost > 0 {
		l.h.o.Log.Warn("host events were not kept", "events", lost)
	}
	for _, e := range batch {
		wire := wireEvent(e)
		l.h.feed.Publish(api.LocalFrame{Kind: "event", Event: &wire})
	}
}

func wireEvent(e manifest.Event) api.HostEvent {
	return api.HostEvent{Seq: e.Seq, At: api.At(e.At), WorkerID: e.EntryID, Type: e.Type, Data: e.Data}
}

// process tells what became of a worker's process since it was told last. It
// is called by the worker's own goroutine, one change after the other.
func (l *eventLog) process(s supervisor.Status) {
	l.mu.Lock()
	before, known := l.seen[s.ID]
	now := workerSeen{state: s.State, pid: s.PID, failed: s.LastError}
	if s.LastExit != nil {
		now.exitAt = s.LastExit.At
	}
	l.seen[s.ID] = now
	l.mu.Unlock()

	fresh := known || now.exitAt.After(l.h.startedAt) // an end that an earlier daemon told of is no news
	if now.exitAt.After(before.exitAt) && fresh && s.LastError == "" {
		l.add(api.HostWorkerExited, s.ID, map[string]any{
			"code": s.LastExit.Code, "signal": s.LastExit.Signal, "reason": s.RestartReason,
		})
	}
	if s.LastError != "" && s.LastError != before.failed {
		l.add(api.HostWorkerNotStarted, s.ID, map[string]any{"error": s.LastError})
	}
	if s.PID != 0 && s.PID != before.pid {
		kind := api.HostWorkerStarted
		if s.Reattached {
			kind = api.HostWorkerReattached
		}
		l.add(kind, s.ID, map[string]any{"pid": s.PID})
	}
	if s.State == before.state {
		return
	}
	switch s.State {
	case supervisor.BackingOff:
		l.add(api.HostWorkerBackingOff, s.ID, map[string]any{"restarts": s.Restarts, "nextStartAt": api.At(s.NextStartAt), "reason": s.RestartReason})
	case supervisor.Crashed:
		l.add(api.HostWorkerCrashed, s.ID, map[string]any{"reason": s.RestartReason})
	}
}

// forget drops what is known of a worker that is gone.
func (l *eventLog) forget(worker string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, worker)
}

// remote tells which links to control planes were lost or came back.
func (l *eventLog) remote(planes []remote.Plane) {
	for _, p := range planes {
		if p.TriedAt.IsZero() && p.OKAt.IsZero() {
			continue // nobody asked yet
		}
		key, up := remoteKey{p.APIURL, p.WorkspaceID}, p.Err == ""
		l.mu.Lock()
		before, known := l.links[key]
		l.links[key] = up
		l.mu.Unlock()
		data := map[string]any{"apiUrl": p.APIURL, "workspaceId": p.WorkspaceID}
		switch {
		case !up && (before || !known):
			data["error"] = p.Err
			l.add(api.HostLinkLost, "", data)
		case up && known && !before:
			l.add(api.HostLinkRecovered, "", data)
		}
	}
}

// greet leaves word of this daemon in daemon.json, and notes among the events
// that it started and which daemon before it did not end in order: that one
// would have taken its daemon.json away. They are on disk when greet returns,
// unless the manifest takes no writes at the moment; then they come first as
// soon as it does.
func (h *host) greet(ctx context.Context, info Info) error {
	if h.o.Trial != nil {
		return writeInfo(h.o.Dir, info) // who asks meanwhile hears that it starts
	}
	before, found := ReadInfo(h.o.Dir)
	last, err := h.manifest.LastEvent(ctx, api.HostDaemonStarted, api.HostDaemonStopped)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		h.o.Log.Warn("read the last event of the daemon before", "error", err)
	}
	var teller struct {
		PID int `json:"pid"`
	}
	_ = json.Unmarshal(last.Data, &teller) // without a number it tells of nobody we look for
	if err := writeInfo(h.o.Dir, info); err != nil {
		return err
	}
	if found == nil && (last.Type != api.HostDaemonStopped || teller.PID != before.PID) {
		// Killed before it could say that it had started, or that it found another.
		if last.Type == api.HostDaemonStarted && teller.PID != before.PID {
			h.events.add(api.HostDaemonKilled, "", map[string]any{"pid": teller.PID, "startedAt": api.At(last.At)})
		}
		h.events.add(api.HostDaemonKilled, "", map[string]any{"pid": before.PID, "startedAt": before.StartedAt})
	}
	h.events.add(api.HostDaemonStarted, "", map[string]any{"pid": info.PID, "version": info.Version})
	h.events.flush(ctx)
	return nil
}

// HostEvents implements localapi.Lifecycle.
func (h *host) HostEvents(ctx context.Context, since int64, worker string, limit int) (api.HostEvents, error) {
	h.events.flush(ctx) // whoever asks after an action sees it
	events, err := h.manifest.Events(ctx, manifest.EventsQuery{Since: since, EntryID: worker, Limit: limit, Newest: since == 0})
	out := api.HostEvents{Items: []api.HostEvent{}, Next: since}
	for _, e := range events {
		out.Items = append(out.Items, wireEvent(e))
		out.Next = e.Seq
	}
	return out, err
}
