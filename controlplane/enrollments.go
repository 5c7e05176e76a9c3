package controlplane

import (
	"context"
	"crypto/rand"
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

// The kinds of an enrolment and the states it goes through.
const (
	enrollDevice = "device"
	enrollCode   = "code"

	statusPending  = "pending"
	statusApproved = "approved"
	statusDenied   = "denied"
	statusRedeemed = "redeemed"
	statusRevoked  = "revoked"
	statusExpired  = "expired"
)

// codeIssuedFor is how long a pre-issued code lasts unless asked otherwise.
const codeIssuedFor = 24 * time.Hour

// deviceStart answers POST /api/v1/enrollments/device: a host asks to join.
// It gets a secret to poll with and a short code for a person to approve.
func (s *Server) deviceStart(ctx context.Context, req api.DeviceStartRequest) (api.DeviceStart, error) {
	r := httpkit.Request(ctx)
	address := addressOf(r)
	if s.pairings.over(address) {
		return api.DeviceStart{}, errRateLimited
	}
	s.pairings.failed(address) // every start counts: each one fills a row
	workspace, err := s.st.DefaultWorkspace(ctx)
	if err != nil {
		return api.DeviceStart{}, err
	}
	device := secret.New("dvc")
	now := s.o.Now()
	wanted := store.Enrollment{
		ID:         newEnrollmentID(),
		Workspace:  workspace.ID,
		Kind:       enrollDevice,
		SecretHash: device.Hash(),
		Label:      req.Label,
		Status:     statusPending,
		Address:    address,
		UserAgent:  cut(r.UserAgent(), 255),
		Hostname:   req.Hostname,
		OS:         req.OS,
		Interval:   s.o.PollEvery,
		CreatedAt:  now,
		ExpiresAt:  now.Add(s.o.CodeLifetime),
	}
	var made store.Enrollment
	for range 4 { // a user code is short: two hosts may draw the same one
		wanted.UserCode = newUserCode()
		made, err = s.st.CreateEnrollment(ctx, wanted)
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	if err != nil {
		return api.DeviceStart{}, fmt.Errorf("create enrollment: %w", err)
	}
	s.enrollmentChanged(made)
	recordOf(ctx).by(req.Hostname, "", string(made.ID)).on(string(made.ID)).in(made.Workspace).detail("%s", hostFacts(made))
	httpkit.SetStatus(ctx, http.StatusCreated)
	page := s.reachedAt(r) + "/activate"
	return api.DeviceStart{
		ID:                      string(made.ID),
		DeviceCode:              device.Reveal(),
		UserCode:                made.UserCode,
		VerificationURI:         page,
		VerificationURIComplete: page + "?code=" + made.UserCode,
		Interval:                s.o.PollEvery.Seconds(),
		ExpiresAt:               api.At(made.ExpiresAt),
		ExpiresIn:               s.o.CodeLifetime.Seconds(),
	}, nil
}

// enrollments answers GET /api/v1/enrollments, newest first.
func (s *Server) enrollments(ctx context.Context, _ none) (api.Enrollments, error) {
	q := queryOf(ctx)
	limit := q.number("limit", 100, 1, 1000)
	if err := q.err(); err != nil {
		return api.Enrollments{}, err
	}
	ws, err := s.namedWorkspace(ctx, q.text("workspaceId"))
	if err != nil {
		return api.Enrollments{}, err
	}
	all, err := s.st.Enrollments(ctx, store.EnrollmentFilter{Workspace: ws, Limit: limit})
	if err != nil {
		return api.Enrollments{}, err
	}
	out := api.Enrollments{Items: []api.Enrollment{}}
	for _, e := range all {
		wire := s.wireEnrollment(e)
		if status := q.text("status"); status == "" || status == wire.Status {
			out.Items = append(out.Items, wire)
		}
	}
	return out, nil
}

// lookupEnrollment answers GET /api/v1/enrollments/lookup?code=: the pairing a
// person typed the code of. Wrong codes count, because they can be guessed.
func (s *Server) lookupEnrollment(ctx context.Context, _ none) (api.Enrollment, error) {
	address := addressOf(httpkit.Request(ctx))
	if s.badCodes.over(address) {
		return api.Enrollment{}, errRateLimited
	}
	found, err := s.st.EnrollmentByUserCode(ctx, normalUserCode(httpkit.Query(ctx, "code")))
	if err == nil && !decidable(ctx, found) {
		err = store.ErrNotFound
	}
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			s.badCodes.failed(address)
		}
		return api.Enrollment{}, missing(err, "Code", "", "")
	}
	return s.wireEnrollment(found), nil
}

// approve answers POST /api/v1/enrollments/{id}/approve.
func (s *Server) approve(ctx context.Context, req api.ApproveRequest) (api.Enrollment, error) {
	return s.decide(ctx, true, req)
}

// deny answers POST /api/v1/enrollments/{id}/deny.
func (s *Server) deny(ctx context.Context, _ none) (api.Enrollment, error) {
	return s.decide(ctx, false, api.ApproveRequest{})
}

// revokeEnrollment answers POST /api/v1/enrollments/{id}/revoke: nobody joins by
// it any more. What was redeemed is a host by now, and revoked as one.
func (s *Server) revokeEnrollment(ctx context.Context, _ none) (api.Enrollment, error) {
	id := pathID(ctx)
	found, err := s.st.Enrollment(ctx, store.EnrollmentID(id))
	if err == nil && mayUse(ctx, found.Workspace) != nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return api.Enrollment{}, missing(err, "Enrollment", "enrollmentId", id)
	}
	revoked, err := s.st.RevokeEnrollment(ctx, found.ID, caller(ctx).name)
	if errors.Is(err, store.ErrConflict) {
		return api.Enrollment{}, decidedAlready(revoked)
	}
	if err != nil {
		return api.Enrollment{}, err
	}
	s.enrollmentChanged(revoked)
	s.o.Log.InfoContext(ctx, "enrolment revoked", "enrollment", id, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return s.wireEnrollment(revoked), nil
}

// decidedAlready is the refusal of a decision that comes too late.
func decidedAlready(e store.Enrollment) error {
	by := e.DecidedBy
	if by == "" {
		by = "somebody else"
	}
	out := &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict, Message: "The request was decided already",
		Detail: fmt.Sprintf("it was %s by %s", e.Status, by),
		Extra:  map[string]any{"enrollmentId": string(e.ID), "status": e.Status},
	}
	if e.Status == statusRedeemed {
		out.Fix = "a host has joined by it: revoke the host"
	}
	return out
}

// decidable reports whether the caller may see and decide an enrolment: one of
// its workspace, and any pairing that waits, because a host asks a control
// plane and joins the workspace of whoever lets it in.
func decidable(ctx context.Context, e store.Enrollment) bool {
	return mayUse(ctx, e.Workspace) == nil || e.Kind == enrollDevice && e.Status == statusPending
}

// decide is the decision of a person about a pairing; the first one stands.
func (s *Server) decide(ctx context.Context, approve bool, req api.ApproveRequest) (api.Enrollment, error) {
	id := pathID(ctx)
	found, err := s.st.Enrollment(ctx, store.EnrollmentID(id))
	if err == nil && !decidable(ctx, found) {
		err = store.ErrNotFound
	}
	if err != nil {
		return api.Enrollment{}, missing(err, "Enrollment", "enrollmentId", id)
	}
	recordOf(ctx).detail("%s", hostFacts(found))
	if found.Status == statusPending && !s.o.Now().Before(found.ExpiresAt) {
		return api.Enrollment{}, errGone
	}
	decision := store.DecideEnrollment{ID: found.ID, Approve: approve, By: caller(ctx).name}
	if approve {
		if decision.Workspace, err = s.namedWorkspace(ctx, req.Workspace); err == nil {
			decision.Environment, err = s.environmentOf(ctx, decision.Workspace, req.Environment)
		}
		if err != nil {
			return api.Enrollment{}, err
		}
		recordOf(ctx).in(decision.Workspace)
	}
	decided, err := s.st.DecideEnrollment(ctx, decision)
	if errors.Is(err, store.ErrConflict) {
		if decided.Status == "" {
			decided = found
		}
		return api.Enrollment{}, decidedAlready(decided)
	}
	if err != nil {
		return api.Enrollment{}, err
	}
	s.enrollmentChanged(decided)
	s.o.Log.InfoContext(ctx, "pairing decided", "enrollment", id, "status", decided.Status, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return s.wireEnrollment(decided), nil
}

// issueCode answers POST /api/v1/enrollments/codes: a code that admits one
// host without a decision, for machines that nobody sits at.
func (s *Server) issueCode(ctx context.Context, req api.IssueCodeRequest) (api.IssuedCode, error) {
	ws, err := s.namedWorkspace(ctx, req.Workspace)
	if err != nil {
		return api.IssuedCode{}, err
	}
	environment, err := s.environmentOf(ctx, ws, req.Environment)
	if err != nil {
		return api.IssuedCode{}, err
	}
	recordOf(ctx).in(ws)
	code := secret.New(kindCode)
	lifetime := codeIssuedFor
	if req.ExpiresInSec > 0 {
		lifetime = time.Duration(req.ExpiresInSec) * time.Second
	}
	now := s.o.Now()
	made, err := s.st.CreateEnrollment(ctx, store.Enrollment{
		ID:        newEnrollmentID(),
		Workspace: ws, Environment: environment,
		Kind:       enrollCode,
		SecretHash: code.Hash(),
		Label:      req.Label,
		Status:     statusApproved,
		CreatedAt:  now,
		ExpiresAt:  now.Add(lifetime),
		DecidedAt:  now,
		DecidedBy:  caller(ctx).name,
	})
	if err != nil {
		return api.IssuedCode{}, fmt.Errorf("create enrollment: %w", err)
	}
	s.enrollmentChanged(made)
	recordOf(ctx).on(string(made.ID)).detail("label %q, until %s", req.Label, api.At(made.ExpiresAt))
	s.o.Log.InfoContext(ctx, "enrolment code issued", "enrollment", made.ID, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	return api.IssuedCode{Enrollment: s.wireEnrollment(made), Code: code.Reveal()}, nil
}

func (s *Server) wireEnrollment(e store.Enrollment) api.Enrollment {
	status := e.Status
	if (status == statusPending || status == statusApproved) && !s.o.Now().Before(e.ExpiresAt) {
		status = statusExpired
	}
	agent := agentOf(e.UserAgent)
	return api.Enrollment{
		Version: agent.version, OSVersion: agent.osVersion, Arch: agent.arch,
		ID: string(e.ID), Kind: e.Kind, UserCode: e.UserCode, Status: status, Label: e.Label,
		Hostname: e.Hostname, OS: e.OS, Address: e.Address, UserAgent: e.UserAgent,
		CreatedAt: api.At(e.CreatedAt), ExpiresAt: api.At(e.ExpiresAt), DecidedAt: api.At(e.DecidedAt),
		DecidedBy: e.DecidedBy, WorkerID: string(e.Worker), Workspace: string(e.Workspace), Environment: string(e.Environment),
	}
}

// hostFacts says who asks to join, for the audit log.
func hostFacts(e store.Enrollment) string {
	return fmt.Sprintf("host %q (%s) label %q from %s", e.Hostname, e.OS, e.Label, e.Address)
}

func (s *Server) enrollmentChanged(e store.Enrollment) {
	s.o.Engine.Publish(api.StreamEvent{Type: "enrollment", ID: string(e.ID), Status: e.Status})
}

// reachedAt is the base URL under which the caller should reach this server
// from now on: the configured one, or the one it just used, whose host the
// guard has checked.
func (s *Server) reachedAt(r *http.Request) string {
	if s.o.PublicURL != "" {
		return s.o.PublicURL
	}
	return "http://" + strings.ToLower(r.Host)
}

func newEnrollmentID() store.EnrollmentID {
	return store.EnrollmentID("ent_" + strings.ToLower(rand.Text()[:16]))
}
