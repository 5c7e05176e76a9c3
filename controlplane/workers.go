package controlplane

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// onlineFor is how long after its last heartbeat a worker counts as online.
const onlineFor = 45 * time.Second

// workers answers GET /api/v1/workspaces/{ws}/workers, by hostname. A host
// sees its own.
func (s *Server) workers(ctx context.Context, _ none) (api.RemoteWorkers, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return api.RemoteWorkers{}, err
	}
	all, err := s.st.Workers(ctx, ws)
	if err != nil {
		return api.RemoteWorkers{}, err
	}
	admits, err := s.reach(ctx)
	if err != nil {
		return api.RemoteWorkers{}, err
	}
	all = slices.DeleteFunc(all, func(w store.Worker) bool { return !admits(w) })
	items, err := s.wireWorkers(ctx, all...)
	if err != nil {
		return api.RemoteWorkers{}, err
	}
	return api.RemoteWorkers{Items: items}, nil
}

// disableWorker answers POST .../disable: no new runs; those in hand go on.
func (s *Server) disableWorker(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	if until := req.Until.Time; !until.IsZero() && !until.After(s.o.Now()) {
		return api.RemoteWorker{}, httpkit.Invalid("Must be in the future", "until")
	}
	return s.switchWorker(ctx, store.SwitchWorker{Disabled: true, By: req.By, Note: req.Note, Until: req.Until.Time})
}

// enableWorker answers POST .../enable. With the name of what disabled it, only
// that is taken back.
func (s *Server) enableWorker(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	return s.switchWorker(ctx, store.SwitchWorker{By: req.By})
}

func (s *Server) switchWorker(ctx context.Context, p store.SwitchWorker) (api.RemoteWorker, error) {
	worker, err := s.pathWorker(ctx)
	if err != nil {
		return api.RemoteWorker{}, err
	}
	return s.switchFound(ctx, worker, p)
}

// switchFound switches a worker that the caller may switch.
func (s *Server) switchFound(ctx context.Context, worker store.Worker, p store.SwitchWorker) (api.RemoteWorker, error) {
	p.Worker, p.Who = worker.ID, caller(ctx).name
	worker, err := s.st.SwitchWorker(ctx, p)
	if errors.Is(err, store.ErrConflict) {
		return api.RemoteWorker{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "The worker is disabled for too many reasons",
			Fix: "enable it without naming one, which lifts all of them",
		}
	}
	if err != nil {
		return api.RemoteWorker{}, missing(err, "Worker", "workerId", pathID(ctx))
	}
	s.switched(worker)
	recordOf(ctx).detail("%s", worker.Hostname)
	s.o.Log.InfoContext(ctx, "worker switched", "worker", worker.ID, "disabled", p.Disabled, "for", p.By, "by", p.Who, "request", httpkit.RequestID(ctx))
	wire, err := s.wireWorkers(ctx, worker)
	if err != nil {
		return api.RemoteWorker{}, err
	}
	return wire[0], nil
}

// switched tells whoever waits for a worker, and whoever watches, that it was
// switched.
func (s *Server) switched(w store.Worker) {
	s.waiting.end(waitWorker(w.ID), errWorkerChanged)
	s.o.Engine.TellReplicas()
	s.workerChanged(w)
}

// deleteWorker answers DELETE .../workers/{id}: the worker leaves the lists,
// its tokens are void and what it holds open ends.
func (s *Server) deleteWorker(ctx context.Context, _ none) (none, error) {
	worker, err := s.pathWorker(ctx)
	if err != nil {
		return none{}, err
	}
	return none{}, s.deleteFound(ctx, worker)
}

// deleteFound deletes a worker that the caller may delete.
func (s *Server) deleteFound(ctx context.Context, worker store.Worker) error {
	if err := s.st.DeleteWorker(ctx, worker.ID); err != nil {
		return missing(err, "Worker", "workerId", pathID(ctx))
	}
	s.tokens.forget()
	s.waiting.end(waitWorker(worker.ID), errWorkerChanged)
	s.o.Engine.Publish(api.StreamEvent{Type: "worker", ID: string(worker.ID), Status: "deleted"})
	recordOf(ctx).detail("%s", worker.Hostname)
	s.o.Log.InfoContext(ctx, "worker deleted", "worker", worker.ID, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return nil
}

// workerEvents answers GET /api/v1/workers/{id}/events/stream: the worker's
// lifecycle events as they come. A new reader is greeted with the newest one;
// one that comes back with Last-Event-ID gets what it missed.
func (s *Server) workerEvents(w http.ResponseWriter, r *http.Request) {
	const label = "Failed to stream events"
	ctx := r.Context()
	id := store.WorkerID(clean(r.PathValue("id")))
	worker, err := s.reachable(ctx, id)
	if err != nil {
		s.fail(w, r, label, missing(err, "Worker", "workerId", string(id)))
		return
	}
	// Subscribe before reading, so that nothing falls between the two.
	_, changes, cancel := s.o.Engine.Changes().Subscribe(0)
	defer cancel()
	after, pending, err := s.greeting(ctx, worker.ID, resumeAfter(r))
	if err != nil {
		s.fail(w, r, label, err)
		return
	}
	out, err := httpkit.SSE(w)
	if err != nil {
		return // the connection is gone, or not one that can stream
	}
	alive := s.keepAlive(r, out)
	defer alive.ticker.Stop()
	for {
		for _, event := range pending {
			wire := api.LifecycleEvent{Type: event.Type, TS: api.At(event.At), Data: event.Data}
			if out.Send(event.Seq, event.Type, wire) != nil {
				return
			}
			after = event.Seq
		}
		// Wait for something that concerns this worker. The ticker also looks for
		// what another replica stored.
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-s.draining:
				return
			case change, open := <-changes:
				if !open {
					return
				}
				waiting = change.Type != "worker" || change.ID != string(worker.ID)
				if !waiting && change.Status == "deleted" {
					return
				}
			case <-alive.ticker.C:
				if !alive.tick() {
					return
				}
				waiting = false
			}
		}
		if _, err := s.st.Worker(ctx, worker.ID); errors.Is(err, store.ErrNotFound) {
			return // deleted, perhaps on another replica
		}
		pending, err = s.st.WorkerEvents(ctx, worker.ID, after, eventPage)
		if err != nil {
			s.o.Log.WarnContext(ctx, "event stream ended", "worker", worker.ID, "error", err)
			return
		}
	}
}

const eventPage = 500

// greeting finds where a stream begins: after the event a reader names, or
// with the newest there is.
func (s *Server) greeting(ctx context.Context, id store.WorkerID, after int64) (int64, []store.WorkerEvent, error) {
	resumed := after > 0
	var newest []store.WorkerEvent
	for {
		page, err := s.st.WorkerEvents(ctx, id, after, eventPage)
		switch {
		case err != nil:
			return 0, nil, err
		case resumed:
			return after, page, nil
		case len(page) > 0:
			newest = page[len(page)-1:]
			after = newest[0].Seq
		}
		if len(page) < eventPage {
			return after, newest, nil
		}
	}
}

// pathWorker is the worker that the path names, if the caller may touch it.
func (s *Server) pathWorker(ctx context.Context) (store.Worker, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return store.Worker{}, err
	}
	worker, err := s.reachable(ctx, store.WorkerID(pathID(ctx)))
	if err == nil && worker.Workspace != ws {
		err = store.ErrNotFound
	}
	return worker, missing(err, "Worker", "workerId", pathID(ctx))
}

// reachable is a worker, if the caller may see it; one of another workspace or
// another host looks as if it did not exist.
func (s *Server) reachable(ctx context.Context, id store.WorkerID) (store.Worker, error) {
	worker, err := s.st.Worker(ctx, id)
	if err != nil {
		return store.Worker{}, err
	}
	admits, err := s.reach(ctx)
	if err != nil {
		return store.Worker{}, err
	}
	if id := caller(ctx); worker.Workspace != id.workspace && !managesAll(id) || !admits(worker) {
		return store.Worker{}, store.ErrNotFound
	}
	return worker, nil
}

// reach says which workers a caller may touch: an operator all of the
// workspace, a host those of the hostname that it was enrolled with and those
// that it had registered, so that a stolen host credential is no power over
// other hosts.
func (s *Server) reach(ctx context.Context) (func(store.Worker) bool, error) {
	id := caller(ctx)
	if id.kind != kindHost {
		return func(store.Worker) bool { return true }, nil
	}
	own, err := s.st.Worker(ctx, id.worker)
	if errors.Is(err, store.ErrNotFound) {
		return func(store.Worker) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	return func(w store.Worker) bool { return w.KeptBy() == own.KeptBy() }, nil
}

// wireWorkers spells workers as the wire does.
func (s *Server) wireWorkers(ctx context.Context, workers ...store.Worker) ([]api.RemoteWorker, error) {
	held, err := s.inHand(ctx, workers...)
	if err != nil {
		return nil, err
	}
	out := make([]api.RemoteWorker, 0, len(workers))
	for _, w := range workers {
		var current *string
		if a, busy := held[w.ID]; busy {
			run := a.ID.Wire(a.Attempt)
			current = &run
		}
		out = append(out, s.wireWorker(w, current))
	}
	return out, nil
}

func (s *Server) wireWorker(w store.Worker, current *string) api.RemoteWorker {
	out := api.RemoteWorker{
		ID: string(w.ID), Status: "offline", CurrentRunID: current,
		LastSeenAt: api.At(w.LastSeenAt), Disabled: w.Disabled,
		Hostname: w.Hostname, Label: w.Label, OS: w.OS, RegisteredAt: api.At(w.RegisteredAt),
		Host: w.KeptBy(),
	}
	for _, h := range w.Holds {
		out.Holds = append(out.Holds, wireHold(h))
	}
	if w.Version != "" {
		out.Version = &w.Version
	}
	if s.online(w) {
		out.Status = "online"
	}
	out.DerivedStatus = s.derivedStatus(w, current != nil)
	return out
}

// online reports whether a worker was heard not long ago, and has not left.
func (s *Server) online(w store.Worker) bool {
	return !w.LastSeenAt.IsZero() && s.o.Now().Sub(w.LastSeenAt) <= onlineFor && !s.present.left(w)
}

// derivedStatus is the one word for how a worker stands; busy: it has a run in
// hand.
func (s *Server) derivedStatus(w store.Worker, busy bool) string {
	switch {
	case w.Disabled:
		return "disabled"
	case !s.online(w):
		return "offline"
	case busy:
		return "busy"
	}
	return "online"
}

// inHand is an attempt that each of the workers has in hand. It is asked
// of the leases, not of heartbeats: whoever drains a worker must see a run from
// the claim to its end, and see no other.
func (s *Server) inHand(ctx context.Context, workers ...store.Worker) (map[store.WorkerID]store.Held, error) {
	owners := make([]string, len(workers))
	byOwner := make(map[string]store.WorkerID, len(workers))
	for i, w := range workers {
		owners[i] = owner(w.ID)
		byOwner[owners[i]] = w.ID
	}
	held, err := s.st.Held(ctx, owners)
	if err != nil {
		return nil, err
	}
	out := make(map[store.WorkerID]store.Held, len(workers))
	for _, a := range held {
		out[byOwner[a.Owner]] = a
	}
	return out, nil
}

func (s *Server) workerChanged(w store.Worker) {
	status := "enabled"
	if w.Disabled {
		status = "disabled"
	}
	s.o.Engine.Publish(api.StreamEvent{Type: "worker", ID: string(w.ID), Status: status})
}
