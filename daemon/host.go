package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/daemon/connectivity"
	"pipedai/daemon/localapi"
	"pipedai/daemon/remote"
	"pipedai/internal/backoff"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// phase is where a daemon is in its life.
const (
	phaseStarting int32 = iota
	phaseReady
	phaseStopping  // the workers are being stopped
	phaseDetaching // the daemon leaves, the workers stay
)

// host is the daemon's state: what the local API acts on.
type host struct {
	o         Options
	startedAt time.Time
	feed      *localapi.Feed
	phase     atomic.Int32
	dirty     chan struct{} // capacity 1: the status is another one

	manifest     *manifest.Manifest
	supervisor   *supervisor.Supervisor
	remote       *remote.Watcher
	connectivity *connectivity.Monitor

	end  context.CancelFunc        // ends Run
	left atomic.Pointer[LeftError] // set before phaseDetaching

	reconciling sync.Mutex    // the manifest is read and applied under it
	applied     atomic.Int64  // revision of the manifest that was applied last
	ready       chan struct{} // closed when workers are looked after
	lanes       *lanes        // the actions on each worker, in order
	operations  *operations   // those that take long
	building    sync.Mutex    // builds are planned one at a time
	versions    versions      // of the worker program, beside each other
	ownVersions selfVersions  // of this program
	upgrading   sync.Mutex    // upgrades are begun one at a time
	holds       holds         // workers that are kept without a process for a moment
	events      *eventLog     // what happens, for later
	runs        *runKeeper    // bounds the events of runs
	orders      *orders       // what control planes tell this host to do

	meter   *meter   // what workers take
	usage   usageLog // what they took
	secrets secrets  // taken out of worker output
}

var _ localapi.Backend = (*host)(nil)

func newHost(o Options, hosts *manifest.Manifest) *host {
	h := &host{
		o: o, startedAt: time.Now(), feed: localapi.NewFeed(), manifest: hosts,
		dirty: make(chan struct{}, 1), ready: make(chan struct{}), lanes: newLanes(),
	}
	h.versions, h.ownVersions = h.newVersions(), o.ownVersions
	if h.ownVersions == nil {
		h.ownVersions = h.upgrader(nil)
	}
	h.operations, h.events, h.runs = newOperations(h), newEventLog(h), newRunKeeper(h)
	h.orders = newOrders(h)
	h.meter = newMeter(func() map[int]usage { return measure(h.leaders()) })
	h.supervisor = supervisor.New(supervisor.Options{
		Watch: o.Trial != nil, Records: hosts, LogDir: o.Dir.Logs(), FIFODir: o.Dir.FIFOs(), Find: h.findProgram,
		OnChange: h.processChanged, OnLines: h.publishLines, Secrets: h.hidden, Log: o.Log,
		LogMaxBytes: o.Logs.MaxBytes, LogBackups: o.Logs.Backups, LogBudget: o.Logs.Budget,
	})
	h.remote = remote.New(remote.Options{
		Dial: func(url string, token secret.Text) remote.Client {
			return client.New(url, client.Options{Token: token, UserAgent: program + "/" + buildinfo.Version()})
		},
		Credential: h.credential, PoolCredential: h.poolCredential, OnChange: h.remoteChanged, PollEvery: o.PollEvery, Log: o.Log,
		HostCredential: h.checksInWith(), Facts: checkInFacts, OnRevoked: h.wasRevoked, Orders: h.orders,
	})
	h.connectivity = connectivity.New(connectivity.Options{
		Planes: h.planes, Internet: o.Internet, File: o.Dir.Connectivity(),
		OnSample: h.publishSample, OnVerdict: h.noteVerdict, Log: o.Log,
	})
	return h
}

// Ready implements localapi.Backend. It stays true while workers drain, so
// that people can watch.
func (h *host) Ready() bool {
	phase := h.phase.Load()
	return phase == phaseReady || phase == phaseStopping
}

// changed asks for a status frame soon. It never blocks.
func (h *host) changed() {
	select {
	case h.dirty <- struct{}{}:
	default:
	}
}

// processChanged follows a change of a worker's process. One that has just
// come up is soon known to its control plane, and the next poll may be far.
func (h *host) processChanged(id string) {
	h.runs.nudge()
	if s, known := h.supervisor.Status(id); known {
		if s.State == supervisor.Running && !s.Draining {
			h.remote.Expect(id)
		}
		h.events.process(s)
	}
	h.changed()
}

// remoteChanged follows what a control plane said, or that it does not.
func (h *host) remoteChanged() {
	h.events.remote(h.remote.Planes())
	h.changed()
}

// reached is told where an action is; tests die there.
func (h *host) reached(point string) {
	if h.o.reached != nil {
		h.o.reached(point)
	}
}

// broadcastPause gathers changes that come together into one frame.
const broadcastPause = 50 * time.Millisecond

// broadcast sends a status frame after every change, here or remote.
func (h *host) broadcast(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.dirty:
		}
		h.notice(ctx)
		h.publishStatus(ctx)
		if !backoff.Sleep(ctx, broadcastPause) {
			return nil
		}
	}
}

// publishStatus makes a status frame. While nobody listens it is only counted:
// whoever comes gets a snapshot.
func (h *host) publishStatus(ctx context.Context) {
	if h.feed.Idle() {
		h.feed.Publish(api.LocalFrame{Kind: "status"})
		return
	}
	items, err := h.Workers(ctx)
	if err == nil {
		h.feed.Publish(api.LocalFrame{Kind: "status", Items: items})
	} else if ctx.Err() == nil {
		h.o.Log.Warn("read workers", "error", err)
	}
}

// publishLines hands what a worker wrote to whoever listens. Without anybody
// lines are not even made; the feed notes that there was something.
func (h *host) publishLines(id string, lines []supervisor.Line) bool {
	if len(lines) == 0 {
		if h.feed.Idle() {
			h.feed.Publish(api.LocalFrame{Kind: "log", ID: id}) // only counted
			return false
		}
		return true
	}
	frames := make([]api.LocalFrame, len(lines))
	for i, l := range lines {
		frames[i] = api.LocalFrame{Kind: "log", ID: id, TS: l.TS.UnixMilli(), Stream: l.Stream, Line: l.Text}
		if l.Pos >= 0 {
			frames[i].Pos = &l.Pos
		}
	}
	h.feed.Publish(frames...)
	return true
}

// Workers implements localapi.Backend.
func (h *host) Workers(ctx context.Context) ([]api.FusedWorker, error) {
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	items, upgrades := make([]api.FusedWorker, 0, len(entries)), h.operations.upgrades()
	for _, e := range entries {
		var local *supervisor.Status
		if status, known := h.supervisor.Status(e.ID); known {
			local = &status
		}
		item := Fuse(e, local, h.remote.View(e))
		item.Upgrade = upgrades[e.ID]
		items = append(items, item)
	}
	h.measureAll(items...)
	return items, nil
}

// Known implements localapi.Backend.
func (h *host) Known(ctx context.Context, id string) (bool, error) {
	_, err := h.manifest.Entry(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// longestGrace is how long a stop of all workers that run may take.
func (h *host) longestGrace(ctx context.Context) time.Duration {
	longest := h.o.StopGrace
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		h.o.Log.Error("look how long workers may take to stop", "error", err)
	}
	for _, e := range entries {
		if s, known := h.supervisor.Status(e.ID); known && s.PID != 0 {
			longest = max(longest, e.Settings.StopGrace)
		}
	}
	return longest
}

func (h *host) runningWorkers() int {
	n := 0
	for _, s := range h.supervisor.Statuses() {
		if s.PID != 0 {
			n++
		}
	}
	return n
}
