package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// The prefixes of tokens that admit: one worker to a workspace or to the pool,
// one host.
const (
	kindRegistration = "wrk"
	kindPool         = "pool"
	kindCode         = "enr"
)

// registrationLasts is how long a wrk token is good for.
const registrationLasts = 15 * time.Minute

// mintRegistration answers POST .../workers/registration-token. What a host
// mints admits workers of that host and takes over none of another.
func (s *Server) mintRegistration(ctx context.Context, req api.MintRequest) (api.MintedToken, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return api.MintedToken{}, err
	}
	by, host := caller(ctx), ""
	if by.kind == kindHost {
		own, err := s.st.Worker(ctx, by.worker)
		if errors.Is(err, store.ErrNotFound) {
			return api.MintedToken{}, errForbidden
		}
		if err != nil {
			return api.MintedToken{}, err
		}
		host = own.KeptBy()
	}
	made, token, err := s.mint(ctx, ws, kindRegistration, req.Label, host, registrationLasts)
	if err != nil {
		return api.MintedToken{}, err
	}
	recordOf(ctx).on(made.ID).detail("registration token, label %q", req.Label)
	s.o.Log.InfoContext(ctx, "registration token minted", "registration", made.ID, "host", host, "by", by.name, "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	return api.MintedToken{ID: made.ID, Token: token.Reveal(), LastFour: made.LastFour, ExpiresAt: made.ExpiresAt}, nil
}

// mint makes a token that admits one worker to a workspace, or to the pool.
func (s *Server) mint(ctx context.Context, ws store.WorkspaceID, kind, label, host string, lasts time.Duration) (api.Token, secret.Text, error) {
	token := secret.New(kind)
	now := s.o.Now()
	made, err := s.st.CreateRegistration(ctx, store.Registration{
		Workspace: ws, SecretHash: token.Hash(), Host: host, Label: label, MintedBy: caller(ctx).name,
		CreatedAt: now, ExpiresAt: now.Add(min(lasts, joinAtMost)),
	})
	if err != nil {
		return api.Token{}, "", fmt.Errorf("create registration: %w", err)
	}
	out := registrationToken(made)
	out.LastFour = lastFour(token)
	return out, token, nil
}

// registerWorker answers POST /api/v1/workers/register.
func (s *Server) registerWorker(ctx context.Context, req api.RegisterWorkerRequest) (api.RegisteredWorker, error) {
	r := httpkit.Request(ctx)
	recordOf(ctx).detail("hostname %s", req.Hostname)
	found, err := s.st.RegistrationBySecret(ctx, secret.Text(req.Token).Hash())
	if errors.Is(err, store.ErrNotFound) {
		// As with enrolment codes: too long to guess, and a good one is never
		// refused for the guesses of others.
		address := addressOf(r)
		s.badCodes.failed(address)
		if s.badCodes.over(address) {
			return api.RegisteredWorker{}, errRateLimited
		}
		return api.RegisteredWorker{}, hostError(http.StatusNotFound, api.CodeNotFound, "no such registration token")
	}
	if err == nil {
		recordOf(ctx).by(req.Hostname, registrationToken(found).Kind, found.ID).in(found.Workspace)
	}
	switch {
	case err != nil:
		return api.RegisteredWorker{}, err
	case !found.UsedAt.IsZero():
		return api.RegisteredWorker{}, errConsumed
	case !found.RevokedAt.IsZero():
		return api.RegisteredWorker{}, hostError(http.StatusForbidden, api.CodeAccessDenied, "the registration token was revoked")
	case !s.o.Now().Before(found.ExpiresAt):
		return api.RegisteredWorker{}, errGone
	}
	token := secret.New(kindWorker)
	worker, err := s.st.RegisterWorker(ctx, store.RegisterWorker{
		Registration: found.ID, Hostname: req.Hostname, OS: req.OS, Version: req.Version, Label: req.Label, WorkerTokenHash: token.Hash(),
	})
	switch {
	case errors.Is(err, store.ErrConflict):
		return api.RegisteredWorker{}, errConsumed
	case errors.Is(err, store.ErrHostTaken):
		return api.RegisteredWorker{}, hostError(http.StatusForbidden, api.CodeAccessDenied, "the hostname is that of a worker of another host")
	case err != nil:
		return api.RegisteredWorker{}, fmt.Errorf("register worker: %w", err)
	}
	s.tokens.forget() // an earlier token of the worker is void now
	s.workerChanged(worker)
	recordOf(ctx).on(string(worker.ID))
	s.o.Log.InfoContext(ctx, "worker registered", "worker", worker.ID, "hostname", worker.Hostname, "host", worker.KeptBy(),
		"registration", found.ID, "address", addressOf(r), "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	return api.RegisteredWorker{
		WorkerID: string(worker.ID), WorkerToken: token.Reveal(), APIURL: s.reachedAt(r), WorkspaceID: wireOwner(worker.Workspace),
	}, nil
}
