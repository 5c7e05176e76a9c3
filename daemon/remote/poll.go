package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/manifest"
)

// group is one workspace of a control plane. Fields below stop are guarded by
// Watcher.mu; busy is held during a poll.
type group struct {
	key  key
	stop context.CancelFunc
	busy chan struct{} // capacity 1: a mutex that can be waited for with a context
	wake chan struct{} // capacity 1: something happened, ask now

	workers      map[string]seen
	okAt         time.Time
	triedAt      time.Time
	err          string
	unauthorised bool
}

type seen struct{ status api.RemoteStatus }

// errCredential says that there is nothing to ask with.
var errCredential = errors.New("this host has no credential for this control plane")

// poll asks every interval, with jitter, and less often while it fails; and
// when a lifecycle event says that there is news.
func (w *Watcher) poll(ctx context.Context, g *group) {
	for failures := 0; ; {
		wait := jitter(w.o.PollEvery)
		if err := w.once(ctx, g); err != nil {
			failures++
			wait = max(wait, w.o.Retry.Delay(failures))
		} else {
			failures = 0
			if w.expecting(g) {
				wait = min(wait, expectPace)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-g.wake:
			timer.Stop()
		}
	}
}

const (
	expectPace = time.Second      // between polls while a worker is expected
	expectFor  = 15 * time.Second // after that it is no news that it is not there
)

// Expect says that a process of this worker has just come up here. Its control
// plane is asked at once, and then every second until it lists the worker as
// online, or a while has passed.
func (w *Watcher) Expect(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected[id] = time.Now().Add(expectFor)
	for _, e := range w.wanted {
		if g := w.groups[key{e.APIURL, e.WorkspaceID}]; e.ID == id && g != nil {
			g.poke()
		}
	}
}

// expecting reports whether a worker of the group may come online any moment.
func (w *Watcher) expecting(g *group) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.expected {
		if time.Now().After(w.expected[id]) || g.workers[id].status.Status == "online" {
			delete(w.expected, id)
		}
	}
	return slices.ContainsFunc(w.wanted, func(e manifest.Entry) bool {
		return key{e.APIURL, e.WorkspaceID} == g.key && !w.expected[e.ID].IsZero()
	})
}

// poke asks for a poll now. It never blocks.
func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// once asks for the workers of a group and keeps the answer, or why there is
// none.
func (w *Watcher) once(ctx context.Context, g *group) error {
	select {
	case g.busy <- struct{}{}:
		defer func() { <-g.busy }()
	case <-ctx.Done():
		return ctx.Err()
	}
	plane, err := w.dial(g.key)
	var rows []api.RemoteWorker
	if err == nil {
		rows, err = plane.Workers(ctx, g.key.workspaceID)
	}
	if ctx.Err() != nil {
		return ctx.Err() // we gave up; that says nothing about the control plane
	}
	w.keep(g, rows, err)
	w.o.OnChange()
	return err
}

// dial returns a client with the credential of a workspace.
func (w *Watcher) dial(k key) (Client, error) {
	token, err := w.o.Credential(k.apiURL, k.workspaceID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCredential, err)
	}
	if token.Empty() {
		return nil, errCredential
	}
	return w.o.Dial(k.apiURL, token), nil
}

func (w *Watcher) keep(g *group, rows []api.RemoteWorker, err error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	g.triedAt = now
	if err != nil {
		if g.err == "" {
			w.o.Log.Warn("control plane does not answer", "url", g.key.apiURL, "workspace", g.key.workspaceID, "error", err)
		}
		g.err, g.unauthorised = explain(err), unauthorised(err)
		return
	}
	if g.err != "" {
		w.o.Log.Info("control plane answers again", "url", g.key.apiURL, "workspace", g.key.workspaceID)
	}
	g.okAt, g.err, g.unauthorised = now, "", false
	// The whole list is taken over: a worker that is not in it any more does
	// not keep its old status.
	g.workers = make(map[string]seen, len(rows))
	for _, row := range rows {
		g.workers[row.ID] = seen{api.RemoteStatus{
			Status: row.Status, DerivedStatus: row.DerivedStatus, CurrentRunID: row.CurrentRunID,
			Version: row.Version, LastSeenAt: row.LastSeenAt, Disabled: row.Disabled,
		}}
	}
}

// releases is what a control plane says about versions. Fields below stop are
// guarded by Watcher.mu.
type releases struct {
	stop context.CancelFunc

	worker, orchestrator string // empty when unknown
	at                   time.Time
}

// watchReleases asks at once, then once a day; after a failure sooner.
func (w *Watcher) watchReleases(ctx context.Context, apiURL string, r *releases) {
	for failures := 0; ; {
		wait := jitter(w.o.ReleasesEvery)
		answer, err := w.o.Dial(apiURL, "").Releases(ctx)
		if err != nil {
			failures++
			wait = backoff.Policy{Base: time.Minute, Max: time.Hour}.Delay(failures)
		} else {
			failures = 0
			w.mu.Lock()
			r.worker, r.orchestrator, r.at = known(answer.Worker.Latest), known(answer.Orchestrator.Latest), time.Now()
			w.mu.Unlock()
			w.o.OnChange()
		}
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
}

// known drops the word that servers send when they do not know.
func known(version string) string {
	if version == "unknown" {
		return ""
	}
	return version
}

// jitter spreads clients out: up to a tenth more or less.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

func unauthorised(err error) bool {
	var answer *api.Error
	return errors.Is(err, errCredential) ||
		errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden)
}

func explain(err error) string {
	var answer *api.Error
	if unauthorised(err) && errors.As(err, &answer) {
		return fmt.Sprintf("the control plane refused this host's credential (%s)", answer.Message)
	}
	return err.Error()
}
