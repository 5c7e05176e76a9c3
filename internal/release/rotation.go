package release

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pipedai/api"
)

// Rotate makes the statement that puts next in the place of old. Both sign it:
// the old one allows it, the new one shows that it is there.
func Rotate(old, next PrivateKey, now time.Time) (api.Envelope, error) {
	if old.Public().Equal(next.Public()) {
		return api.Envelope{}, errors.New("the new key is the old one")
	}
	return seal(api.PayloadKeyRotation, api.KeyRotation{
		From: old.Public().String(), To: next.Public().String(), CreatedAt: api.At(now),
	}, old, next)
}

// Chain is every key of a history, the first one first, with each rotation
// checked. An empty history has no keys.
func Chain(history api.ReleaseKeys) ([]Key, error) {
	if history.First == "" {
		if len(history.Rotations) > 0 {
			return nil, fmt.Errorf("%w: rotations without a first key", ErrUntrusted)
		}
		return nil, nil
	}
	first, err := ParseKey(history.First)
	if err != nil {
		return nil, err
	}
	return walk(first, history.Rotations)
}

// Current is the key that signs today, for whoever trusts pinned and nothing
// else. ErrUntrusted when no line of rotations leads there from it. What came
// before the pinned key does not matter: nobody without that key can make a
// rotation away from it.
func Current(history api.ReleaseKeys, pinned Key) (Key, error) {
	at := -1
	if history.First == pinned.String() {
		at = 0
	}
	for i, e := range history.Rotations {
		if r, err := peek(e); err == nil && r.To == pinned.String() {
			at = i + 1
		}
	}
	if at < 0 {
		return Key{}, fmt.Errorf("%w: the key %s, which is trusted here, is not in its history", ErrUntrusted, pinned.ID())
	}
	keys, err := walk(pinned, history.Rotations[at:])
	if err != nil {
		return Key{}, err
	}
	return keys[len(keys)-1], nil
}

// walk follows the rotations from one key to the last.
func walk(from Key, rotations []api.Envelope) ([]Key, error) {
	keys := []Key{from}
	for _, e := range rotations {
		next, err := follow(e, keys[len(keys)-1])
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, next.Equal) {
			return nil, fmt.Errorf("%w: key %s comes twice", ErrUntrusted, next.ID())
		}
		keys = append(keys, next)
	}
	return keys, nil
}

// follow is the key that a rotation puts in the place of from.
func follow(e api.Envelope, from Key) (Key, error) {
	claimed, err := peek(e)
	if err != nil {
		return Key{}, err
	}
	next, err := ParseKey(claimed.To)
	if err != nil {
		return Key{}, err
	}
	var r api.KeyRotation
	if err := open(e, api.PayloadKeyRotation, &r, from, next); err != nil {
		return Key{}, err
	}
	if r.From != from.String() {
		return Key{}, fmt.Errorf("%w %s: it is a rotation of another key", ErrUntrusted, from.ID())
	}
	return next, nil
}

// peek reads a rotation nobody has checked yet.
func peek(e api.Envelope) (api.KeyRotation, error) {
	var r api.KeyRotation
	err := open(e, api.PayloadKeyRotation, &r)
	return r, err
}
