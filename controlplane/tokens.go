package controlplane

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// How long tokens last that admit a worker or a host, unless asked otherwise,
// and at most.
const (
	poolLasts    = time.Hour
	joinAtMost   = 365 * 24 * time.Hour
	mostEnrolled = 1000 // codes that a list of tokens goes back
)

// tokenList answers GET /api/v1/tokens: what operators were given, and what
// admits workers and hosts, newest first.
func (s *Server) tokenList(ctx context.Context, _ none) (api.Tokens, error) {
	q := queryOf(ctx)
	ws, kind := caller(ctx).workspace, q.text("kind")
	switch asked := q.text("workspaceId"); {
	case asked != "":
		var err error
		if ws, err = s.namedWorkspace(ctx, asked); err != nil {
			return api.Tokens{}, err
		}
	case managesAll(caller(ctx)):
		ws = ""
	}
	issued, err := s.st.OperatorTokens(ctx, ws)
	if err != nil {
		return api.Tokens{}, err
	}
	registrations, err := s.st.Registrations(ctx, ws)
	if err != nil {
		return api.Tokens{}, err
	}
	codes, err := s.st.Enrollments(ctx, store.EnrollmentFilter{Workspace: ws, Kind: enrollCode, Limit: mostEnrolled})
	if err != nil {
		return api.Tokens{}, err
	}
	out := api.Tokens{Items: []api.Token{}}
	add := func(t api.Token) {
		if kind == "" || kind == t.Kind {
			out.Items = append(out.Items, t)
		}
	}
	for _, t := range issued {
		add(tokenOf(t))
	}
	for _, r := range registrations {
		add(registrationToken(r))
	}
	for _, e := range codes {
		add(codeToken(e))
	}
	slices.SortStableFunc(out.Items, func(a, b api.Token) int { return cmp.Compare(b.CreatedAt.UnixNano(), a.CreatedAt.UnixNano()) })
	return out, nil
}

func tokenOf(t store.Token) api.Token {
	return api.Token{
		ID: t.ID(), Kind: t.Kind, Name: t.Name, Role: t.Role, LastFour: t.LastFour, Workspace: wireOwner(t.Workspace),
		CreatedAt: api.At(t.CreatedAt), ExpiresAt: api.At(t.ExpiresAt), RevokedAt: api.At(t.RevokedAt), LastUsedAt: api.At(t.LastUsedAt),
	}
}

func registrationToken(r store.Registration) api.Token {
	out := api.Token{
		ID: r.ID, Kind: kindRegistration, Name: r.Label, Workspace: wireOwner(r.Workspace), CreatedBy: r.MintedBy,
		CreatedAt: api.At(r.CreatedAt), ExpiresAt: api.At(r.ExpiresAt), RevokedAt: api.At(r.RevokedAt), LastUsedAt: api.At(r.UsedAt),
		Used: !r.UsedAt.IsZero(),
	}
	if r.Workspace == store.PoolWorkspace {
		out.Kind = kindPool
	}
	return out
}

func codeToken(e store.Enrollment) api.Token {
	out := api.Token{
		ID: string(e.ID), Kind: kindCode, Name: e.Label, Workspace: wireOwner(e.Workspace), CreatedBy: e.DecidedBy,
		CreatedAt: api.At(e.CreatedAt), ExpiresAt: api.At(e.ExpiresAt), Used: e.Status == statusRedeemed,
	}
	if e.Status == statusRevoked {
		out.RevokedAt = api.At(e.DecidedAt)
	}
	return out
}

// wireOwner is the workspace of a token; the pool is none.
func wireOwner(ws store.WorkspaceID) string {
	if ws == store.PoolWorkspace {
		return ""
	}
	return string(ws)
}

// createToken answers POST /api/v1/tokens.
func (s *Server) createToken(ctx context.Context, req api.CreateTokenRequest) (api.CreatedToken, error) {
	kind := cmp.Or(req.Kind, kindOperator)
	pool := kind == kindPool || kind == kindPoolRead
	switch {
	case kind == kindOperator && req.Role == "":
		return api.CreatedToken{}, httpkit.Invalid("Required", "role")
	case kind != kindOperator && req.Role != "":
		return api.CreatedToken{}, httpkit.Invalid("Only a pwk token has a role", "role")
	case pool && req.Workspace != "":
		return api.CreatedToken{}, httpkit.Invalid("The pool is of no workspace", "workspaceId")
	case pool && !managesAll(caller(ctx)):
		return api.CreatedToken{}, errForbidden
	}
	ws, err := s.namedWorkspace(ctx, req.Workspace)
	if err != nil {
		return api.CreatedToken{}, err
	}
	if pool {
		ws = store.PoolWorkspace
	}
	recordOf(ctx).in(ws)
	lifetime := time.Duration(req.ExpiresInSec) * time.Second
	var made api.Token
	var token secret.Text
	switch kind {
	case kindRegistration, kindPool:
		made, token, err = s.mint(ctx, ws, kind, req.Name, "", cmp.Or(lifetime, map[string]time.Duration{kindPool: poolLasts, kindRegistration: registrationLasts}[kind]))
	case kindCode:
		var code api.IssuedCode
		code, err = s.issueCode(ctx, api.IssueCodeRequest{
			Label: req.Name, ExpiresInSec: req.ExpiresInSec, Workspace: req.Workspace, Environment: req.Environment,
		})
		token = secret.Text(code.Code)
		made = api.Token{
			ID: code.ID, Kind: kindCode, Name: code.Label, Workspace: code.Workspace, CreatedBy: code.DecidedBy, CreatedAt: code.CreatedAt, ExpiresAt: code.ExpiresAt,
		}
		made.LastFour = lastFour(token)
	default:
		made, token, err = s.createKey(ctx, ws, kind, req, lifetime)
	}
	if err != nil {
		return api.CreatedToken{}, err
	}
	httpkit.SetStatus(ctx, http.StatusOK)
	recordOf(ctx).on(made.ID).detail("%s", strings.TrimSpace(kind+" "+made.Name+" "+made.Role))
	s.o.Log.InfoContext(ctx, "token created", "token", made.ID, "kind", kind, "name", req.Name, "role", req.Role, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	out := api.CreatedToken{Token: made, Secret: token.Reveal()}
	if kind == kindOperator {
		out.WorkerPath = CapabilityPath(s.o.Secret)
	}
	return out, nil
}

// createKey makes a token that is used again and again.
func (s *Server) createKey(ctx context.Context, ws store.WorkspaceID, kind string, req api.CreateTokenRequest, lifetime time.Duration) (api.Token, secret.Text, error) {
	if req.Name == store.BootstrapToken {
		return api.Token{}, "", &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "The name is taken",
			Detail: "the token that the server made for itself is called " + store.BootstrapToken,
		}
	}
	token := secret.New(kind)
	record := store.Token{
		Hash: token.Hash(), Kind: kind, Role: req.Role, Name: req.Name, Workspace: ws, LastFour: lastFour(token), CreatedAt: s.o.Now(),
	}
	if lifetime > 0 {
		record.ExpiresAt = s.o.Now().Add(lifetime)
	}
	if err := s.st.CreateToken(ctx, record); err != nil {
		return api.Token{}, "", err
	}
	s.inUse.forget()
	return tokenOf(record), token, nil
}

func lastFour(token secret.Text) string {
	text := token.Reveal()
	return text[len(text)-4:]
}

// revokeToken answers DELETE /api/v1/tokens/{id}. Nobody locks themselves out
// by it.
func (s *Server) revokeToken(ctx context.Context, _ none) (api.Token, error) {
	id := pathID(ctx)
	if own := (store.Token{Hash: caller(ctx).token.Hash()}); own.ID() == id {
		return api.Token{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "The token is the one in use",
			Detail: "revoke it with another token of role admin",
		}
	}
	ws := caller(ctx).workspace
	if managesAll(caller(ctx)) {
		ws = "" // any, and the pool
	}
	revoked, err := s.revoke(ctx, ws, id)
	switch {
	case errors.Is(err, store.ErrConflict):
		return api.Token{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "The token was used",
			Detail: "what joined by it has a credential of its own; delete the worker, or revoke the host", Extra: map[string]any{"tokenId": id},
		}
	case err != nil:
		return api.Token{}, missing(err, "Token", "tokenId", id)
	}
	s.tokens.forget()
	s.inUse.forget()
	recordOf(ctx).in(cmp.Or(store.WorkspaceID(revoked.Workspace), caller(ctx).workspace)).detail("%s", strings.TrimSpace(revoked.Kind+" "+revoked.Name))
	s.o.Log.InfoContext(ctx, "token revoked", "token", id, "kind", revoked.Kind, "name", revoked.Name, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return revoked, nil
}

// revoke ends whichever kind of token has the id.
func (s *Server) revoke(ctx context.Context, ws store.WorkspaceID, id string) (api.Token, error) {
	if strings.HasPrefix(id, "reg_") {
		r, err := s.st.RevokeRegistration(ctx, ws, id)
		return registrationToken(r), err
	}
	if !strings.HasPrefix(id, "tok_") {
		e, err := s.st.Enrollment(ctx, store.EnrollmentID(id))
		switch {
		case err != nil:
			return api.Token{}, err
		case e.Kind != enrollCode || ws != "" && e.Workspace != ws:
			return api.Token{}, store.ErrNotFound
		case e.Status == statusRevoked:
			return codeToken(e), nil
		}
		if e, err = s.st.RevokeEnrollment(ctx, e.ID, caller(ctx).name); err != nil {
			return api.Token{}, err
		}
		s.enrollmentChanged(e)
		return codeToken(e), nil
	}
	t, err := s.st.RevokeToken(ctx, ws, id)
	if err != nil {
		return api.Token{}, err
	}
	return tokenOf(t), nil
}

// tokensInUse remembers for a moment whether operators have tokens, which
// closes the server to callers that have none.
type tokensInUse struct {
	st    store.Store
	now   func() time.Time
	mu    sync.Mutex
	known bool
	until time.Time
}

func (t *tokensInUse) get(ctx context.Context) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now().Before(t.until) {
		return t.known, nil
	}
	known, err := t.st.TokensInUse(ctx)
	if err != nil {
		return false, err
	}
	t.known, t.until = known, t.now().Add(tokenCacheFor)
	return known, nil
}

func (t *tokensInUse) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = time.Time{}
}
