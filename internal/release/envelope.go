package release

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"

	"pipedai/api"
)

// ErrUntrusted says that something was not signed by the key that had to sign
// it.
var ErrUntrusted = errors.New("not signed by the release key")

// seal signs a payload with each of the keys.
func seal(payloadType string, payload any, keys ...PrivateKey) (api.Envelope, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return api.Envelope{}, fmt.Errorf("encode payload: %w", err)
	}
	out := api.Envelope{PayloadType: payloadType, Payload: data}
	for _, key := range keys {
		out.Signatures = append(out.Signatures, api.Signature{
			KeyID: key.Public().ID(), Sig: ed25519.Sign(key.seed, preAuthentication(payloadType, data)),
		})
	}
	return out, nil
}

// open reads a payload of the wanted type that every one of the keys signed.
// Nothing in it is looked at before that is certain.
func open(e api.Envelope, payloadType string, into any, keys ...Key) error {
	if e.PayloadType != payloadType {
		return fmt.Errorf("%w: it is a %q, not a %q", ErrUntrusted, e.PayloadType, payloadType)
	}
	signed := preAuthentication(e.PayloadType, e.Payload)
	for _, key := range keys {
		if !signedBy(e, signed, key) {
			return fmt.Errorf("%w %s", ErrUntrusted, key.ID())
		}
	}
	if err := json.Unmarshal(e.Payload, into); err != nil {
		return fmt.Errorf("read what was signed: %w", err)
	}
	return nil
}

func signedBy(e api.Envelope, signed []byte, key Key) bool {
	if key.IsZero() {
		return false
	}
	for _, s := range e.Signatures {
		if s.KeyID == key.ID() && len(s.Sig) == ed25519.SignatureSize && ed25519.Verify(key.point, signed, s.Sig) {
			return true
		}
	}
	return false
}

// preAuthentication is DSSE's encoding of what is signed. The lengths keep a
// payload of one type from passing as another's.
func preAuthentication(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}
