package engine

import (
	"fmt"
	"sync"
	"time"

	"pipedai/internal/secret"
	"pipedai/storage"
)

const (
	// sealEvery is how long one storage token is given to every dispatch of the
	// same kind. It is good for that much longer.
	sealEvery = time.Minute
	// maxSealed bounds the tokens that are remembered: pulling workers have a
	// secret each.
	maxSealed = 1024
)

// seals makes storage tokens. A token says where to store and until when, and
// nothing about the run, so dispatches of the same minute may share one:
// sealing one for each would cost more than all else about a dispatch.
type seals struct {
	mu    sync.Mutex
	since time.Time // when the oldest of made was made
	made  map[sealed]string
	write storage.TokenWriter
}

// sealed is what a token depends on.
type sealed struct {
	secret  secret.Text
	format  storage.Format
	backend string
	life    time.Duration
}

// token returns a token that is good for life at least.
func (s *seals) token(format storage.Format, key secret.Text, to storage.Config, life time.Duration) (string, error) {
	want := sealed{key, format, to.ID, life}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil || now.Sub(s.since) >= sealEvery || len(s.made) >= maxSealed {
		s.made, s.since = map[sealed]string{}, now
	}
	if token, known := s.made[want]; known {
		return token, nil
	}
	token, err := s.write.Seal(format, key.Reveal(), to, now, life+sealEvery)
	if err != nil {
		return "", fmt.Errorf("seal storage token: %w", err)
	}
	s.made[want] = token
	return token, nil
}
