package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/rollout"
	"pipedai/store"
)

// The limits of a rollout that names none.
const (
	defaultCanary         = 1
	defaultMaxUnavailable = 1
	defaultMaxFailures    = 0
	defaultHostDeadline   = 2 * time.Hour
)

func limitsOf(l api.RolloutLimits) rollout.Limits {
	out := rollout.Limits{Canary: defaultCanary, MaxUnavailable: defaultMaxUnavailable, MaxFailures: defaultMaxFailures, HostDeadline: defaultHostDeadline}
	if l.Canary != nil {
		out.Canary = *l.Canary
	}
	if l.MaxUnavailable != nil {
		out.MaxUnavailable = *l.MaxUnavailable
	}
	if l.MaxFailures != nil {
		out.MaxFailures = *l.MaxFailures
	}
	if l.HostDeadlineSec != nil {
		out.HostDeadline = time.Duration(*l.HostDeadlineSec) * time.Second
	}
	return out
}

// planRollout answers POST /api/v1/rollouts/plan.
func (s *Server) planRollout(ctx context.Context, req api.StartRolloutRequest) (api.RolloutPlan, error) {
	p, err := s.planUpgrade(ctx, req)
	return p.wire(), err
}

// startRollout answers POST /api/v1/rollouts.
func (s *Server) startRollout(ctx context.Context, req api.StartRolloutRequest) (api.RolloutDetail, error) {
	p, err := s.planUpgrade(ctx, req)
	if err != nil {
		return api.RolloutDetail{}, err
	}
	return s.begin(ctx, p, store.StartRollout{
		Kind: store.RolloutUpgrade, Limits: limitsOf(req.RolloutLimits), ForceAfter: time.Duration(req.ForceAfterSec) * time.Second, Note: req.Note,
	})
}

// begin starts a rollout of what was planned.
func (s *Server) begin(ctx context.Context, p rolloutPlan, start store.StartRollout) (api.RolloutDetail, error) {
	if len(p.targets) == 0 {
		return api.RolloutDetail{}, p.nothing()
	}
	by := caller(ctx)
	start.Workspace, start.Program, start.Version, start.Channel, start.By, start.Targets = by.workspace, p.program, p.version, p.channel, by.name, p.start()
	r, err := s.st.StartRollout(ctx, start)
	if errors.Is(err, store.ErrConflict) {
		return api.RolloutDetail{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: fmt.Sprintf("Another rollout of %s is %s", r.Program, r.Status),
			Detail: fmt.Sprintf("%s brings it to %s", r.ID, r.Version), Fix: "wait for it, or end it: pipeweave rollouts abort " + string(r.ID),
			Extra: map[string]any{"rolloutId": string(r.ID)},
		}
	}
	if err != nil {
		return api.RolloutDetail{}, fmt.Errorf("start rollout: %w", err)
	}
	s.o.Log.InfoContext(ctx, "rollout started", "rollout", r.ID, "kind", r.Kind, "program", r.Program, "version", r.Version,
		"hosts", len(start.Targets), "by", by.name, "request", httpkit.RequestID(ctx))
	s.o.Engine.RolloutsMoved(r)
	httpkit.SetStatus(ctx, http.StatusCreated)
	out, err := s.rolloutDetail(ctx, r)
	out.LeftOut = p.wire().LeftOut
	return out, err
}

// rollouts answers GET /api/v1/rollouts.
func (s *Server) rollouts(ctx context.Context, _ none) (api.Rollouts, error) {
	q := queryOf(ctx)
	limit := q.number("limit", 50, 1, 500)
	if err := q.err(); err != nil {
		return api.Rollouts{}, err
	}
	all, err := s.st.Rollouts(ctx, caller(ctx).workspace, limit)
	out := api.Rollouts{Items: []api.Rollout{}}
	for _, r := range all {
		out.Items = append(out.Items, wireRollout(r))
	}
	return out, err
}

// rollout answers GET /api/v1/rollouts/{id}.
func (s *Server) rollout(ctx context.Context, _ none) (api.RolloutDetail, error) {
	r, err := s.pathRollout(ctx)
	if err != nil {
		return api.RolloutDetail{}, err
	}
	return s.rolloutDetail(ctx, r)
}

// pauseRollout answers POST /api/v1/rollouts/{id}/pause: no new orders; those
// that are out go on.
func (s *Server) pauseRollout(ctx context.Context, req api.SteerRolloutRequest) (api.RolloutDetail, error) {
	return s.steerRollout(ctx, store.RolloutPause, "paused", req.Note)
}

// resumeRollout answers POST /api/v1/rollouts/{id}/resume.
func (s *Server) resumeRollout(ctx context.Context, req api.SteerRolloutRequest) (api.RolloutDetail, error) {
	verb := store.RolloutResume
	if req.Retry {
		verb = store.RolloutRetry
	}
	return s.steerRollout(ctx, verb, "resumed", req.Note)
}

// abortRollout answers POST /api/v1/rollouts/{id}/abort: what is out is taken
// back.
func (s *Server) abortRollout(ctx context.Context, req api.SteerRolloutRequest) (api.RolloutDetail, error) {
	return s.steerRollout(ctx, store.RolloutAbort, "aborted", req.Note)
}

func (s *Server) steerRollout(ctx context.Context, verb store.RolloutVerb, done, note string) (api.RolloutDetail, error) {
	r, err := s.pathRollout(ctx)
	if err != nil {
		return api.RolloutDetail{}, err
	}
	why := done
	if name := caller(ctx).name; name != "" {
		why += " by " + name
	}
	if note != "" {
		why += ": " + note
	}
	r, err = s.st.SteerRollout(ctx, store.SteerRollout{ID: r.ID, Verb: verb, Why: why})
	if errors.Is(err, store.ErrConflict) {
		return api.RolloutDetail{}, steered(r, verb)
	}
	if err != nil {
		return api.RolloutDetail{}, fmt.Errorf("steer rollout: %w", err)
	}
	s.o.Log.InfoContext(ctx, "rollout steered", "how", done, "rollout", r.ID, "status", r.Status, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	s.o.Engine.RolloutsMoved(r)
	return s.rolloutDetail(ctx, r)
}

// steered says why a verb makes no difference.
func steered(r store.Rollout, verb store.RolloutVerb) *api.Error {
	out := &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict, Message: fmt.Sprintf("The rollout is %s", r.Status),
		Extra: map[string]any{"rolloutId": string(r.ID), "status": string(r.Status)},
	}
	switch {
	case r.Status == rollout.Failed && verb == store.RolloutResume:
		out.Fix = "try again those that failed: pipeweave rollouts resume --retry " + string(r.ID)
	case r.Status == rollout.Failed && verb == store.RolloutRetry:
		out.Detail = "there is nothing to try again, or another rollout of the program is under way"
	case r.Status == rollout.Succeeded, r.Status == rollout.Aborted:
		out.Fix = "start another one: pipeweave rollouts start --to " + r.Version
	}
	return out
}

// rollBackPlan answers POST /api/v1/rollouts/{id}/rollback/plan.
func (s *Server) rollBackPlan(ctx context.Context, _ api.RollbackRequest) (api.RolloutPlan, error) {
	r, err := s.pathRollout(ctx)
	if err != nil {
		return api.RolloutPlan{}, err
	}
	p, err := s.planRollback(ctx, r)
	return p.wire(), err
}

// rollBack answers POST /api/v1/rollouts/{id}/rollback: a new rollout that
// takes each host back to where it was.
func (s *Server) rollBack(ctx context.Context, req api.RollbackRequest) (api.RolloutDetail, error) {
	r, err := s.pathRollout(ctx)
	if err != nil {
		return api.RolloutDetail{}, err
	}
	if r.Status == rollout.Running || r.Status == rollout.Paused {
		r, err = s.st.SteerRollout(ctx, store.SteerRollout{ID: r.ID, Verb: store.RolloutAbort, Why: "rolled back by " + caller(ctx).name})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return api.RolloutDetail{}, fmt.Errorf("abort rollout: %w", err)
		}
		s.o.Engine.RolloutsMoved(r)
	}
	p, err := s.planRollback(ctx, r)
	if err != nil {
		return api.RolloutDetail{}, err
	}
	return s.begin(ctx, p, store.StartRollout{
		Kind: store.RolloutRollback, RollbackOf: r.ID, Limits: limitsOf(req.RolloutLimits), ForceAfter: r.ForceAfter, Note: req.Note,
	})
}

// pathRollout is the rollout that the path names, if it is one of the caller's
// workspace.
func (s *Server) pathRollout(ctx context.Context) (store.Rollout, error) {
	r, err := s.st.Rollout(ctx, store.RolloutID(pathID(ctx)))
	if err == nil && r.Workspace != caller(ctx).workspace {
		err = store.ErrNotFound
	}
	return r, missing(err, "Rollout", "rolloutId", pathID(ctx))
}

func (s *Server) rolloutDetail(ctx context.Context, r store.Rollout) (api.RolloutDetail, error) {
	targets, err := s.st.RolloutTargets(ctx, r.ID)
	out := api.RolloutDetail{Rollout: wireRollout(r), Targets: []api.RolloutTarget{}, LeftOut: []api.RolloutLeftOut{}}
	for _, t := range targets {
		out.Targets = append(out.Targets, wireTarget(t))
	}
	return out, err
}

func wireRollout(r store.Rollout) api.Rollout {
	c := r.Counts
	return api.Rollout{
		ID: string(r.ID), Program: r.Program, Version: r.Version, Channel: r.Channel, Kind: string(r.Kind), RollbackOf: string(r.RollbackOf),
		Status: string(r.Status), Reason: r.Reason, Canary: r.Canary, MaxUnavailable: r.MaxUnavailable, MaxFailures: r.MaxFailures,
		HostDeadlineSec: int64(r.HostDeadline.Seconds()), ForceAfterSec: int64(r.ForceAfter.Seconds()),
		Counts: api.RolloutCounts{
			Total: c.Total, Waiting: c.Waiting, Offline: c.Offline, Out: c.Out, Succeeded: c.Succeeded, Failed: c.Failed,
			Refused: c.Refused, Withdrawn: c.Withdrawn, Skipped: c.Skipped,
		},
		Note: r.Note, CreatedBy: r.CreatedBy, CreatedAt: api.At(r.CreatedAt), UpdatedAt: api.At(r.UpdatedAt), EndedAt: api.At(r.EndedAt),
	}
}

func wireTarget(t store.RolloutTarget) api.RolloutTarget {
	out := api.RolloutTarget{
		HostID: string(t.ID), Host: t.Host, Version: t.Version, From: versionsOf(t.From), State: string(t.State), Canary: t.Canary, Forgiven: t.Forgiven,
		Online: t.Online, LastSeenAt: api.At(t.LastSeenAt), OrderID: string(t.Order), Attempts: t.Attempts, OrderedAt: api.At(t.OrderedAt),
		Deadline: api.At(t.Deadline), EndedAt: api.At(t.EndedAt), Error: t.Error, Step: t.Step, Progress: t.Progress, Message: t.Message,
		Workers: []api.OrderWorker{}, ReportedAt: api.At(t.ReportedAt),
	}
	for _, w := range t.Workers {
		out.Workers = append(out.Workers, api.OrderWorker{WorkerID: w.Worker, FromVersion: w.From, Version: w.Version, Status: w.Status, Error: w.Error})
	}
	return out
}

// versionsOf are the versions that workers ran before, each once.
func versionsOf(workers []store.RolloutWorker) []string {
	out := []string{}
	for _, w := range workers {
		if w.From != "" && !slices.Contains(out, w.From) {
			out = append(out, w.From)
		}
	}
	slices.Sort(out)
	return out
}
