package remote

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/backoff"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// Client is what a Watcher asks a control plane; client.Client is one.
type Client interface {
	Workers(ctx context.Context, workspace string) ([]api.RemoteWorker, error)
	PoolWorkers(ctx context.Context) ([]api.RemoteWorker, error)
	Releases(ctx context.Context) (api.Releases, error)
	CheckIn(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, error)
	WorkerEvents(ctx context.Context, workerID string, since int64, each func(id int64, event api.LifecycleEvent)) error
}

var _ Client = (*client.Client)(nil)

// Options of a Watcher. Dial and Credential are required.
type Options struct {
	// Dial returns a client of a control plane with a credential.
	Dial func(apiURL string, token secret.Text) Client
	// Credential returns the operator credential of a workspace, empty when
	// there is none, or why it cannot be told. It is asked before every poll,
	// so a new one is taken up.
	Credential func(apiURL, workspaceID string) (secret.Text, error)
	// PoolCredential returns the token that lists the pool workers of a control
	// plane, in the same way; nil means that there is none for any.
	PoolCredential func(apiURL string) (secret.Text, error)
	// HostCredential returns, in the same way, the credential that this host got
	// when it joined a workspace; nil means that it never checks in.
	HostCredential func(apiURL, workspaceID string) (secret.Text, error)
	// Facts is what this host says of itself when it checks in.
	Facts func() api.CheckInFacts
	// Orders carries out what it is told then; nil means that it does nothing.
	Orders Orders
	// OnRevoked is called when a control plane says that this credential was
	// revoked.
	OnRevoked func(ctx context.Context, link Link, token secret.Text)
	// OnChange is called after every change of what View and Plane tell. It
	// must not block.
	OnChange func()

	PollEvery     time.Duration // 15 s
	ReleasesEvery time.Duration // 24 h
	Retry         backoff.Policy
	Log           *slog.Logger
}

// key names a group: what one list call answers.
type key struct {
	apiURL, workspaceID string
	pool                bool
}

// keyOf returns the group whose answer tells about an entry, if any can: that
// of a worker which was registered without a workspace is not known.
func keyOf(e manifest.Entry) (key, bool) {
	if e.Mode == manifest.ModePool {
		return key{apiURL: e.APIURL, pool: true}, true
	}
	return key{apiURL: e.APIURL, workspaceID: e.WorkspaceID}, e.WorkspaceID != ""
}

// Watcher remembers what control planes said last. Make one with New.
type Watcher struct {
	o Options

	mu       sync.Mutex
	groups   map[key]*group
	streams  map[string]*stream   // by worker id
	releases map[string]*releases // by apiUrl
	checkIns map[Link]*checkIn
	wanted   []manifest.Entry
	expected map[string]time.Time // workers that may come online any moment, until when
	changed  chan struct{}        // capacity 1: wanted is new
}

// New returns a Watcher that knows nothing yet.
func New(o Options) *Watcher {
	if o.PollEvery == 0 {
		o.PollEvery = 15 * time.Second
	}
	if o.ReleasesEvery == 0 {
		o.ReleasesEvery = 24 * time.Hour
	}
	if o.Retry == (backoff.Policy{}) {
		o.Retry = backoff.Policy{Base: 2 * time.Second, Max: 2 * time.Minute}
	}
	if o.PoolCredential == nil {
		o.PoolCredential = func(string) (secret.Text, error) { return "", nil }
	}
	if o.Facts == nil {
		o.Facts = func() api.CheckInFacts { return api.CheckInFacts{} }
	}
	if o.Orders == nil {
		o.Orders = noOrders{}
	}
	if o.OnRevoked == nil {
		o.OnRevoked = func(context.Context, Link, secret.Text) {}
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{
		o: o, groups: map[key]*group{}, streams: map[string]*stream{}, releases: map[string]*releases{},
		checkIns: map[Link]*checkIn{}, expected: map[string]time.Time{}, changed: make(chan struct{}, 1),
	}
}

// Follow says which workers to watch from now on. Loops of workers that are
// gone end, those of new ones begin, and what was refused is tried again: there
// may be another credential.
func (w *Watcher) Follow(entries []manifest.Entry) {
	w.mu.Lock()
	w.wanted = append([]manifest.Entry(nil), entries...)
	for _, g := range w.groups {
		if g.unauthorised {
			g.poke()
		}
	}
	for _, c := range w.checkIns {
		select {
		case c.wake <- struct{}{}: // it may rest for want of a credential
		default:
		}
	}
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Run keeps the loops going until ctx ends, and returns when all have.
func (w *Watcher) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		w.adjust(ctx, &running)
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		}
	}
}

// adjust starts and ends loops so that they match the wanted entries.
func (w *Watcher) adjust(ctx context.Context, running *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	groups, streams, planes, links := map[key]bool{}, map[string]bool{}, map[string]bool{}, map[Link]bool{}
	for _, e := range w.wanted {
		planes[e.APIURL] = true
		k, known := keyOf(e)
		if !known {
			continue
		}
		groups[k] = true
		if w.groups[k] == nil {
			g := &group{key: k, busy: make(chan struct{}, 1), wake: make(chan struct{}, 1), workers: map[string]seen{}}
			w.groups[k] = g
			loop(ctx, running, &g.stop, func(ctx context.Context) { w.poll(ctx, g) })
		}
		// The events of pool workers are not for a host's credential: asking
		// would only ever be refused.
		if k.pool {
			continue
		}
		if link := (Link{k.apiURL, k.workspaceID}); w.o.HostCredential != nil && !links[link] {
			links[link] = true
			if w.checkIns[link] == nil {
				c := &checkIn{link: link, wake: make(chan struct{}, 1)}
				w.checkIns[link] = c
				loop(ctx, running, &c.stop, func(ctx context.Context) { w.keepCheckingIn(ctx, c) })
			}
		}
		streams[e.ID] = true
		if s := w.streams[e.ID]; s == nil || s.key != k || s.resting {
			fresh := &stream{key: k, worker: e.ID}
			if s != nil {
				s.stop()
				fresh.last = s.last
			}
			s = fresh
			w.streams[e.ID] = s
			loop(ctx, running, &s.stop, func(ctx context.Context) { w.follow(ctx, s) })
		}
	}
	for url := range planes {
		if w.releases[url] == nil {
			r := &releases{}
			w.releases[url] = r
			loop(ctx, running, &r.stop, func(ctx context.Context) { w.watchReleases(ctx, url, r) })
		}
	}
	for k, g := range w.groups {
		if !groups[k] {
			g.stop()
			delete(w.groups, k)
		}
	}
	for id, s := range w.streams {
		if !streams[id] {
			s.stop()
			delete(w.streams, id)
		}
	}
	for link, c := range w.checkIns {
		if !links[link] {
			c.stop()
			delete(w.checkIns, link)
		}
	}
	for url, r := range w.releases {
		if !planes[url] {
			r.stop()
			delete(w.releases, url)
		}
	}
}

// loop starts run under a context of its own, ended through stop.
func loop(ctx context.Context, running *sync.WaitGroup, stop *context.CancelFunc, run func(context.Context)) {
	ctx, *stop = context.WithCancel(ctx)
	running.Go(func() { run(ctx) })
}

// group returns what tells about an entry; nil when nothing does, or not yet.
// w.mu is held.
func (w *Watcher) group(e manifest.Entry) *group {
	if k, known := keyOf(e); known {
		return w.groups[k]
	}
	return nil
}

// staleAfter is how many polls in a row have to be missed before what was told
// last is called out of date: one may be slow, two may fall into a restart.
const staleAfter = 3

// View is what is known of one worker.
type View struct {
	Status    *api.RemoteStatus // nil: never seen, or not listed any more
	FetchedAt time.Time         // of the last answer that was asked for it
	Stale     bool              // it should have been told anew since, and was not
	Err       string            // why it may be out of date; empty when it is not
	Event     *api.LastEvent
	Latest    string    // newest version of the worker program; empty when unknown
	LatestAt  time.Time // when that was told
}

// View returns what is known of a worker of the manifest.
func (w *Watcher) View(e manifest.Entry) View {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := View{Stale: true}
	if g := w.group(e); g != nil {
		v.FetchedAt, v.Err = g.okAt, g.err
		v.Stale = time.Since(g.okAt) > staleAfter*w.o.PollEvery
		if known, ok := g.workers[e.ID]; ok {
			status := known.status
			v.Status = &status
		} else if v.Err == "" && !g.okAt.IsZero() {
			v.Err = "the control plane does not list this worker"
		}
	}
	if s := w.streams[e.ID]; s != nil && s.last != nil {
		last := *s.last
		v.Event = &last
	}
	if r := w.releases[e.APIURL]; r != nil {
		v.Latest, v.LatestAt = r.worker, r.at
	}
	return v
}

// Plane is the link to one workspace of a control plane, or to its pool.
type Plane struct {
	APIURL, WorkspaceID string
	Pool                bool
	OKAt                time.Time // zero: never
	TriedAt             time.Time // zero: not yet
	Err                 string
	FailingSince        time.Time     // zero while it answers
	Unauthorised        bool          // the credential is missing or was refused
	Refused             bool          // there is one, and the control plane does not take it
	CheckedInAt         time.Time     // zero: never
	Skew                time.Duration // how far this host's clock was ahead then
}

// Planes lists the links, in no order. A pool that this host has no token for
// is not one.
func (w *Watcher) Planes() []Plane {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Plane
	for k, g := range w.groups {
		if k.pool && g.skipped {
			continue
		}
		p := Plane{
			APIURL: k.apiURL, WorkspaceID: k.workspaceID, Pool: k.pool, OKAt: g.okAt, TriedAt: g.triedAt,
			Err: g.err, FailingSince: g.failingSince, Unauthorised: g.unauthorised, Refused: g.refused,
		}
		if c := w.checkIns[Link{k.apiURL, k.workspaceID}]; c != nil && !k.pool {
			p.CheckedInAt, p.Skew = c.okAt, c.skew
		}
		out = append(out, p)
	}
	return out
}

// Orchestrator returns the newest version of this program that any control
// plane told, and when; empty when none did.
func (w *Watcher) Orchestrator() (version string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.releases {
		if r.orchestrator != "" && r.at.After(at) {
			version, at = r.orchestrator, r.at
		}
	}
	return version, at
}

// OrchestratorError is why the newest version of this program is not known, or
// not known anew; empty when it is.
func (w *Watcher) OrchestratorError() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, url := range slices.Sorted(maps.Keys(w.releases)) {
		if err := w.releases[url].err; err != nil {
			return url + ": " + explain(err)
		}
	}
	return ""
}

// errNotWatched says that nothing can tell about an entry.
var errNotWatched = errors.New("no control plane is asked about this worker")

// Refresh asks about an entry now, and returns what is known after an answer to
// a question that was put after the call; or why there is none, with what was
// known before. Callers that come together share one question.
func (w *Watcher) Refresh(ctx context.Context, e manifest.Entry) (View, error) {
	w.mu.Lock()
	g := w.group(e)
	w.mu.Unlock()
	if g == nil {
		return w.View(e), errNotWatched
	}
	err := w.fresh(ctx, g)
	return w.View(e), err
}
