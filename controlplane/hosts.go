package controlplane

import (
	"context"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

const (
	// hostOnlineFor is how long after a host was heard of it counts as online: a
	// check-in waits up to half a minute, and one may be lost.
	hostOnlineFor = 90 * time.Second
	// skewTolerated is how far a host's clock may be off without a word.
	skewTolerated = 30 * time.Second
)

// hosts answers GET /api/v1/hosts.
func (s *Server) hosts(ctx context.Context, _ none) (api.Hosts, error) {
	q := queryOf(ctx)
	ws, err := s.namedWorkspace(ctx, q.text("workspaceId"))
	if err != nil {
		return api.Hosts{}, err
	}
	all, err := s.st.Hosts(ctx, ws)
	if err != nil {
		return api.Hosts{}, err
	}
	workers, err := s.workersByHost(ctx, ws)
	if err != nil {
		return api.Hosts{}, err
	}
	status := q.text("status")
	out := api.Hosts{Items: []api.Host{}}
	for _, h := range all {
		wire := s.wireHost(h, workers[h.Name])
		if status == "" || wire.Status == status {
			out.Items = append(out.Items, wire)
		}
	}
	return out, nil
}

// host answers GET /api/v1/hosts/{id}.
func (s *Server) host(ctx context.Context, _ none) (api.HostDetail, error) {
	h, err := s.pathHost(ctx)
	if err != nil {
		return api.HostDetail{}, err
	}
	return s.hostDetail(ctx, h)
}

// noteHost answers POST /api/v1/hosts/{id}/note.
func (s *Server) noteHost(ctx context.Context, req api.NoteRequest) (api.HostDetail, error) {
	h, err := s.pathHost(ctx)
	if err != nil {
		return api.HostDetail{}, err
	}
	if h, err = s.st.NoteHost(ctx, h.ID, req.Note); err != nil {
		return api.HostDetail{}, err
	}
	s.hostChanged(h, "noted")
	return s.hostDetail(ctx, h)
}

// pauseHost answers POST /api/v1/hosts/{id}/pause: none of its workers gets new
// runs; those in hand go on. It lifts itself when its time is over.
func (s *Server) pauseHost(ctx context.Context, req api.PauseRequest) (api.HostDetail, error) {
	if until := req.Until.Time; !until.IsZero() && !until.After(s.o.Now()) {
		return api.HostDetail{}, httpkit.Invalid("Must be in the future", "until")
	}
	return s.switchHost(ctx, "paused", store.SwitchWorker{Disabled: true, Note: req.Note, Until: req.Until.Time})
}

// resumeHost answers POST /api/v1/hosts/{id}/resume. A worker that was disabled
// for itself stays so.
func (s *Server) resumeHost(ctx context.Context, _ none) (api.HostDetail, error) {
	return s.switchHost(ctx, "resumed", store.SwitchWorker{})
}

func (s *Server) switchHost(ctx context.Context, done string, p store.SwitchWorker) (api.HostDetail, error) {
	h, err := s.pathHost(ctx)
	if err != nil {
		return api.HostDetail{}, err
	}
	p.By, p.Who = store.HoldHost, caller(ctx).name
	workers, err := s.st.SwitchHost(ctx, h.ID, p)
	if err != nil {
		return api.HostDetail{}, err
	}
	for _, w := range workers {
		s.switched(w)
	}
	s.hostChanged(h, done)
	s.o.Log.InfoContext(ctx, "host switched", "how", done, "host", h.ID, "name", h.Name, "workers", len(workers), "by", p.Who, "request", httpkit.RequestID(ctx))
	return s.hostDetail(ctx, h)
}

// revokeHost answers POST /api/v1/hosts/{id}/revoke: its credentials and those
// of its workers are void, and what it holds open ends, here at once and on the
// other replicas within seconds.
func (s *Server) revokeHost(ctx context.Context, _ none) (api.HostDetail, error) {
	h, err := s.pathHost(ctx)
	if err != nil {
		return api.HostDetail{}, err
	}
	if h, err = s.st.RevokeHost(ctx, h.ID, caller(ctx).name); err != nil {
		return api.HostDetail{}, err
	}
	s.tokens.forget()
	s.waiting.end(waitHost(h.ID), errRevoked)
	s.o.Engine.TellReplicas()
	detail, err := s.hostDetail(ctx, h)
	for _, w := range detail.Items {
		s.waiting.end(waitWorker(store.WorkerID(w.ID)), errRevoked)
	}
	s.hostChanged(h, statusRevoked)
	s.o.Log.InfoContext(ctx, "host revoked", "host", h.ID, "name", h.Name, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return detail, err
}

// pathHost is the host that the path names, if it is one of the caller's
// workspace.
func (s *Server) pathHost(ctx context.Context) (store.Host, error) {
	h, err := s.st.Host(ctx, store.HostID(pathID(ctx)))
	if err == nil && mayUse(ctx, h.Workspace) != nil {
		err = store.ErrNotFound
	}
	if err == nil {
		recordOf(ctx).in(h.Workspace).detail("%s", h.Name)
	}
	return h, missing(err, "Host", "hostId", pathID(ctx))
}

// workersByHost are the workers of a workspace by the name of the
// host that keeps them.
func (s *Server) workersByHost(ctx context.Context, ws store.WorkspaceID) (map[string][]api.RemoteWorker, error) {
	all, err := s.st.Workers(ctx, ws)
	if err != nil {
		return nil, err
	}
	wire, err := s.wireWorkers(ctx, all...)
	if err != nil {
		return nil, err
	}
	out := map[string][]api.RemoteWorker{}
	for _, w := range wire {
		out[w.Host] = append(out[w.Host], w)
	}
	return out, nil
}

func (s *Server) hostDetail(ctx context.Context, h store.Host) (api.HostDetail, error) {
	workers, err := s.workersByHost(ctx, h.Workspace)
	if err != nil {
		return api.HostDetail{}, err
	}
	return api.HostDetail{Host: s.wireHost(h, workers[h.Name]), Items: orEmpty(workers[h.Name])}, nil
}

// wireHost spells a host as the wire does.
func (s *Server) wireHost(h store.Host, workers []api.RemoteWorker) api.Host {
	out := api.Host{
		ID: string(h.ID), Name: h.Name, Label: h.Label, OS: h.OS, Arch: h.Arch, OSVersion: h.OSVersion, Version: h.Version,
		Capabilities: orEmpty(h.Capabilities), Status: "offline", LastSeenAt: api.At(h.LastSeenAt), ClockSkewMs: h.Skew.Milliseconds(),
		Note: h.Note, RegisteredAt: api.At(h.RegisteredAt), RevokedAt: api.At(h.RevokedAt), RevokedBy: h.RevokedBy,
		Workers: len(workers), Warnings: []string{}, Workspace: string(h.Workspace),
	}
	switch {
	case !h.RevokedAt.IsZero():
		out.Status = statusRevoked
	case h.LastSeenAt.IsZero():
		out.Status = "never"
	case s.o.Now().Sub(h.LastSeenAt) <= hostOnlineFor:
		out.Status = "online"
	}
	for _, w := range workers {
		if w.CurrentRunID != nil {
			out.Busy++
		}
		if w.Disabled {
			out.Disabled++
		}
		for _, hold := range w.Holds {
			if hold.By == api.HoldHost && out.Paused == nil {
				out.Paused = &hold
			}
		}
	}
	if skew := h.Skew.Abs(); skew > skewTolerated {
		way := "ahead"
		if h.Skew < 0 {
			way = "behind"
		}
		out.Warnings = append(out.Warnings, fmt.Sprintf("its clock was %s %s when it checked in last", skew.Round(time.Second), way))
	}
	if out.Status == "offline" {
		out.Warnings = append(out.Warnings, "it was heard of last at "+api.At(h.LastSeenAt).String())
	}
	return out
}

func wireHold(h store.Hold) api.Hold {
	return api.Hold{By: h.By, Who: h.Who, Note: h.Note, Since: api.At(h.Since), Until: api.At(h.Until)}
}

func (s *Server) hostChanged(h store.Host, status string) {
	s.o.Engine.Publish(api.StreamEvent{Type: "host", ID: string(h.ID), Status: status})
}

// workerEventList answers GET /api/v1/workers/{id}/events: what follows since,
// or, without it, the newest.
func (s *Server) workerEventList(ctx context.Context, _ none) (api.WorkerEvents, error) {
	worker, err := s.reachable(ctx, store.WorkerID(pathID(ctx)))
	if err != nil {
		return api.WorkerEvents{}, missing(err, "Worker", "workerId", pathID(ctx))
	}
	q := queryOf(ctx)
	limit, since := q.number("limit", 100, 1, eventPage), q.number("since", 0, 0, int(maxSeq))
	if err := q.err(); err != nil {
		return api.WorkerEvents{}, err
	}
	var events []store.WorkerEvent
	if q.text("since") == "" {
		events, err = s.st.LastWorkerEvents(ctx, worker.ID, limit)
	} else {
		events, err = s.st.WorkerEvents(ctx, worker.ID, int64(since), limit)
	}
	if err != nil {
		return api.WorkerEvents{}, err
	}
	out := api.WorkerEvents{Items: []api.WorkerEvent{}, Next: int64(since)}
	for _, e := range events {
		out.Items = append(out.Items, api.WorkerEvent{Seq: e.Seq, LifecycleEvent: api.LifecycleEvent{Type: e.Type, TS: api.At(e.At), Data: e.Data}})
		out.Next = e.Seq
	}
	return out, nil
}

// maxSeq is the largest number that every JSON reader keeps exactly.
const maxSeq = int64(1) << 53
