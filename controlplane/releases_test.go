package controlplane

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/internal/secret"
)

// publisher signs releases and hands them in.
type publisher struct {
	*bench
	key release.PrivateKey
}

func newPublisher(t testing.TB, b *bench) *publisher {
	t.Helper()
	p := &publisher{bench: b, key: release.NewKey()}
	p.as(b.admin, "POST", "/api/v1/release-keys", `{"first":"`+p.key.Public().String()+`"}`, http.StatusCreated, nil)
	return p
}

// content is the artifact of a version for an operating system.
func content(version, goos string) string {
	return strings.Repeat("the program "+version+" for "+goos+"\n", 10000)
}

// manifest is a release with one artifact for each operating system.
func (b *bench) manifest(version, channel string, sequence int64, systems ...string) api.ReleaseManifest {
	now := b.clock.Now().UTC().Truncate(time.Millisecond) // as JSON has it
	m := api.ReleaseManifest{
		Program: "pipedai-worker", Version: version, Channel: channel, Sequence: sequence, Notes: "what is new",
		CreatedAt: api.At(now), ExpiresAt: api.At(now.Add(time.Hour)),
	}
	for _, goos := range systems {
		text := content(version, goos)
		sum := sha256.Sum256([]byte(text))
		m.Artifacts = append(m.Artifacts, api.Artifact{
			OS: goos, Arch: "amd64", Name: "pipedai-worker_" + version + "_" + goos + "_amd64", Size: int64(len(text)),
			SHA256: hex.EncodeToString(sum[:]), Format: release.FormatBinary,
		})
	}
	return m
}

func (p *publisher) sign(m api.ReleaseManifest) api.Envelope {
	p.t.Helper()
	envelope, err := release.Sign(m, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return envelope
}

// hand sends a JSON body and returns the answer.
func (b *bench) hand(token secret.Text, method, path string, body any) *httptest.ResponseRecorder {
	b.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(method, path, string(data), bearer(token)...)
}

func versionPath(m api.ReleaseManifest) string {
	return "/api/v1/releases/" + m.Program + "/" + m.Version
}

// publish signs a release and brings its bytes.
func (p *publisher) publish(m api.ReleaseManifest) {
	p.t.Helper()
	if w := p.hand(p.operate, "POST", versionPath(m), p.sign(m)); w.Code != http.StatusCreated {
		p.t.Fatalf("publish %s: got %d %s", m.Version, w.Code, w.Body)
	}
	for _, a := range m.Artifacts {
		if w := p.do("PUT", versionPath(m)+"/artifacts/"+a.Name, content(m.Version, a.OS), bearer(p.operate)...); w.Code/100 != 2 {
			p.t.Fatalf("put %s: got %d %s", a.Name, w.Code, w.Body)
		}
	}
}

// latest is the newest version of the worker on a channel.
func (b *bench) latest(channel string) string {
	b.t.Helper()
	var out api.Releases
	w := b.do("GET", "/api/v1/releases/latest?channel="+channel, "")
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		b.t.Fatalf("latest: %d %s", w.Code, w.Body)
	}
	return out.Worker.Latest
}

// TestRelease: from the first key to the bytes on a host.
func TestRelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := b.enroll("early")
	if before.ReleaseKeys != nil {
		t.Errorf("without a key a host is told %+v", before.ReleaseKeys)
	}
	p := newPublisher(t, b)
	host := b.enroll("box")
	if host.ReleaseKeys == nil || host.ReleaseKeys.First != p.key.Public().String() {
		t.Errorf("at enrolment a host is told %+v", host.ReleaseKeys)
	}
	var checked api.CheckInResponse
	b.as(secret.Text(before.OperatorToken), "POST", "/api/v1/hosts/self/checkin", `{}`, http.StatusOK, &checked)
	if checked.ReleaseKeys == nil || checked.ReleaseKeys.First != p.key.Public().String() {
		t.Errorf("when it checks in a host is told %+v", checked.ReleaseKeys)
	}
	m := b.manifest("1.3.0", "stable", 1, "linux", "windows")
	if got := b.latest("stable"); got != "1.2.3" {
		t.Errorf("without a release the latest is %s", got)
	}
	w := b.hand(b.operate, "POST", versionPath(m), p.sign(m))
	var made api.PublishedRelease
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if made.State != api.ReleasePending || len(made.Artifacts) != 2 || made.Artifacts[0].Stored || made.Notes != "what is new" || !made.PublishedAt.IsZero() {
		t.Errorf("made %+v", made)
	}

	// Until its last byte is there, no host sees it.
	hidden := func() {
		t.Helper()
		if got := b.latest("stable"); got != "1.2.3" {
			t.Errorf("the latest is %s", got)
		}
		b.as(secret.Text(host.OperatorToken), "GET", versionPath(m), "", http.StatusNotFound, nil)
		b.as(secret.Text(host.WorkerToken), "GET", versionPath(m)+"/artifacts/"+m.Artifacts[0].Name, "", http.StatusNotFound, nil)
		var list api.PublishedReleases
		b.as(secret.Text(host.OperatorToken), "GET", "/api/v1/releases", "", http.StatusOK, &list)
		if len(list.Items) != 0 {
			t.Errorf("a host sees %+v", list)
		}
	}
	hidden()
	for i, a := range m.Artifacts {
		if i > 0 {
			hidden()
		}
		w := b.do("PUT", versionPath(m)+"/artifacts/"+a.Name, content(m.Version, a.OS), bearer(b.operate)...)
		var stored api.StoredArtifact
		if err := json.Unmarshal(w.Body.Bytes(), &stored); err != nil || w.Code != http.StatusCreated || stored.Published != (i == 1) || stored.SHA256 != a.SHA256 {
			t.Errorf("put %s: %d %s", a.Name, w.Code, w.Body)
		}
	}
	// Sent again, nothing happens, whatever the bytes are.
	if w := b.do("PUT", versionPath(m)+"/artifacts/"+m.Artifacts[0].Name, "other", bearer(b.operate)...); w.Code != http.StatusOK {
		t.Errorf("put again: %d %s", w.Code, w.Body)
	}
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"state":"published"`) {
		t.Errorf("published again: %d %s", w.Code, w.Body)
	}

	if got := b.latest("stable"); got != "1.3.0" {
		t.Errorf("the latest is %s", got)
	}
	w = b.do("GET", "/api/v1/releases/latest", "")
	for _, text := range []string{`"pipedaiWorker":{"latest":"1.3.0","source":"release","sequence":1,`, `"pipedaiOrchestrator":{"latest":"1.2.3","source":"control-plane"}`, `"channel":"stable"`} {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s is missing in %s", text, w.Body)
		}
	}
	for _, version := range []string{"latest", "1.3.0"} {
		var got api.PublishedRelease
		b.as(secret.Text(host.OperatorToken), "GET", "/api/v1/releases/pipedai-worker/"+version, "", http.StatusOK, &got)
		if opened, err := release.Open(*got.Envelope, p.key.Public()); err != nil || !cmp.Equal(opened, m) {
			t.Errorf("a host reads %+v, %v", opened, err)
		}
	}
	var audit api.AuditLines
	b.as(b.admin, "GET", "/api/v1/audit?action=release", "", http.StatusOK, &audit)
	if len(audit.Items) < 5 || audit.Items[len(audit.Items)-1].Object != p.key.Public().ID() || audit.Items[0].Object != "pipedai-worker/1.3.0" {
		t.Errorf("recorded %+v", audit)
	}
	c := b.serve(secret.Text(host.WorkerToken))
	for _, a := range m.Artifacts {
		body, from, err := c.Artifact(t.Context(), m.Program, m.Version, a.Name, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || string(got) != content(m.Version, a.OS) || from != 0 {
			t.Errorf("got %d bytes from %d, %v", len(got), from, err)
		}
	}
}

// TestRelease_U1_envelope: what was not signed so is refused, and leaves nothing.
func TestRelease_U1_envelope(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	m := b.manifest("1.3.0", "stable", 1, "linux")
	good := p.sign(m)
	other := &publisher{bench: b, key: release.NewKey()}
	change := func(f func(*api.Envelope)) api.Envelope {
		e := api.Envelope{PayloadType: good.PayloadType, Payload: bytes.Clone(good.Payload), Signatures: []api.Signature{{
			KeyID: good.Signatures[0].KeyID, Sig: bytes.Clone(good.Signatures[0].Sig),
		}}}
		f(&e)
		return e
	}
	rotation, err := release.Rotate(p.key, other.key, b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	expired := m
	expired.CreatedAt, expired.ExpiresAt = api.At(b.clock.Now().Add(-2*time.Hour)), api.At(b.clock.Now().Add(-time.Hour))
	for _, test := range []struct {
		name     string
		envelope api.Envelope
		status   int
		want     string
	}{
		{"without a signature", change(func(e *api.Envelope) { e.Signatures = nil }), 400, api.CodeValidation},
		{"with an empty one", change(func(e *api.Envelope) { e.Signatures[0].Sig = []byte{0} }), 422, api.CodeUntrusted},
		{"by another key", other.sign(m), 422, api.CodeUntrusted},
		{"by another key in the name of ours", change(func(e *api.Envelope) { e.Signatures[0].Sig = other.sign(m).Signatures[0].Sig }), 422, api.CodeUntrusted},
		{"one byte changed", change(func(e *api.Envelope) { e.Payload[20] ^= 1 }), 422, api.CodeUntrusted},
		{"one bit of the signature", change(func(e *api.Envelope) { e.Signatures[0].Sig[5] ^= 1 }), 422, api.CodeUntrusted},
		{"of another type", change(func(e *api.Envelope) { e.PayloadType = api.PayloadKeyRotation }), 422, api.CodeUntrusted},
		{"the signature of another payload", rotation, 422, api.CodeUntrusted},
		{"expired", p.sign(expired), 422, api.CodeReleaseExpired},
	} {
		w := b.hand(b.operate, "POST", versionPath(m), test.envelope)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: got %d %s, want %d %s", test.name, w.Code, w.Body, test.status, test.want)
		}
	}
	elsewhere := m
	elsewhere.Version = "9.9.9"
	if w := b.hand(b.operate, "POST", versionPath(elsewhere), good); w.Code != 400 || !strings.Contains(w.Body.String(), "Another release was signed") {
		t.Errorf("at another address: got %d %s", w.Code, w.Body)
	}
	// What the key signed, but no honest tool would: names are parts of paths.
	for name, spoil := range map[string]func(*api.ReleaseManifest){
		"a version that is none":   func(m *api.ReleaseManifest) { m.Version = "one.two" },
		"latest":                   func(m *api.ReleaseManifest) { m.Version = "latest" },
		"a version that is a path": func(m *api.ReleaseManifest) { m.Version = "1.0.0/../../x" },
		"a program that is a path": func(m *api.ReleaseManifest) { m.Program = "../etc" },
		"an artifact that is one":  func(m *api.ReleaseManifest) { m.Artifacts[0].Name = "../passwd" },
		"a hidden artifact":        func(m *api.ReleaseManifest) { m.Artifacts[0].Name = ".bashrc" },
		"a channel that is one":    func(m *api.ReleaseManifest) { m.Channel = "../x" },
		"no artifacts":             func(m *api.ReleaseManifest) { m.Artifacts = nil },
		"a size of nothing":        func(m *api.ReleaseManifest) { m.Artifacts[0].Size = 0 },
		"sequence 0":               func(m *api.ReleaseManifest) { m.Sequence = 0 },
	} {
		bad := b.manifest("1.3.0", "stable", 1, "linux")
		spoil(&bad)
		if _, err := release.Sign(bad, p.key); err == nil {
			t.Errorf("%s: signed", name)
		}
		for _, path := range []string{versionPath(m), "/api/v1/releases/" + strings.ReplaceAll(bad.Program+"/"+bad.Version, "/", "%2F")} {
			if w := b.hand(b.operate, "POST", path, p.signAnything(bad)); w.Code != 422 && w.Code != 404 && w.Code != 400 {
				t.Errorf("%s: got %d %s", name, w.Code, w.Body)
			}
		}
	}
	var list api.PublishedReleases
	b.as(b.admin, "GET", "/api/v1/releases", "", 200, &list)
	if len(list.Items) != 0 {
		t.Errorf("there is %+v", list)
	}
}

// signAnything signs without the checks of an honest tool.
func (p *publisher) signAnything(m api.ReleaseManifest) api.Envelope {
	p.t.Helper()
	payload, err := json.Marshal(m)
	if err != nil {
		p.t.Fatal(err)
	}
	signed := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(api.PayloadRelease), api.PayloadRelease, len(payload), payload)
	return api.Envelope{PayloadType: api.PayloadRelease, Payload: payload, Signatures: []api.Signature{{
		KeyID: p.key.Public().ID(), Sig: signRaw(p.t, p.key, signed),
	}}}
}

// signRaw signs any bytes.
func signRaw(t testing.TB, key release.PrivateKey, data []byte) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(key.PEM().Reveal()))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.Sign(private.(ed25519.PrivateKey), data)
}

// TestRelease_order: what is latest goes by versions, and only among what hosts
// may install.
func TestRelease_order(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	for i, version := range []string{"1.9.0", "1.10.0-rc.1", "1.10.0", "1.2.0"} {
		p.publish(b.manifest(version, "stable", int64(i+1), "linux"))
	}
	long := b.manifest("1.8.0", "beta", 1, "linux")
	long.ExpiresAt = api.At(b.clock.Now().Add(48 * time.Hour))
	p.publish(long)
	want := func(channel, version string) {
		t.Helper()
		b.clock.move(newestKept) // another replica hears of it this late
		if got := b.latest(channel); got != version {
			t.Errorf("the latest on %s is %s, want %s", channel, got, version)
		}
	}
	want("stable", "1.10.0")
	want("beta", "1.8.0")
	want("edge", "1.2.3") // none: the server's own
	var gone api.PublishedReleases
	b.as(b.operate, "POST", "/api/v1/releases/pipedai-worker/1.10.0/yank", `{"reason":"crashes"}`, 200, &gone)
	if len(gone.Items) != 1 || gone.Items[0].State != api.ReleaseYanked || gone.Items[0].YankReason != "crashes" || gone.Items[0].YankedBy == "" {
		t.Errorf("yanked %+v", gone)
	}
	want("stable", "1.10.0-rc.1")
	var shown api.PublishedRelease
	b.as(b.view, "GET", "/api/v1/releases/pipedai-worker/1.10.0", "", 200, &shown)
	if shown.State != api.ReleaseYanked || shown.YankReason != "crashes" || shown.YankedAt.IsZero() {
		t.Errorf("shown as %+v", shown)
	}
	m := b.manifest("1.10.0", "stable", 9, "linux")
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != 409 || !strings.Contains(w.Body.String(), api.CodeReleaseYanked) {
		t.Errorf("yanked, and again: %d %s", w.Code, w.Body)
	}
	m = b.manifest("1.11.0", "stable", 4, "linux")
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != 409 || !strings.Contains(w.Body.String(), api.CodeReleaseSequence) {
		t.Errorf("the sequence of another: %d %s", w.Code, w.Body)
	}
	m = b.manifest("1.9.0", "beta", 5, "linux")
	m.Artifacts[0].SHA256 = strings.Repeat("0", 64)
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != 409 || !strings.Contains(w.Body.String(), api.CodeReleaseDiffers) {
		t.Errorf("other bytes: %d %s", w.Code, w.Body)
	}
	for query, n := range map[string]int{"": 5, "?channel=beta": 1, "?program=none": 0, "?yanked=true": 1, "?yanked=false&program=pipedai-worker": 4} {
		var list api.PublishedReleases
		b.as(b.view, "GET", "/api/v1/releases"+query, "", 200, &list)
		if len(list.Items) != n {
			t.Errorf("%q lists %d, want %d", query, len(list.Items), n)
		}
	}
	// Promoted: signed for the other channel, and there without a byte sent.
	promoted := b.manifest("1.9.0", "beta", 5, "linux")
	if w := b.hand(b.operate, "POST", versionPath(promoted), p.sign(promoted)); w.Code != 201 || !strings.Contains(w.Body.String(), `"state":"published"`) {
		t.Errorf("promoted: %d %s", w.Code, w.Body)
	}
	want("beta", "1.9.0")
	b.clock.move(time.Hour)
	want("stable", "1.2.3") // all have expired
	want("beta", "1.8.0")
}

// TestRelease_rotation: only the current key names the next one, and what it
// signed is no longer offered.
func TestRelease_rotation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	first, second, third := p.key, release.NewKey(), release.NewKey()
	p.publish(b.manifest("1.3.0", "stable", 1, "linux"))
	rotate := func(old, next release.PrivateKey) api.SetReleaseKeyRequest {
		e, err := release.Rotate(old, next, b.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return api.SetReleaseKeyRequest{Rotation: &e}
	}
	post := func(name string, req api.SetReleaseKeyRequest, status int, want string) {
		t.Helper()
		if w := b.hand(b.admin, "POST", "/api/v1/release-keys", req); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %d %s", name, w.Code, w.Body, status, want)
		}
	}
	post("the first again", api.SetReleaseKeyRequest{First: first.Public().String()}, 200, first.Public().String())
	post("another first", api.SetReleaseKeyRequest{First: second.Public().String()}, 409, "There is a release key")
	post("by a stranger", rotate(second, third), 422, api.CodeUntrusted)
	forged := rotate(first, second)
	forged.Rotation.Signatures = forged.Rotation.Signatures[1:] // only the new one signed
	post("not by the old one", forged, 422, api.CodeUntrusted)
	post("by the current one", rotate(first, second), 201, `"rotations":[{`)
	post("again", rotate(first, second), 200, `"rotations":[{`)
	post("by one that was", rotate(first, third), 422, api.CodeUntrusted)
	post("back", rotate(second, first), 409, "was in use before")
	if w := b.hand(b.operate, "POST", "/api/v1/release-keys", rotate(second, third)); w.Code != 403 {
		t.Errorf("by an operator: %d", w.Code)
	}

	var history api.ReleaseKeys
	b.as(b.view, "GET", "/api/v1/release-keys", "", 200, &history)
	if current, err := release.Current(history, first.Public()); err != nil || !current.Equal(second.Public()) {
		t.Errorf("a host that knows the first key follows to %s, %v", current, err)
	}
	if got := b.latest("stable"); got != "1.2.3" {
		t.Errorf("signed by the key before, the latest is %s", got)
	}
	m := b.manifest("1.3.0", "stable", 2, "linux")
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != 422 {
		t.Errorf("signed by the key before: %d %s", w.Code, w.Body)
	}
	p.key = second
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != 201 || !strings.Contains(w.Body.String(), `"state":"published"`) {
		t.Errorf("signed again: %d %s", w.Code, w.Body)
	}
	if got := b.latest("stable"); got != "1.3.0" {
		t.Errorf("signed again, the latest is %s", got)
	}
}
