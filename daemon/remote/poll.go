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
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// group is what one list call answers: one workspace of a control plane, or its
// pool. Fields below stop are guarded by Watcher.mu; busy is held during a poll.
type group struct {
	key  key
	stop context.CancelFunc
	busy chan struct{} // capacity 1: a mutex that can be waited for with a context
	wake chan struct{} // capacity 1: something happened, ask now

	workers      map[string]seen
	begun        int // polls
	okAt         time.Time
	triedAt      time.Time
	failingSince time.Time
	err          string
	failure      error
	unauthorised bool
	refused      bool // there is a credential, and it was not taken
	skipped      bool // there is nothing to ask with
}

// ErrNoPoolToken says that nobody here can ask about the workers of a pool.
var ErrNoPoolToken = errors.New("this host has no token that lists pool workers")

type seen struct{ status api.RemoteStatus }

var (
	// errCredential says that there is nothing to ask with.
	errCredential = errors.New("this host has no credential for this control plane")
	// errPoolCredential says that of the pool; most hosts have none.
	errPoolCredential = ErrNoPoolToken
)

// poll asks every interval, with jitter, and less often while it fails; and
// when a lifecycle event says that there is news. A control plane that wants to
// be left alone for a while is.
func (w *Watcher) poll(ctx context.Context, g *group) {
	for failures := 0; ; {
		wait, wake := jitter(w.o.PollEvery), g.wake
		err := w.once(ctx, g)
		switch pause := retryAfter(err); {
		case err == nil:
			failures = 0
			if w.expecting(g) {
				wait = min(wait, expectPace)
			}
		case errors.Is(err, errPoolCredential):
			failures = 0 // nobody was asked; a token may come any moment
		case pause > 0:
			failures++
			// Up to a tenth later, so that not everybody comes back at once.
			wait, wake = max(wait, w.o.Retry.Delay(failures), pause+rand.N(pause/10+1)), nil
		default:
			failures++
			wait = max(wait, w.o.Retry.Delay(failures))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-wake:
			timer.Stop()
		}
	}
}

// retryAfter is how long the server that gave the error wants to be left alone.
func retryAfter(err error) time.Duration {
	var answer *api.Error
	if errors.As(err, &answer) {
		return answer.RetryAfter
	}
	return 0
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
		if e.ID != id {
			continue
		}
		if g := w.group(e); g != nil {
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
		k, known := keyOf(e)
		return known && k == g.key && !w.expected[e.ID].IsZero()
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
	return w.ask(ctx, g)
}

// fresh is once for somebody who needs an answer that is newer than the call,
// and takes that of another one who waited for the same.
func (w *Watcher) fresh(ctx context.Context, g *group) error {
	w.mu.Lock()
	begun := g.begun
	w.mu.Unlock()
	select {
	case g.busy <- struct{}{}:
		defer func() { <-g.busy }()
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	// Polls never overlap: one that began meanwhile has ended by now.
	shared, failure := g.begun > begun, g.failure
	w.mu.Unlock()
	if shared && !errors.Is(failure, errNoAnswer) {
		return failure
	}
	return w.ask(ctx, g)
}

// ask makes the call. g.busy is held.
func (w *Watcher) ask(ctx context.Context, g *group) error {
	w.mu.Lock()
	g.begun++
	g.failure = errNoAnswer // until there is one
	w.mu.Unlock()
	plane, err := w.dial(g.key)
	var rows []api.RemoteWorker
	switch {
	case err != nil:
	case g.key.pool:
		rows, err = plane.PoolWorkers(ctx)
	default:
		rows, err = plane.Workers(ctx, g.key.workspaceID)
	}
	if ctx.Err() != nil {
		return ctx.Err() // we gave up; that says nothing about the control plane
	}
	w.keep(g, rows, err)
	w.o.OnChange()
	return err
}

// errNoAnswer says that a poll was given up before there was an answer.
var errNoAnswer = errors.New("the control plane was not heard out")

// dial returns a client with the credential of a group.
func (w *Watcher) dial(k key) (Client, error) {
	none := errCredential
	var token secret.Text
	var err error
	if k.pool {
		none = errPoolCredential
		token, err = w.o.PoolCredential(k.apiURL)
	} else {
		token, err = w.o.Credential(k.apiURL, k.workspaceID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", none, err)
	}
	if token.Empty() {
		return nil, none
	}
	return w.o.Dial(k.apiURL, token), nil
}

func (w *Watcher) keep(g *group, rows []api.RemoteWorker, err error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	g.triedAt, g.failure = now, err
	g.skipped = errors.Is(err, errPoolCredential)
	if err != nil {
		if g.err == "" {
			g.failingSince = now
			if !g.skipped {
				w.o.Log.Warn("control plane does not answer", "url", g.key.apiURL, "workspace", g.key.workspaceID, "error", err)
			}
		}
		g.err, g.unauthorised = explain(err), unauthorised(err)
		g.refused = g.unauthorised && !errors.Is(err, errCredential)
		return
	}
	if g.err != "" {
		w.o.Log.Info("control plane answers again", "url", g.key.apiURL, "workspace", g.key.workspaceID)
	}
	g.okAt, g.failingSince, g.err, g.unauthorised, g.refused = now, time.Time{}, "", false, false
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
	err                  error // of the last question; nil when it was answered
}

// watchReleases asks at once, then once a day; after a failure sooner.
func (w *Watcher) watchReleases(ctx context.Context, apiURL string, r *releases) {
	for failures := 0; ; {
		wait := jitter(w.o.ReleasesEvery)
		answer, err := w.o.Dial(apiURL, "").Releases(ctx)
		if err == nil && (answer.Worker.Latest == "" || answer.Orchestrator.Latest == "") {
			err = errReleases
		}
		if err != nil {
			failures++
			wait = max(backoff.Policy{Base: time.Minute, Max: time.Hour}.Delay(failures), retryAfter(err))
			w.o.Log.Debug("the newest versions are not known", "url", apiURL, "error", err)
		} else {
			failures = 0
		}
		if ctx.Err() != nil {
			return // we gave up; that says nothing about the control plane
		}
		w.mu.Lock()
		if r.err = err; err == nil {
			r.take(answer)
		}
		w.mu.Unlock()
		if err == nil {
			w.o.OnChange()
		}
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
}

// errReleases says that an answer does not name both programs.
var errReleases = errors.New("the answer does not name the newest versions")

// take keeps what an answer tells. One that knows nothing does not make what
// was told before untrue; its age says how old that is.
func (r *releases) take(answer api.Releases) {
	worker, orchestrator := known(answer.Worker.Latest), known(answer.Orchestrator.Latest)
	if worker != "" {
		r.worker = worker
	}
	if orchestrator != "" {
		r.orchestrator = orchestrator
	}
	if worker != "" || orchestrator != "" {
		r.at = time.Now()
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
	return errors.Is(err, errCredential) || errors.Is(err, errPoolCredential) ||
		errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden)
}

func explain(err error) string {
	var answer *api.Error
	if unauthorised(err) && errors.As(err, &answer) {
		return fmt.Sprintf("the control plane refused this host's credential (%s)", answer.Message)
	}
	return err.Error()
}
