package controlplane

import (
	"context"
	"errors"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// What a pulling worker does by itself. Which worker it is, its token says.

// registerSelf answers POST /api/v1/workers/self/register. Such a service has
// no base URL: its runs are claimed, not pushed.
func (s *Server) registerSelf(ctx context.Context, req api.RegisterRequest) (api.RegisterResponse, error) {
	req.BaseURL = ""
	out, err := s.registerService(ctx, req)
	if err == nil {
		err = s.serves(ctx, store.Serve{Worker: caller(ctx).worker, Service: pipeline.ServiceID(req.ServiceID), Version: req.Version})
	}
	return out, err
}

// servesAnew is for how long a claim leaves what a worker serves as it is: one
// that takes the work of several in turn does not have each claim written down.
const servesAnew = time.Minute

// serves notes which service a worker serves.
func (s *Server) serves(ctx context.Context, p store.Serve) error {
	worker, err := s.st.Serve(ctx, p)
	if err != nil {
		return gone(err)
	}
	s.workerChanged(worker)
	return nil
}

// claim answers POST /api/v1/workers/self/claim: runs to execute, waiting for
// some as long as the worker allows. A disabled worker gets none, also when it
// is disabled while it waits.
func (s *Server) claim(ctx context.Context, req api.ClaimRequest) (api.ClaimResponse, error) {
	id := caller(ctx)
	ctx, wait := s.waiting.add(ctx, waitWorker(id.worker), id.token)
	defer wait.done()
	worker, err := s.st.Worker(context.WithoutCancel(ctx), id.worker) // one that is ended right away hears why, too
	if err != nil {
		return api.ClaimResponse{}, gone(err)
	}
	if service := pipeline.ServiceID(req.ServiceID); worker.Service != service && service != "" && s.o.Now().Sub(worker.ServingSince) > servesAnew {
		if err := s.serves(context.WithoutCancel(ctx), store.Serve{Worker: worker.ID, Service: service}); err != nil {
			return api.ClaimResponse{}, err
		}
	}
	patience := time.Duration(req.WaitMs) * time.Millisecond
	out := api.ClaimResponse{Runs: []api.Dispatch{}, Disabled: worker.Disabled}
	if s.isDraining() {
		return out, nil // asks again, and finds whoever serves then
	}
	if worker.Disabled {
		s.waiting.idle(wait)
		pause(ctx, min(patience, disabledPause))
		if errors.Is(context.Cause(ctx), errRevoked) {
			return api.ClaimResponse{}, errRevoked
		}
		return out, nil
	}
	runs, err := s.o.Engine.Claim(ctx, engine.Pull{
		Owner:    owner(id.worker),
		Services: []pipeline.ServiceID{pipeline.ServiceID(req.ServiceID)},
		Max:      req.Max,
		Wait:     patience,
		Seal:     id.token,
		Still:    s.stillEnabled(id.worker),
	})
	switch {
	case len(runs) > 0: // claimed before anything went wrong: the worker must hear of them
	case errors.Is(context.Cause(ctx), errRevoked):
		return api.ClaimResponse{}, errRevoked
	case errors.Is(context.Cause(ctx), errWorkerChanged), errors.Is(err, errWorkerChanged):
		worker, err := s.st.Worker(context.WithoutCancel(ctx), id.worker)
		if err != nil {
			return api.ClaimResponse{}, gone(err)
		}
		out.Disabled = worker.Disabled
		return out, nil
	case err != nil:
		return api.ClaimResponse{}, err
	default:
		return out, nil
	}
	out.Runs = runs
	for i := range runs {
		runs[i].EventsToken = s.eventsToken(id.worker, runs[i].RunID)
	}
	if worker.CurrentRun != "" {
		return out, nil // shown as busy, and its heartbeats keep that fresh
	}
	// Pages show it busy from here on, not from its next heartbeat.
	worker, err = s.st.TouchWorker(context.WithoutCancel(ctx), store.WorkerBeat{Worker: id.worker, CurrentRun: runs[0].RunID})
	if errors.Is(err, store.ErrNotFound) {
		// Deleted since it claimed. The runs it must not hear of are rescued when
		// their leases end.
		return api.ClaimResponse{}, errUnauthorized
	}
	if err != nil {
		s.o.Log.WarnContext(ctx, "claim not noted at the worker", "worker", id.worker, "error", err)
	} else {
		s.workerChanged(worker)
	}
	return out, nil
}

// stillEnabled looks once more whether a worker may have what it claimed. On the
// server that disables or deletes a worker, its claims are ended before that is
// answered; another one hears of it a moment later. Whoever disabled the worker
// and then saw nothing in its hand must be right: it is about to be stopped.
func (s *Server) stillEnabled(id store.WorkerID) func(context.Context) error {
	if !s.st.Info().Shared {
		return nil
	}
	return func(ctx context.Context) error {
		worker, err := s.st.Worker(ctx, id)
		if err != nil {
			return gone(err)
		}
		if worker.Disabled {
			return errWorkerChanged
		}
		return nil
	}
}

// disabledPause keeps a disabled worker from asking in a tight loop, and is
// short enough for it to notice soon that it was enabled elsewhere.
const disabledPause = 5 * time.Second

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// workerBeat answers POST /api/v1/workers/self/heartbeat: the worker is alive,
// and so are the runs it names.
func (s *Server) workerBeat(ctx context.Context, req api.WorkerBeatRequest) (api.WorkerBeatResponse, error) {
	id := caller(ctx)
	noted := store.WorkerBeat{
		Worker:  id.worker,
		Version: cut(httpkit.Request(ctx).Header.Get(api.HeaderWorkerVersion), 64),
	}
	if len(req.Runs) > 0 {
		noted.CurrentRun = req.Runs[0].RunID
	}
	worker, err := s.st.TouchWorker(ctx, noted)
	if err != nil {
		return api.WorkerBeatResponse{}, gone(err)
	}
	out := api.WorkerBeatResponse{Cancel: []string{}, Disabled: worker.Disabled, Rotate: s.rotationDue(id)}

	beats := make([]store.Heartbeat, len(req.Runs))
	for i, run := range req.Runs {
		beats[i] = beat(ctx, run)
	}
	answers, err := s.o.Engine.Heartbeats(ctx, beats)
	if err != nil {
		return api.WorkerBeatResponse{}, err
	}
	for i, answer := range answers {
		if !answer.Known || answer.Cancel {
			out.Cancel = append(out.Cancel, req.Runs[i].RunID)
		}
	}
	if s.present.news(worker, s.o.Now()) {
		s.workerChanged(worker)
	}
	return out, nil
}

// workerEvent answers POST /api/v1/workers/self/events.
func (s *Server) workerEvent(ctx context.Context, req api.LifecycleEvent) (none, error) {
	at := req.TS.Time
	if at.IsZero() {
		at = s.o.Now()
	}
	if req.Data != nil && httpkit.Kind(req.Data) != "object" {
		return none{}, httpkit.Invalid("Expected object, received "+httpkit.Kind(req.Data), "data")
	}
	worker, err := s.st.Worker(ctx, caller(ctx).worker)
	if err != nil {
		return none{}, gone(err)
	}
	_, err = s.st.AddWorkerEvent(ctx, store.WorkerEvent{Worker: worker.ID, Type: req.Type, At: at, Data: req.Data})
	if err != nil {
		return none{}, err
	}
	if req.Type == api.EventWorkerStopped {
		s.present.stop(worker)
	}
	s.workerChanged(worker)
	return none{}, nil
}

// gone is what a worker hears that was deleted while its token was checked.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errUnauthorized
	}
	return err
}

// presence remembers what the last heartbeat of each worker said, because only
// those that say something new are news to whoever watches.
type presence struct {
	mu      sync.Mutex
	m       map[store.WorkerID]present
	stopped map[store.WorkerID]time.Time // when it was seen last as it said goodbye
	hosts   map[store.HostID]time.Time   // when it was heard of last
}

type present struct {
	run, version string
	disabled     bool
	at           time.Time
}

// news notes a heartbeat and reports whether it differs from the last one, or
// ends a silence.
func (p *presence) news(w store.Worker, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil || len(p.m) >= maxAddresses {
		p.m = map[store.WorkerID]present{}
	}
	last := p.m[w.ID]
	p.m[w.ID] = present{w.CurrentRun, w.Version, w.Disabled, now}
	return last.run != w.CurrentRun || last.version != w.Version || last.disabled != w.Disabled || now.Sub(last.at) > onlineFor
}

// arrived notes a check-in and reports whether it ends a silence.
func (p *presence) arrived(h store.Host, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts == nil || len(p.hosts) >= maxAddresses {
		p.hosts = map[store.HostID]time.Time{}
	}
	last := p.hosts[h.ID]
	p.hosts[h.ID] = now
	return now.Sub(last) > hostOnlineFor
}

// stop notes that a worker said goodbye. It is a courtesy to whoever watches:
// without it, on another replica too, the worker is offline a little later.
func (p *presence) stop(w store.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil || len(p.stopped) >= maxAddresses {
		p.stopped = map[store.WorkerID]time.Time{}
	}
	p.stopped[w.ID] = w.LastSeenAt
}

// left reports whether a worker said goodbye and was not heard of since.
func (p *presence) left(w store.Worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, stopped := p.stopped[w.ID]
	return stopped && !w.LastSeenAt.After(seen)
}
