package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// kindRegistration is the prefix of tokens that admit one worker.
const kindRegistration = "wrk"

// registrationLasts is how long such a token is good for.
const registrationLasts = 15 * time.Minute

// mintRegistration answers POST .../workers/registration-token. What a host
// mints admits workers of that host and takes over none of another.
func (s *Server) mintRegistration(ctx context.Context, req api.MintRequest) (api.MintedToken, error) {
	if err := s.ownWorkspace(ctx); err != nil {
		return api.MintedToken{}, err
	}
	by := caller(ctx)
	host := ""
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
	token := secret.New(kindRegistration)
	now := s.o.Now()
	made, err := s.st.CreateRegistration(ctx, store.Registration{
		Workspace: by.workspace, SecretHash: token.Hash(), Host: host, Label: req.Label, MintedBy: by.name,
		CreatedAt: now, ExpiresAt: now.Add(registrationLasts),
	})
	if err != nil {
		return api.MintedToken{}, fmt.Errorf("create registration: %w", err)
	}
	recordOf(ctx).on(made.ID).detail("registration token, label %q", req.Label)
	s.o.Log.InfoContext(ctx, "registration token minted", "registration", made.ID, "host", host, "by", by.name, "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	text := token.Reveal()
	return api.MintedToken{ID: made.ID, Token: text, LastFour: text[len(text)-4:], ExpiresAt: api.At(made.ExpiresAt)}, nil
}

// registerWorker answers POST /api/v1/workers/register.
func (s *Server) registerWorker(ctx context.Context, req api.RegisterWorkerRequest) (api.RegisteredWorker, error) {
	if strings.HasPrefix(req.Token, "pool_") {
		return api.RegisteredWorker{}, hostError(http.StatusForbidden, api.CodeAccessDenied, "this control plane keeps no pool of workers")
	}
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
		recordOf(ctx).by(req.Hostname, kindRegistration, found.ID).in(found.Workspace)
	}
	switch {
	case err != nil:
		return api.RegisteredWorker{}, err
	case !found.UsedAt.IsZero():
		return api.RegisteredWorker{}, errConsumed
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
		WorkerID: string(worker.ID), WorkerToken: token.Reveal(), APIURL: s.reachedAt(r), WorkspaceID: string(worker.Workspace),
	}, nil
}
