package controlplane

import (
	"context"
	"net/http"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// tokenList answers GET /api/v1/tokens.
func (s *Server) tokenList(ctx context.Context, _ none) (api.Tokens, error) {
	all, err := s.st.OperatorTokens(ctx, "")
	if err != nil {
		return api.Tokens{}, err
	}
	out := api.Tokens{Items: []api.Token{}}
	for _, t := range all {
		out.Items = append(out.Items, tokenOf(t))
	}
	return out, nil
}

func tokenOf(t store.Token) api.Token {
	return api.Token{
		ID: t.ID(), Name: t.Name, Role: t.Role, LastFour: t.LastFour,
		CreatedAt: api.At(t.CreatedAt), ExpiresAt: api.At(t.ExpiresAt), RevokedAt: api.At(t.RevokedAt), LastUsedAt: api.At(t.LastUsedAt),
	}
}

// createToken answers POST /api/v1/tokens.
func (s *Server) createToken(ctx context.Context, req api.CreateTokenRequest) (api.CreatedToken, error) {
	if req.Name == store.BootstrapToken {
		return api.CreatedToken{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "The name is taken",
			Detail: "the token that the server made for itself is called " + store.BootstrapToken,
		}
	}
	token := secret.New(kindOperator)
	text := token.Reveal()
	record := store.Token{
		Hash: token.Hash(), Kind: kindOperator, Role: req.Role, Name: req.Name,
		Workspace: caller(ctx).workspace, LastFour: text[len(text)-4:], CreatedAt: s.o.Now(),
	}
	if req.ExpiresInSec > 0 {
		record.ExpiresAt = s.o.Now().Add(time.Duration(req.ExpiresInSec) * time.Second)
	}
	if err := s.st.CreateToken(ctx, record); err != nil {
		return api.CreatedToken{}, err
	}
	s.inUse.forget()
	recordOf(ctx).on(record.ID()).detail("%s, role %s", req.Name, req.Role)
	s.o.Log.InfoContext(ctx, "token created", "token", record.ID(), "name", req.Name, "role", req.Role, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return api.CreatedToken{Token: tokenOf(record), Secret: text, WorkerPath: CapabilityPath(s.o.Secret)}, nil
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
	revoked, err := s.st.RevokeToken(ctx, "", id)
	if err != nil {
		return api.Token{}, missing(err, "Token", "tokenId", id)
	}
	s.tokens.forget()
	s.inUse.forget()
	recordOf(ctx).detail("%s", revoked.Name)
	s.o.Log.InfoContext(ctx, "token revoked", "token", id, "name", revoked.Name, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return tokenOf(revoked), nil
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
