package localapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"

	"pipedai/internal/secret"
)

// tokenRecheck is how often a wrong token may make us look whether the right
// one is another one now.
const tokenRecheck = 100 * time.Millisecond

// token is the one that opens the local API, and what ends with it.
type token struct {
	digest  [sha256.Size]byte
	empty   bool
	revoked chan struct{} // closed when another one has taken its place
}

func newToken(text secret.Text) *token {
	return &token{digest: sha256.Sum256([]byte(text.Reveal())), empty: text.Empty(), revoked: make(chan struct{})}
}

// is compares digests, so that not even the length can be timed.
func (t *token) is(got secret.Text) bool {
	digest := sha256.Sum256([]byte(got.Reveal()))
	return subtle.ConstantTimeCompare(digest[:], t.digest[:]) == 1 && !t.empty
}

// recheck is when the file of the token was looked at last.
type recheck struct {
	mu sync.Mutex
	at time.Time
}

// renewToken looks whether the token was replaced, and reports whether it was.
// Nothing watches the file: whoever replaced it comes with the new one, and a
// token that we do not know is the reason to look. Sockets that were opened
// with the old one are closed.
func (s *Server) renewToken() bool {
	if s.o.CurrentToken == nil {
		return false
	}
	s.recheck.mu.Lock()
	defer s.recheck.mu.Unlock()
	if now := time.Now(); now.Sub(s.recheck.at) < tokenRecheck {
		return false
	}
	// Set when done, too: a slow disk is not asked again at once.
	defer func() { s.recheck.at = time.Now() }()
	text, err := s.o.CurrentToken()
	old := s.token.Load()
	if err != nil || text.Empty() || old.is(text) {
		return false // a file that cannot be read locks nobody out
	}
	s.token.Store(newToken(text))
	close(old.revoked)
	s.o.Log.Info("the token of the local API was replaced")
	s.o.TokenReplaced()
	return true
}
