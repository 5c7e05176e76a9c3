package controlplane

import (
	"context"
	"errors"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/store"
)

// checkIn answers POST /api/v1/hosts/self/checkin: a host is there, says what it
// is and how far it is with its orders, and hears of new ones as soon as there
// are some. A host whose credential is revoked meanwhile hears that.
func (s *Server) checkIn(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, error) {
	id, now := caller(ctx), s.o.Now()
	facts := store.CheckInHost{
		Worker: id.worker, Label: req.Facts.Label, OS: req.Facts.OS, Arch: req.Facts.Arch, OSVersion: req.Facts.OSVersion,
		Version: req.Facts.Version, Capabilities: req.Facts.Capabilities,
	}
	if at := req.Facts.Time.Time; !at.IsZero() {
		facts.Skew = at.Sub(now)
	}
	woken := s.waiting.woken.Load()
	checked, err := s.st.CheckInHost(ctx, facts)
	if err != nil {
		return api.CheckInResponse{}, gone(err)
	}
	host := checked.Host
	if s.present.arrived(host, now) {
		s.hostChanged(host, "online")
	}
	out := api.CheckInResponse{HostID: string(host.ID), Orders: []api.HostOrder{}}
	if out.Acknowledged, err = s.takeReports(ctx, host, req.Reports); err != nil {
		return api.CheckInResponse{}, err
	}
	waiting, wait := s.waiting.add(ctx, waitHost(host.ID), id.token)
	defer wait.done()
	s.waiting.knows(wait, host.News)
	// Looking costs a statement, and every host asks twice a minute. Of what came
	// before it waited, the check-in or the count of wakes tells.
	look := checked.Ordered || len(req.Reports) > 0 || s.waiting.woken.Load() != woken
	over := time.NewTimer(time.Duration(req.WaitMs) * time.Millisecond)
	defer over.Stop()
	for ended := s.isDraining() || req.WaitMs == 0 || len(req.Reports) > 0; ; {
		if look {
			if out.Orders, err = s.openOrders(ctx, host); err != nil {
				return api.CheckInResponse{}, err
			}
		}
		if ended || slices.ContainsFunc(out.Orders, func(o api.HostOrder) bool { return !slices.Contains(req.Known, o.Key()) }) {
			out.ServerTime = api.At(s.o.Now())
			out.ReleaseKeys, err = s.knownKeys.get(ctx, s)
			return out, err
		}
		look = false
		select {
		case <-wait.wake:
			look = true
		case <-over.C:
			ended = true
		case <-waiting.Done():
			cause := context.Cause(waiting)
			if errors.Is(cause, errRevoked) {
				return api.CheckInResponse{}, errRevoked
			}
			if ctx.Err() != nil {
				return api.CheckInResponse{}, ctx.Err()
			}
			ended = true // the server stops
		}
	}
}
