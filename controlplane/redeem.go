package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// redeem answers POST /api/v1/enrollments/redeem: a code, or the device code
// of an approved pairing, is traded for a worker and its credentials, once.
// The refusals are those of RFC 8628, with the contract's status codes.
func (s *Server) redeem(ctx context.Context, req api.RedeemRequest) (api.RedeemResult, error) {
	r := httpkit.Request(ctx)
	given := secret.Text(req.DeviceCode)
	if given.Empty() {
		given = secret.Text(req.Code)
	}
	found, err := s.st.EnrollmentBySecret(ctx, given.Hash())
	if err == nil && (found.Kind == enrollDevice) != (req.DeviceCode != "") {
		err = store.ErrNotFound // a code is no device code
	}
	if errors.Is(err, store.ErrNotFound) {
		// The secrets are too long to guess; the limit keeps a guesser from
		// keeping the database busy. A good secret is never refused for it.
		address := addressOf(r)
		s.badCodes.failed(address)
		if s.badCodes.over(address) {
			return api.RedeemResult{}, errRateLimited
		}
		return api.RedeemResult{}, hostError(http.StatusNotFound, api.CodeNotFound, "no such code")
	}
	if err != nil {
		return api.RedeemResult{}, err
	}
	recordOf(ctx).by(req.Hostname, found.Kind, string(found.ID)).on(string(found.ID)).in(found.Workspace)
	if err := s.redeemable(ctx, found); err != nil {
		return api.RedeemResult{}, err
	}

	// Before the trade: afterwards nothing may fail, because the code is used up.
	keys, err := s.keyHistory(ctx)
	if err != nil {
		return api.RedeemResult{}, err
	}
	workspace, err := s.st.Workspace(ctx, found.Workspace)
	if err != nil {
		return api.RedeemResult{}, err
	}
	workerToken, hostToken := secret.New(kindWorker), secret.New(kindHost)
	worker, err := s.st.RedeemEnrollment(ctx, store.RedeemEnrollment{
		Enrollment: found.ID,
		Hostname:   req.Hostname, OS: req.OS, Version: req.Version, Label: req.Label,
		WorkerTokenHash: workerToken.Hash(), OperatorTokenHash: hostToken.Hash(),
	})
	switch {
	case errors.Is(err, store.ErrConflict):
		return api.RedeemResult{}, errConsumed
	case err != nil:
		return api.RedeemResult{}, fmt.Errorf("redeem enrollment: %w", err)
	}
	s.tokens.forget() // tokens of an earlier pairing of this host may be void now
	found.Status, found.Worker = statusRedeemed, worker.ID
	s.enrollmentChanged(found)
	s.workerChanged(worker)
	recordOf(ctx).on(string(worker.ID)).detail("host %s (%s) of enrollment %s", req.Hostname, req.OS, found.ID)
	s.o.Log.InfoContext(ctx, "host enrolled", "worker", worker.ID, "hostname", worker.Hostname, "address", addressOf(r), "request", httpkit.RequestID(ctx))
	result := api.RedeemResult{
		WorkerID:      string(worker.ID),
		WorkerToken:   workerToken.Reveal(),
		OperatorToken: hostToken.Reveal(),
		APIURL:        s.reachedAt(r),
		WorkspaceID:   string(worker.Workspace),
		EnvironmentID: string(cmp.Or(found.Environment, workspace.Environment)),
		AuthMode:      workspace.AuthMode,
	}
	if keys.First != "" {
		result.ReleaseKeys = &keys
	}
	return result, nil
}

// redeemable returns nil when the trade may go on, or what the device hears.
func (s *Server) redeemable(ctx context.Context, e store.Enrollment) error {
	switch e.Status {
	case statusRedeemed:
		return errConsumed
	case statusDenied, statusRevoked:
		return hostError(http.StatusForbidden, api.CodeAccessDenied, "the request to join was denied")
	}
	if !s.o.Now().Before(e.ExpiresAt) {
		return errGone
	}
	if e.Status != statusPending || e.Kind == enrollCode {
		return nil // approved, or a pre-issued code that nobody used
	}
	tooEarly, err := s.st.PolledEnrollment(ctx, e.ID, s.o.Now())
	switch {
	case err != nil:
		return err
	case tooEarly:
		recordOf(ctx).nothing()
		return hostError(http.StatusBadRequest, api.CodeSlowDown, "asked again too soon")
	default:
		recordOf(ctx).nothing()
		return hostError(http.StatusBadRequest, api.CodeAuthPending, "nobody has approved the code yet")
	}
}
