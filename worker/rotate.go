package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pipedai/internal/atomicfile"
)

// keyring is the worker's tokens, newest first: work that was claimed with one
// is sealed with it, also when another has taken its place.
type keyring struct {
	mu     sync.Mutex
	tokens []Secret
}

// keptTokens is how many tokens back a run in hand may have been claimed.
const keptTokens = 4

func newKeyring(token Secret) *keyring { return &keyring{tokens: []Secret{token}} }

func (k *keyring) all() []Secret {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Secret(nil), k.tokens...)
}

func (k *keyring) add(token Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens = append([]Secret{token}, k.tokens[:min(len(k.tokens), keptTokens-1)]...)
}

// rotateAgain is the pause after a token could not be replaced.
const rotateAgain = 5 * time.Minute

// rotation replaces the worker's token when the control plane asks for it, one
// time at a time and beside everything else the worker does.
type rotation struct {
	mu    sync.Mutex
	busy  bool
	after time.Time // not before, because it failed
	all   sync.WaitGroup
}

// rotate begins to replace the token unless that is under way. The order makes
// every crash harmless: the control plane keeps the old token until it sees the
// new one, which nobody uses before it is on disk.
func (p *puller) rotate() {
	r := &p.rotation
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy || time.Now().Before(r.after) {
		return
	}
	r.busy = true
	r.all.Go(func() {
		err := p.rotateOnce(p.live)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy = false
		if err != nil {
			r.after = time.Now().Add(rotateAgain)
			p.log.Warn("the worker's token could not be replaced; the old one stays in use", "error", err)
		}
	})
}

func (p *puller) rotateOnce(ctx context.Context) error {
	path, current := p.options.TokenFile, p.keys.all()[0]
	if path == "" {
		return errors.New("this program has no worker.json to keep a new one in; enroll it again to replace the token")
	}
	cfg, err := LoadConfig(path)
	if err != nil {
		return err
	}
	if !cfg.WorkerToken.Equal(current) && cfg.APIURL == p.options.APIURL {
		p.use(cfg.WorkerToken) // kept by an attempt that did not know it had succeeded
		return nil
	}
	answer, err := p.client.RotateToken(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer.WorkerToken, "wkt_") {
		return errors.New("the control plane answered without a token")
	}
	fresh := Secret(answer.WorkerToken)
	if err := replaceToken(path, current, fresh); err != nil {
		return fmt.Errorf("keep the new token: %w", err)
	}
	p.use(fresh)
	return nil
}

// use makes the worker call with another token. What is claimed with it must be
// readable first.
func (p *puller) use(token Secret) {
	p.keys.add(token)
	p.client.SetToken(token)
	p.log.Info("the worker's token was replaced")
}

// replaceToken puts a new token into a worker.json in place of an old one, at
// once or not at all, and leaves every other member alone. It refuses when the
// file holds another token by now: whoever put that there knows better.
func replaceToken(path string, old, fresh Secret) error {
	return atomicfile.Update(path, 0o600, func(data []byte) ([]byte, error) {
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(data, &members); err != nil {
			return nil, fmt.Errorf("%w: %s is not the JSON expected: %s", ErrConfig, path, jsonProblem(err))
		}
		var held string
		if json.Unmarshal(members["workerToken"], &held) != nil || !Secret(held).Equal(old) {
			return nil, fmt.Errorf("%w: %s holds another token by now", ErrConfig, path)
		}
		token, err := json.Marshal(fresh.Reveal())
		if err != nil {
			return nil, err
		}
		members["workerToken"] = token
		out, err := json.MarshalIndent(members, "", "  ")
		return append(out, '\n'), err
	})
}
