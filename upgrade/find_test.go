package upgrade_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// A release is believed for its signature alone, and nothing is downloaded of
// one that is not.
func TestUpgrade_U1_onlyWhatIsSigned(t *testing.T) {
	t.Parallel()
	good := func(t *testing.T, p *plane) (api.ReleaseManifest, api.Envelope) {
		m := made(api.ProgramWorker, "1.2.0", 1, release.FormatBinary, script("1.2.0"))
		p.publish(t, m, script("1.2.0"))
		e, err := release.Sign(m, p.key)
		if err != nil {
			t.Fatal(err)
		}
		return m, e
	}
	resign := func(t *testing.T, p *plane, m api.ReleaseManifest) api.Envelope {
		e, err := release.Sign(m, p.key)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for name, bad := range map[string]struct {
		envelope func(t *testing.T, p *plane, m api.ReleaseManifest, e api.Envelope) api.Envelope
		code     string
	}{
		"no signature": {func(_ *testing.T, _ *plane, _ api.ReleaseManifest, e api.Envelope) api.Envelope {
			e.Signatures = nil
			return e
		}, api.CodeUntrusted},
		"another key": {func(t *testing.T, _ *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			e, err := release.Sign(m, release.NewKey())
			if err != nil {
				t.Fatal(err)
			}
			return e
		}, api.CodeUntrusted},
		"another key under the id of ours": {func(t *testing.T, p *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			e, err := release.Sign(m, release.NewKey())
			if err != nil {
				t.Fatal(err)
			}
			e.Signatures[0].KeyID = p.key.Public().ID()
			return e
		}, api.CodeUntrusted},
		"one byte of the payload": {func(_ *testing.T, _ *plane, _ api.ReleaseManifest, e api.Envelope) api.Envelope {
			e.Payload = slices.Clone(e.Payload)
			e.Payload[len(e.Payload)/2] ^= 1
			return e
		}, api.CodeUntrusted},
		"one byte of the signature": {func(_ *testing.T, _ *plane, _ api.ReleaseManifest, e api.Envelope) api.Envelope {
			e.Signatures[0].Sig = slices.Clone(e.Signatures[0].Sig)
			e.Signatures[0].Sig[7] ^= 1
			return e
		}, api.CodeUntrusted},
		"the signature of another release": {func(t *testing.T, p *plane, m api.ReleaseManifest, e api.Envelope) api.Envelope {
			m.Notes = "another"
			e.Signatures = resign(t, p, m).Signatures
			return e
		}, api.CodeUntrusted},
		"signed as something else": {func(_ *testing.T, _ *plane, _ api.ReleaseManifest, e api.Envelope) api.Envelope {
			e.PayloadType = api.PayloadKeyRotation
			return e
		}, api.CodeUntrusted},
		"another channel": {func(t *testing.T, p *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			m.Channel = "beta"
			return resign(t, p, m)
		}, api.CodeUntrusted},
		"another program": {func(t *testing.T, p *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			m.Program = "pipeweave"
			return resign(t, p, m)
		}, api.CodeUntrusted},
		"another version": {func(t *testing.T, p *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			m.Version = "1.1.0"
			return resign(t, p, m)
		}, api.CodeUntrusted},
		"another system": {func(t *testing.T, p *plane, m api.ReleaseManifest, _ api.Envelope) api.Envelope {
			m.Artifacts[0].Arch = "pdp11"
			return resign(t, p, m)
		}, api.CodeNoArtifact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			h := newHost(t, p, nil)
			m, e := good(t, p)
			if _, err := h.Find(t.Context(), h.want("1.2.0")); err != nil {
				t.Fatalf("the good one: %v", err)
			}
			p.offer(m.Program, m.Version, m.Channel, bad.envelope(t, p, m, e))
			_, err := h.install(t.Context(), h.want("1.2.0"))
			refusal := wantCode(t, err, bad.code)
			if refusal.Fix == "" || upgrade.Passing(err) {
				t.Errorf("the refusal %v says what helps: %q, and passes: %v", err, refusal.Fix, upgrade.Passing(err))
			}
			if p.downloads() != 0 {
				t.Error("something was downloaded all the same")
			}
			h.clean(t)
		})
	}
}

// Nobody is kept on old releases for longer than they are good for, and nobody
// is taken back to one by a server that shows yesterday's.
func TestUpgrade_U4_oldReleases(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := newPlane(t)
	h := newHost(t, p, func(o *upgrade.Options) { o.Tune(func() time.Time { return now }, 0, nil) })
	publish := func(version string, sequence int64) {
		p.publish(t, made(api.ProgramWorker, version, sequence, release.FormatBinary, script(version)), script(version))
	}
	find := func() error {
		_, err := h.Find(t.Context(), h.want(""))
		return err
	}

	publish("1.0.0", 5)
	if err := find(); err != nil {
		t.Fatal(err)
	}
	t.Run("an older one is not the newest", func(t *testing.T) {
		publish("1.0.0", 4)
		if refusal := wantCode(t, find(), api.CodeReleaseRollback); !strings.Contains(refusal.Fix, "keys reset "+p.URL+" --sequences") {
			t.Errorf("the fix is %q", refusal.Fix)
		}
		publish("1.0.0", 5)
		if err := find(); err != nil {
			t.Errorf("the same once more: %v", err)
		}
	})
	t.Run("a later repair of an older one does not count", func(t *testing.T) {
		newest := made(api.ProgramWorker, "1.0.0", 5, release.FormatBinary, script("1.0.0"))
		publish("0.9.1", 6) // a control plane goes on calling 1.0.0 the newest
		if _, err := h.Find(t.Context(), h.want("0.9.1")); err != nil {
			t.Fatal(err)
		}
		p.publish(t, newest, script("1.0.0"))
		if err := find(); err != nil {
			t.Error(err)
		}
	})
	t.Run("one that has expired is not taken", func(t *testing.T) {
		now = now.Add(2 * time.Hour)
		defer func() { now = time.Now() }()
		refusal := wantCode(t, find(), api.CodeReleaseExpired)
		if !strings.Contains(refusal.Message, "clock") || !strings.Contains(refusal.Message, "old state") {
			t.Errorf("the message is %q", refusal.Message)
		}
	})
	t.Run("a number of the far future can be recovered from", func(t *testing.T) {
		publish("1.0.1", 1<<62)
		if err := find(); err != nil {
			t.Fatal(err)
		}
		publish("1.0.2", 6)
		wantCode(t, find(), api.CodeReleaseRollback)

		// A rotation of the key begins anew, for all that is signed from then on is
		// new,
		next := release.NewKey()
		rotation, err := release.Rotate(p.key, next, now)
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		p.history.Rotations, p.key = append(p.history.Rotations, rotation), next
		p.mu.Unlock()
		publish("1.0.2", 6)
		if err := find(); err != nil {
			t.Fatalf("after the rotation: %v", err)
		}
		// and so does a person on the host.
		publish("1.0.3", 1<<62)
		if err := find(); err != nil {
			t.Fatal(err)
		}
		publish("1.0.4", 7)
		wantCode(t, find(), api.CodeReleaseRollback)
		if err := h.records.ForgetTrust(t.Context(), p.URL, true); err != nil {
			t.Fatal(err)
		}
		if err := find(); err != nil {
			t.Fatalf("after the reset: %v", err)
		}
		if key, err := h.records.PinnedKey(t.Context(), p.URL); err != nil || key.KeyID != next.Public().ID() {
			t.Errorf("the key was forgotten as well: %v, %v", key, err)
		}
	})
}

func TestUpgrade_U5_noStepBackFromAfar(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	for i, version := range []string{"1.0.0", "1.1.0-rc.1", "1.1.0"} {
		p.publish(t, made(api.ProgramWorker, version, int64(i+1), release.FormatBinary, script(version)), script(version))
	}
	for _, test := range []struct {
		name   string
		change func(*upgrade.Wanted)
		code   string
	}{
		{"a control plane", func(w *upgrade.Wanted) { w.Remote = true }, api.CodeDowngrade},
		{"a control plane that says it may", func(w *upgrade.Wanted) { w.Remote, w.AllowDowngrade = true, true }, api.CodeDowngrade},
		{"a control plane, back to what is not here", func(w *upgrade.Wanted) { w.Remote, w.Return = true, true }, api.CodeDowngrade},
		{"a pre-release of what runs", func(w *upgrade.Wanted) { w.Remote, w.Version = true, "1.1.0-rc.1" }, api.CodeDowngrade},
		{"a person who did not think of it", func(*upgrade.Wanted) {}, api.CodeDowngrade},
		{"a person who did", func(w *upgrade.Wanted) { w.AllowDowngrade = true }, ""},
		{"the same version", func(w *upgrade.Wanted) { w.Remote, w.Version = true, "1.1.0" }, ""},
		{"when nobody knows what runs", func(w *upgrade.Wanted) { w.Remote, w.Running = true, "unknown" }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := h.want("1.0.0")
			w.Running = "1.1.0"
			test.change(&w)
			_, err := h.Find(t.Context(), w)
			if test.code != "" {
				wantCode(t, err, test.code)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("the way back of an upgrade", func(t *testing.T) {
		if _, err := h.install(t.Context(), h.want("1.0.0")); err != nil {
			t.Fatal(err)
		}
		w := h.want("1.0.0")
		w.Running, w.Remote, w.Return = "1.1.0", true, true
		if found, err := h.Find(t.Context(), w); err != nil || !found.Installed {
			t.Fatalf("%+v, %v", found, err)
		}
	})
}

func TestFind_yanked(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
	p.mu.Lock()
	for name, r := range p.releases {
		r.YankedAt, r.YankReason = api.At(time.Now()), "it eats documents"
		p.releases[name] = r
	}
	p.mu.Unlock()
	_, err := h.Find(t.Context(), h.want("1.0.0"))
	if refusal := wantCode(t, err, api.CodeReleaseYanked); !strings.Contains(refusal.Message, "it eats documents") {
		t.Errorf("the message is %q", refusal.Message)
	}
}

// The first key is pinned once, as an event, and only followed where it leads.
func TestFind_keys(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	m := made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0"))
	p.publish(t, m, script("1.0.0"))
	find := func() error {
		_, err := h.Find(t.Context(), h.want(""))
		return err
	}
	first := p.key
	for range 2 {
		if err := find(); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.trust) != 1 || h.trust[0].How != manifest.PinnedAtFirstUse || h.trust[0].KeyID != first.Public().ID() {
		t.Fatalf("told of %+v, want the first use once", h.trust)
	}

	rotate := func(next release.PrivateKey) {
		rotation, err := release.Rotate(p.key, next, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		p.history.Rotations, p.key = append(p.history.Rotations, rotation), next
		p.mu.Unlock()
	}
	rotate(release.NewKey())
	wantCode(t, find(), api.CodeUntrusted) // signed by the key that was given up
	rotate(release.NewKey())               // two at once
	p.publish(t, m, script("1.0.0"))
	if err := find(); err != nil {
		t.Fatalf("after two rotations: %v", err)
	}
	if last := h.trust[len(h.trust)-1]; last.How != manifest.PinnedByRotation || last.KeyID != p.key.Public().ID() {
		t.Errorf("told of %+v", last)
	}

	t.Run("the former key is not believed any more", func(t *testing.T) {
		rotations, key := p.history.Rotations, p.key
		p.mu.Lock()
		p.history.Rotations, p.key = nil, first
		p.mu.Unlock()
		p.publish(t, m, script("1.0.0"))
		wantCode(t, find(), api.CodeUntrusted)
		p.mu.Lock()
		p.history.Rotations, p.key = rotations, key
		p.mu.Unlock()
	})
	t.Run("a key from nowhere is not", func(t *testing.T) {
		p.mu.Lock()
		p.key = release.NewKey()
		p.history = api.ReleaseKeys{First: p.key.Public().String()}
		p.mu.Unlock()
		p.publish(t, m, script("1.0.0"))
		refusal := wantCode(t, find(), api.CodeUntrusted)
		if !strings.Contains(refusal.Fix, "pipedai-orchestrator keys trust "+p.URL) {
			t.Errorf("the fix is %q", refusal.Fix)
		}
	})
	t.Run("no keys at all", func(t *testing.T) {
		p.mu.Lock()
		p.history = api.ReleaseKeys{}
		p.mu.Unlock()
		wantCode(t, find(), api.CodeNotFound)
	})
}

func TestFind_whatMakesNoSense(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	for _, version := range []string{"latest", "unknown", "../1.0.0", "1.0.0/..", "1.0.0;id", "$(id)", "git+https://x", "^1.0.0", "1.x", "v1.0.0", "1..0", strings.Repeat("1.", 80)} {
		if _, err := h.Find(t.Context(), h.want(version)); err == nil {
			t.Errorf("%q was taken for a version", version)
		} else {
			wantCode(t, err, api.CodeInvalid)
		}
	}
	for i, w := range []upgrade.Wanted{
		{APIURL: p.URL, Program: "../x", Version: "1.0.0"},
		{Program: api.ProgramWorker, Version: "1.0.0"},
		{APIURL: p.URL, Program: api.ProgramWorker, Channel: "../beta"},
		{Program: api.ProgramWorker, Local: "relative/path"},
		{Program: api.ProgramWorker, Local: "/nowhere/at/all"},
		{Program: api.ProgramWorker, Local: "/bin", Version: "1.0.0"},
		{Program: api.ProgramWorker, Local: "/bin/sh", Remote: true},
	} {
		if _, err := h.Find(t.Context(), w); err == nil {
			t.Errorf("%d: %+v was taken", i, w)
		} else {
			wantCode(t, err, api.CodeInvalid)
		}
	}
}

// A version that is here needs nobody; one that is not says who did not answer.
func TestFind_away(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
	if _, err := h.install(t.Context(), h.want("1.0.0")); err != nil {
		t.Fatal(err)
	}
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	found, err := h.Find(t.Context(), h.want("1.0.0"))
	if err != nil || !found.Installed {
		t.Fatalf("what is here: %+v, %v", found, err)
	}
	if _, err := h.Find(t.Context(), h.want("1.0.1")); !upgrade.Passing(err) {
		t.Errorf("what is not: %v, want an error that passes", err)
	}
}
