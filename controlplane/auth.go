package controlplane

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/openapi"
	"pipedai/internal/secret"
	"pipedai/store"
)

// The kinds of caller. The token kinds are the prefixes of their tokens.
const (
	kindLocal    = "local"  // no credential, on a server that asks for none
	kindOperator = "pwk"    // a person or a program that acts for one
	kindHost     = "hos"    // a host daemon, for the workers of its own host
	kindWorker   = "wkt"    // an enrolled worker
	kindPoolRead = "pop"    // a program that lists the pool
	kindSecret   = "secret" // whoever holds the secret that engine and workers share
)

// The roles of an operator token, weakest first.
const (
	roleViewer   = "viewer"
	roleOperator = "operator"
	roleAdmin    = "admin"
)

// roleNone is the role of routes that no operator may use.
const roleNone = "none"

var roleRank = map[string]int{roleViewer: 1, roleOperator: 2, roleAdmin: 3, roleNone: 4}

// access says who may use a route. The zero value admits everybody.
type access struct {
	role  string   // the operator role that suffices; empty: no token is needed
	kinds []string // other kinds of caller that are admitted
	audit recorded // what using the route is in the audit log
}

// The access rules of routes.go. A route of the engine is also open to local
// programs (kindLocal) as long as the server asks for no token.
var (
	anyone      = access{}
	view        = access{role: roleViewer, kinds: []string{kindLocal}}
	operate     = access{role: roleOperator, kinds: []string{kindLocal}}
	tick        = access{role: roleOperator, kinds: []string{kindLocal, kindSecret}}
	report      = access{role: roleOperator, kinds: []string{kindLocal, kindSecret, kindWorker}}
	signedIn    = access{role: roleViewer, kinds: []string{kindHost}}
	hostsView   = access{role: roleViewer, kinds: []string{kindHost}}
	hostsSwitch = access{role: roleOperator, kinds: []string{kindHost}}
	hostsDelete = access{role: roleAdmin, kinds: []string{kindHost}}
	hostsMint   = access{role: roleAdmin, kinds: []string{kindHost}}
	pairingView = access{role: roleViewer}
	pairing     = access{role: roleAdmin}
	tokens      = access{role: roleAdmin}
	fleetView   = access{role: roleViewer}
	fleetSwitch = access{role: roleOperator}
	fleetRevoke = access{role: roleAdmin}
	hostSelf    = access{role: roleNone, kinds: []string{kindHost}}
	auditView   = access{role: roleAdmin}
	ownView     = access{role: roleViewer}
	ownChange   = access{role: roleAdmin}
	poolRead    = access{role: roleNone, kinds: []string{kindPoolRead}}
	poolView    = access{role: roleViewer}
	poolKeep    = access{role: roleAdmin}
	workerSelf  = access{role: roleNone, kinds: []string{kindWorker}}
)

// words says who an access rule admits; empty: everybody.
func (rule access) words() string {
	var who []string
	switch rule.role {
	case "":
		return ""
	case roleNone:
	case roleAdmin:
		who = append(who, "operators of role admin")
	default:
		who = append(who, "operators of role "+rule.role+" or higher")
	}
	for _, kind := range rule.kinds {
		switch kind {
		case kindLocal:
			who = append(who, openapi.LocalAccess+" while the server asks for no token")
		case kindSecret:
			who = append(who, "whoever holds the shared secret")
		case kindHost:
			who = append(who, "host daemons")
		case kindPoolRead:
			who = append(who, "programs that list the pool")
		case kindWorker:
			who = append(who, "enrolled workers")
		}
	}
	return strings.Join(who, ", ")
}

// identity is who a request comes from.
type identity struct {
	kind      string
	role      string
	name      string
	workspace store.WorkspaceID
	worker    store.WorkerID
	token     secret.Text
	since     time.Time // the token exists since then
	rotate    bool      // somebody asked for another one
}

type identityKey struct{}

// caller is who the access rule of the route admitted.
func caller(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// allow puts a route's access rule before its handler.
func (s *Server) allow(route route) http.Handler {
	handler := s.recordedHandler(route, route.handler)
	return s.metrics.count(route.pattern, s.o.Log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := s.admit(r, route.access)
		if err != nil {
			s.refusedAtDoor(r, route, id, err)
			s.fail(w, r, "Failed to check the token", err)
			return
		}
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, id)))
	}))
}

// admit tells who a request comes from, and whether the rule lets them in; with
// errForbidden it is known who, too.
func (s *Server) admit(r *http.Request, rule access) (identity, error) {
	if rule.role == "" {
		return identity{}, nil
	}
	if id := caller(r.Context()); id.kind == kindSecret { // proved in the path
		return id, rule.check(id)
	}
	if len(r.Header.Values("Authorization")) == 0 {
		return s.admitLocal(r.Context(), rule)
	}
	// A credential that is there must be good, even where none is needed: a
	// wrong one is a mistake its sender wants to hear of.
	id, err := s.identify(r.Context(), httpkit.Bearer(r))
	if errors.Is(err, errUnauthorized) {
		address := addressOf(r)
		s.badTokens.failed(address)
		if s.badTokens.over(address) {
			return identity{}, errRateLimited
		}
	}
	if err != nil {
		return identity{}, err
	}
	return id, rule.check(id)
}

// admitLocal admits a program without a credential, as long as the server asks
// for none: it was not told to, and no operator has a token.
func (s *Server) admitLocal(ctx context.Context, rule access) (identity, error) {
	if s.o.RequireToken || !slices.Contains(rule.kinds, kindLocal) {
		return identity{}, errUnauthorized
	}
	closed, err := s.inUse.get(ctx)
	if err != nil {
		return identity{}, err
	}
	if closed {
		return identity{}, errUnauthorized
	}
	return identity{kind: kindLocal, name: "local"}, nil
}

func (rule access) check(id identity) error {
	admitted := slices.Contains(rule.kinds, id.kind)
	if id.kind == kindOperator {
		admitted = roleRank[id.role] >= roleRank[rule.role]
		if !admitted && rule.role != roleNone {
			return hostError(http.StatusForbidden, api.CodeForbidden, "the token has the role "+id.role+", and this needs the role "+rule.role)
		}
	}
	if !admitted {
		return errForbidden
	}
	return nil
}

// identify finds out whose token it is.
func (s *Server) identify(ctx context.Context, token secret.Text) (identity, error) {
	if token.Empty() {
		return identity{}, errUnauthorized
	}
	if !s.o.Secret.Empty() && token.Equal(s.o.Secret) {
		return identity{kind: kindSecret, name: "shared secret"}, nil
	}
	hash := token.Hash()
	if id, known := s.tokens.get(hash); known {
		id.token = token
		return id, nil
	}
	found, err := s.st.TokenByHash(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return identity{}, s.whyInvalid(ctx, hash)
	case err != nil:
		return identity{}, err
	}
	id := identity{kind: found.Kind, role: found.Role, name: found.Name, workspace: found.Workspace, worker: found.Worker, since: found.CreatedAt, rotate: found.Rotate}
	s.tokens.put(hash, id)
	id.token = token
	return id, nil
}

// whyInvalid tells a token that was revoked from one that nobody knows.
func (s *Server) whyInvalid(ctx context.Context, hash string) error {
	revoked, err := s.st.TokenRevoked(ctx, hash)
	switch {
	case err != nil:
		return err
	case revoked:
		return errRevoked // no guess, so it does not count as one
	default:
		return errUnauthorized
	}
}

// stillValid reports whether the caller of a long-lived answer may go on. A
// passing failure of the database is no reason to hang up.
func (s *Server) stillValid(ctx context.Context) bool {
	id := caller(ctx)
	if id.token.Empty() {
		return true
	}
	_, err := s.identify(ctx, id.token)
	return !errors.Is(err, errUnauthorized) && !errors.Is(err, errRevoked)
}

// capability is the path segment that stands for the shared secret. It is
// derived, so that a path in somebody's log does not give the secret away.
func capability(shared secret.Text) string {
	mac := hmac.New(sha256.New, []byte(shared.Reveal()))
	mac.Write([]byte("pipeweave worker path"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CapabilityPath is the prefix under which workers that cannot set headers
// reach a server that requires tokens: their base URL ends in it.
func CapabilityPath(shared secret.Text) string { return capabilityPrefix + capability(shared) }

// takeCapability recognises the capability prefix of a path and takes it off.
// A wrong one stays, and leads nowhere.
func (s *Server) takeCapability(r *http.Request, path string) (*http.Request, string) {
	rest, found := strings.CutPrefix(path, capabilityPrefix)
	if !found || s.o.Secret.Empty() {
		return r, path
	}
	given, rest, found := strings.Cut(rest, "/")
	if !found || !hmac.Equal([]byte(given), []byte(capability(s.o.Secret))) {
		return r, path
	}
	id := identity{kind: kindSecret, name: "shared secret"}
	return r.WithContext(context.WithValue(r.Context(), identityKey{}, id)), "/" + rest
}

// tokenCache remembers valid tokens for a moment, because noting each use of
// a worker's token would cost a write per heartbeat. Revocation waits no
// longer than that moment; on the server that revokes, not at all.
type tokenCache struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[string]cachedToken
}

type cachedToken struct {
	id    identity
	until time.Time
}

const tokenCacheFor = 2 * time.Second

func newTokenCache(now func() time.Time) *tokenCache {
	return &tokenCache{now: now, m: map[string]cachedToken{}}
}

func (c *tokenCache) get(hash string) (identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, known := c.m[hash]
	if !known || !c.now().Before(cached.until) {
		return identity{}, false
	}
	return cached.id, true
}

func (c *tokenCache) put(hash string, id identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxAddresses {
		clear(c.m)
	}
	c.m[hash] = cachedToken{id, c.now().Add(tokenCacheFor)}
}

// forget makes every token be looked up again.
func (c *tokenCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}
