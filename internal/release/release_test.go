package release

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/secret"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func manifest() api.ReleaseManifest {
	return api.ReleaseManifest{
		Program: "pipedai-worker", Version: "1.4.0", Channel: "stable", Sequence: 7,
		CreatedAt: api.At(began), ExpiresAt: api.At(began.AddDate(1, 0, 0)), Notes: "faster",
		Artifacts: []api.Artifact{
			{OS: "linux", Arch: "amd64", Name: "pipedai-worker_1.4.0_linux_amd64.tar.gz", Size: 10, SHA256: strings.Repeat("a", 64), Format: FormatTarGz},
			{OS: "windows", Arch: "amd64", Name: "pipedai-worker.exe", Size: 10, SHA256: strings.Repeat("b", 64), Format: FormatBinary},
		},
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	key := NewKey()
	sealed, err := Sign(manifest(), key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(sealed, key.Public())
	if diff := cmp.Diff(manifest(), got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if a, ok := For(got, "windows", "amd64"); !ok || a.Name != "pipedai-worker.exe" {
		t.Errorf("for windows: %+v %t", a, ok)
	}
	if _, ok := For(got, "plan9", "amd64"); ok {
		t.Error("an artifact for plan9")
	}
	if Expired(got, began) || !Expired(got, got.ExpiresAt.Time) {
		t.Error("expiry is the first instant at which it may not be installed")
	}
}

// Whatever is not exactly what the right key signed is refused, with nothing
// in it read.
func TestOpen_U1_refuses(t *testing.T) {
	t.Parallel()
	key, stranger := NewKey(), NewKey()
	sealed, err := Sign(manifest(), key)
	if err != nil {
		t.Fatal(err)
	}
	other := manifest()
	other.Version = "1.4.1"
	second, err := Sign(other, key)
	if err != nil {
		t.Fatal(err)
	}
	rotation, err := Rotate(key, stranger, began)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(e *api.Envelope){
		"unsigned":                   func(e *api.Envelope) { e.Signatures = nil },
		"signature of another":       func(e *api.Envelope) { e.Signatures = second.Signatures },
		"a signature cut short":      func(e *api.Envelope) { e.Signatures[0].Sig = e.Signatures[0].Sig[:63] },
		"another type":               func(e *api.Envelope) { e.PayloadType = "application/json" },
		"a rotation":                 func(e *api.Envelope) { *e = rotation },
		"a rotation said to be ours": func(e *api.Envelope) { *e = rotation; e.PayloadType = api.PayloadRelease },
		"another key's id":           func(e *api.Envelope) { e.Signatures[0].KeyID = stranger.Public().ID() },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := api.Envelope{PayloadType: sealed.PayloadType, Payload: sealed.Payload}
			for _, s := range sealed.Signatures {
				bad.Signatures = append(bad.Signatures, api.Signature{KeyID: s.KeyID, Sig: slices.Clone(s.Sig)})
			}
			spoil(&bad)
			if _, err := Open(bad, key.Public()); !errors.Is(err, ErrUntrusted) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Open(sealed, stranger.Public()); !errors.Is(err, ErrUntrusted) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := Open(sealed, Key{}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("without a key: %v", err)
	}
	for i := range sealed.Payload { // each byte counts
		bad := sealed
		bad.Payload = slices.Clone(sealed.Payload)
		bad.Payload[i] ^= 1
		if _, err := Open(bad, key.Public()); !errors.Is(err, ErrUntrusted) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]func(m *api.ReleaseManifest){
		"program":    func(m *api.ReleaseManifest) { m.Program = "../worker" },
		"version":    func(m *api.ReleaseManifest) { m.Version = "latest" },
		"v1.4.0":     func(m *api.ReleaseManifest) { m.Version = "v1.4.0" },
		"1.4.0/..":   func(m *api.ReleaseManifest) { m.Version = "1.4.0/.." },
		"channel":    func(m *api.ReleaseManifest) { m.Channel = "Stable" },
		"sequence":   func(m *api.ReleaseManifest) { m.Sequence = 0 },
		"expiresAt":  func(m *api.ReleaseManifest) { m.ExpiresAt = m.CreatedAt },
		"0 artifact": func(m *api.ReleaseManifest) { m.Artifacts = nil },
		"plain file": func(m *api.ReleaseManifest) { m.Artifacts[0].Name = "a/b" },
		"platform":   func(m *api.ReleaseManifest) { m.Artifacts[0].Arch = "" },
		"size":       func(m *api.ReleaseManifest) { m.Artifacts[0].Size = MaxArtifact + 1 },
		"sha256":     func(m *api.ReleaseManifest) { m.Artifacts[0].SHA256 = strings.Repeat("A", 64) },
		"format":     func(m *api.ReleaseManifest) { m.Artifacts[0].Format = "rar" },
		"two":        func(m *api.ReleaseManifest) { m.Artifacts[1].OS = "linux" },
		"called":     func(m *api.ReleaseManifest) { m.Artifacts[1].Name = m.Artifacts[0].Name },
	}
	for want, spoil := range cases {
		m := manifest()
		spoil(&m)
		if err := Check(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := Sign(m, NewKey()); err == nil {
			t.Errorf("%s was signed", want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	key := NewKey()
	public, err := ParseKey(" " + key.Public().String() + "\n")
	if err != nil || !public.Equal(key.Public()) || len(public.ID()) != 16 {
		t.Errorf("%v %v", public, err)
	}
	again, err := ParsePrivateKey(key.PEM())
	if err != nil || !again.Public().Equal(public) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "prk_", public.String()[4:], public.String() + "A", "prk_!"} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
	for _, text := range []secret.Text{"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := ParsePrivateKey(text); err == nil {
			t.Errorf("%q is a private key", text.Reveal())
		}
	}
}

// Whoever knows a key finds the one of today from it, and is led nowhere else.
func TestCurrent(t *testing.T) {
	t.Parallel()
	keys := []PrivateKey{NewKey(), NewKey(), NewKey()}
	history := api.ReleaseKeys{First: keys[0].Public().String()}
	for i := range 2 {
		e, err := Rotate(keys[i], keys[i+1], began)
		if err != nil {
			t.Fatal(err)
		}
		history.Rotations = append(history.Rotations, e)
	}
	for i, key := range keys {
		if got, err := Current(history, key.Public()); err != nil || !got.Equal(keys[2].Public()) {
			t.Errorf("from key %d: %v %v", i, got, err)
		}
	}
	if chain, err := Chain(history); err != nil || len(chain) != 3 || !chain[1].Equal(keys[1].Public()) {
		t.Errorf("%v %v", chain, err)
	}
	thief := NewKey()
	forged, err := Rotate(thief, NewKey(), began)
	if err != nil {
		t.Fatal(err)
	}
	lies := map[string]api.ReleaseKeys{
		"another first key": {First: thief.Public().String()},
		"nothing":           {},
		"a forged rotation": {First: history.First, Rotations: []api.Envelope{forged}},
		"one left out":      {First: history.First, Rotations: history.Rotations[1:]},
		"in another order":  {First: history.First, Rotations: []api.Envelope{history.Rotations[1], history.Rotations[0]}},
		"twice":             {First: history.First, Rotations: []api.Envelope{history.Rotations[0], history.Rotations[0]}},
	}
	for name, history := range lies {
		if got, err := Current(history, keys[0].Public()); err == nil {
			t.Errorf("%s leads to %v", name, got)
		}
	}
	if _, err := Current(history, thief.Public()); !errors.Is(err, ErrUntrusted) {
		t.Errorf("from a key that is not in it: %v", err)
	}
	if _, err := Rotate(keys[0], keys[0], began); err == nil {
		t.Error("a key takes its own place")
	}
}
