package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/release"
	"pipedai/store"
)

var errNoReleaseKey = &api.Error{
	Status: http.StatusConflict, Code: api.CodeNoReleaseKey, Message: "No release key is set",
	Fix: "make one with: pipeweave releases keygen release.key",
}

// releaseKeys answers GET /api/v1/release-keys.
func (s *Server) releaseKeys(ctx context.Context, _ none) (api.ReleaseKeys, error) {
	return s.keyHistory(ctx)
}

// keyHistory is the history of the release key as hosts are told it. It may be
// empty.
func (s *Server) keyHistory(ctx context.Context) (api.ReleaseKeys, error) {
	out := api.ReleaseKeys{Rotations: []api.Envelope{}}
	keys, err := s.st.ReleaseKeys(ctx)
	if err != nil {
		return out, err
	}
	for i, k := range keys {
		if i == 0 {
			out.First = k.Public
			continue
		}
		var rotation api.Envelope
		if err := json.Unmarshal(k.Statement, &rotation); err != nil {
			return out, fmt.Errorf("read the rotation to key %s: %w", k.ID, err)
		}
		out.Rotations = append(out.Rotations, rotation)
	}
	return out, nil
}

// knownKeys remembers the history for a moment: every host that checks in is
// told it.
type knownKeys struct {
	mu    sync.Mutex
	until time.Time
	known *api.ReleaseKeys // nil: none is set
}

func (k *knownKeys) get(ctx context.Context, s *Server) (*api.ReleaseKeys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.o.Now().Before(k.until) {
		return k.known, nil
	}
	history, err := s.keyHistory(ctx)
	if err != nil {
		return nil, err
	}
	if k.known = nil; history.First != "" {
		k.known = &history
	}
	k.until = s.o.Now().Add(newestKept)
	return k.known, nil
}

// forget makes the history be looked up again.
func (k *knownKeys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = time.Time{}
}

// releaseHistory is every key of the history, checked; empty for none.
func (s *Server) releaseHistory(ctx context.Context) ([]release.Key, error) {
	history, err := s.keyHistory(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := release.Chain(history)
	if err != nil {
		return nil, fmt.Errorf("the history of the release key in the database: %w", err)
	}
	return keys, nil
}

// setReleaseKey answers POST /api/v1/release-keys. The first key is taken on the
// caller's word; from then on only the current key can name another one, so
// that no token and no server can.
func (s *Server) setReleaseKey(ctx context.Context, req api.SetReleaseKeyRequest) (api.ReleaseKeys, error) {
	if err := ofDefault(ctx); err != nil {
		return api.ReleaseKeys{}, err
	}
	if (req.First == "") == (req.Rotation == nil) {
		return api.ReleaseKeys{}, &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Exactly one of first and rotation is needed"}
	}
	keys, err := s.releaseHistory(ctx)
	if err != nil {
		return api.ReleaseKeys{}, err
	}
	next, after, err := nextKey(req, keys)
	if err != nil {
		return api.ReleaseKeys{}, err
	}
	if next.ID == after { // sent again: it is done
		return s.keyHistory(ctx)
	}
	recordOf(ctx).on(next.ID).detail("in the place of %q", after)
	next.AddedBy = caller(ctx).name
	err = s.st.AddReleaseKey(ctx, after, next)
	switch {
	case errors.Is(err, store.ErrKeyKnown):
		return api.ReleaseKeys{}, &api.Error{Status: http.StatusConflict, Code: api.CodeReleaseKey, Message: "The key was in use before", Fix: "make a new one with: pipeweave releases keygen FILE"}
	case errors.Is(err, store.ErrConflict):
		return api.ReleaseKeys{}, &api.Error{Status: http.StatusConflict, Code: api.CodeReleaseKey, Message: "The release key was changed meanwhile", Fix: "see: pipeweave releases keys"}
	case err != nil:
		return api.ReleaseKeys{}, err
	}
	s.newest.forget()
	s.knownKeys.forget()
	s.o.Log.InfoContext(ctx, "release key set", "key", next.ID, "before", after, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	return s.keyHistory(ctx)
}

// nextKey is the key that a request asks for, and the id of the one it comes
// after. They are the same when the request was granted before.
func nextKey(req api.SetReleaseKeyRequest, keys []release.Key) (next store.ReleaseKey, after string, err error) {
	if len(keys) > 0 {
		after = keys[len(keys)-1].ID()
	}
	if req.First != "" {
		first, err := release.ParseKey(req.First)
		switch {
		case err != nil:
			return next, "", &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeReleaseInvalid, Message: "Not a release key", Detail: err.Error()}
		case len(keys) > 0 && keys[len(keys)-1].Equal(first):
			return store.ReleaseKey{ID: after}, after, nil
		case len(keys) > 0:
			return next, "", &api.Error{
				Status: http.StatusConflict, Code: api.CodeReleaseKey, Message: "There is a release key",
				Detail: "only " + after + " can name another one", Fix: "pipeweave releases keys rotate --old FILE --new FILE",
				Extra: map[string]any{"keyId": after},
			}
		}
		return store.ReleaseKey{ID: first.ID(), Public: first.String()}, "", nil
	}
	if len(keys) == 0 {
		return next, "", errNoReleaseKey
	}
	var claimed api.KeyRotation
	if json.Unmarshal(req.Rotation.Payload, &claimed) == nil && claimed.To == keys[len(keys)-1].String() {
		return store.ReleaseKey{ID: after}, after, nil
	}
	chain, err := release.Chain(api.ReleaseKeys{First: keys[len(keys)-1].String(), Rotations: []api.Envelope{*req.Rotation}})
	if err != nil {
		return next, "", &api.Error{
			Status: http.StatusUnprocessableEntity, Code: api.CodeUntrusted, Message: "Not a rotation that the release key signed", Detail: err.Error(),
			Extra: map[string]any{"keyId": after},
		}
	}
	statement, err := json.Marshal(req.Rotation)
	if err != nil {
		return next, "", err
	}
	to := chain[len(chain)-1]
	return store.ReleaseKey{ID: to.ID(), Public: to.String(), Statement: statement}, after, nil
}
