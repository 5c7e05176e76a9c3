package controlplane

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// A worker that was not heard of for this long is no part of a service any
// more: it is not missed, and not counted.
const missedFor = 24 * time.Hour

// instance is a worker that serves a service, and what it has in hand.
type instance struct {
	store.Worker
	status string // as derivedStatus says it
	held   *store.Held
}

// missed reports whether it was heard of not long ago.
func (i instance) missed(now time.Time) bool {
	last := i.LastSeenAt
	if i.ServingSince.After(last) {
		last = i.ServingSince
	}
	return now.Sub(last) < missedFor
}

// serving is who serves the services; empty: all of them.
func (s *Server) serving(ctx context.Context, service pipeline.ServiceID) (map[pipeline.ServiceID][]instance, error) {
	workers, err := s.st.ServiceWorkers(ctx, service)
	if err != nil {
		return nil, err
	}
	held, err := s.inHand(ctx, workers...)
	if err != nil {
		return nil, err
	}
	out := map[pipeline.ServiceID][]instance{}
	for _, w := range workers {
		a, busy := held[w.ID]
		one := instance{Worker: w, status: s.derivedStatus(w, busy)}
		if busy {
			one.held = &a
		}
		out[w.Service] = append(out[w.Service], one)
	}
	return out, nil
}

// healthOf says how well a service is served, and why not better.
func healthOf(s store.Service, serving []instance, now time.Time) (health, reason string) {
	if s.BaseURL != "" {
		if s.Status == "disconnected" {
			return api.HealthUnserved, "The last dispatch did not reach its address"
		}
		return api.HealthServing, "" // what has nothing to do says nothing
	}
	var there, off, missed int
	for _, w := range serving {
		switch {
		case w.Disabled:
			off++
		case w.status != "offline":
			there++
		case w.missed(now):
			missed++
		}
	}
	switch {
	case there > 0 && missed > 0:
		return api.HealthDegraded, plural(missed, "A worker is not heard of", fmt.Sprintf("%d workers are not heard of", missed))
	case there > 0:
		return api.HealthServing, ""
	case off > 0 && missed == 0:
		return api.HealthUnserved, plural(off, "Its worker is disabled", "Its workers are disabled")
	case missed+off > 0:
		return api.HealthUnserved, plural(missed+off, "Its worker is not heard of", "None of its workers is heard of or enabled")
	case len(serving) == 0 && s.Status == "active":
		// Heard of through programs that are no enrolled workers, or by a server
		// of a version before this.
		return api.HealthServing, ""
	default:
		return api.HealthUnserved, "No worker serves it"
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// wireInstances spells those instances of a service that the caller may see,
// and counts the others.
func (s *Server) wireInstances(ctx context.Context, of store.Service, serving []instance) (seen []api.ServiceInstance, elsewhere int) {
	seen = []api.ServiceInstance{}
	if of.BaseURL != "" {
		at := api.ServiceInstance{
			Name: of.BaseURL, Version: of.Version, Status: "online",
			LastSeenAt: api.At(of.LastHeartbeat), Since: api.At(of.RegisteredAt),
		}
		if of.Status == "disconnected" {
			at.Status = "offline"
		}
		return append(seen, at), 0
	}
	id := caller(ctx)
	for _, w := range serving {
		if w.status == "offline" && !w.missed(s.o.Now()) {
			continue
		}
		if !seesWorker(id, w.Worker) {
			elsewhere++
			continue
		}
		one := api.ServiceInstance{
			Name: cmp.Or(w.Label, w.Hostname), WorkerID: string(w.ID), Host: w.KeptBy(), Workspace: wireOwner(w.Workspace),
			Version: w.ServiceVersion,
			Status:  w.status, LastSeenAt: api.At(w.LastSeenAt), Since: api.At(w.ServingSince),
		}
		if w.held != nil {
			one.CurrentTaskID, one.CurrentRunID = string(w.held.Task), string(w.held.Run)
		}
		seen = append(seen, one)
	}
	return seen, elsewhere
}

// seesWorker reports whether a caller may know a worker by name: those of its
// workspace, in the default one those of the pool, and all who manages all.
func seesWorker(id identity, w store.Worker) bool {
	return w.Workspace == id.workspace || managesAll(id) || id.kind == kindLocal ||
		w.Workspace == store.PoolWorkspace && id.workspace == store.MainWorkspace
}
