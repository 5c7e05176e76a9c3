package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
)

// online waits until a control plane sees one worker online and returns it.
func (p *plane) online(t testing.TB) api.RemoteWorker {
	t.Helper()
	var list api.RemoteWorkers
	eventually(t, "one worker online at "+p.url(""), func() bool {
		get(t, p.url("/api/v1/workspaces/ws_default/workers"), p.token(t), &list)
		return len(list.Items) == 1 && list.Items[0].Status == "online"
	})
	return list.Items[0]
}

// TestPairing_twoControlPlanes: a host belongs to two control planes at once.
// Both give its workers work, status tells them apart, and leaving one leaves
// the other alone.
func TestPairing_twoControlPlanes(t *testing.T) {
	t.Parallel()
	one, two := startPlane(t, ""), startPlane(t, "")
	h := newHost(t)
	h.pair(t, one, sampleTasks())
	h.pair(t, two, sampleTasks())
	h.start(t)
	one.ready(t, "pdf-processor")
	two.ready(t, "pdf-processor")
	first, second := one.online(t), two.online(t)
	if first.ID == second.ID {
		t.Errorf("both control planes know the worker as %s", first.ID)
	}
	both := must(t, h.env, "pipedai-orchestrator", "status", "--json")
	for _, p := range []*plane{one, two} {
		if !strings.Contains(both.out, p.url("")) {
			t.Errorf("status does not name %s:\n%s", p.url(""), both.out)
		}
	}

	must(t, h.env, "pipedai-orchestrator", "logout", "--api-url", one.url(""))
	tokens := must(t, h.env, "pipedai-orchestrator", "tokens", "--json")
	if strings.Contains(tokens.out, one.url("")) || !strings.Contains(tokens.out, two.url("")) {
		t.Errorf("tokens after leaving the first:\n%s", tokens.out)
	}
	if r := call(t, h.env, "pipedai-orchestrator", "disable", second.ID); r.code != 0 {
		t.Errorf("the other control plane does not obey any more:\n%s", r.both())
	}
	eventually(t, "the second worker to be disabled", func() bool {
		var list api.RemoteWorkers
		get(t, two.url("/api/v1/workspaces/ws_default/workers"), two.token(t), &list)
		return list.Items[0].Disabled
	})
	if got := one.online(t); got.Disabled {
		t.Error("the first worker was disabled too")
	}
}

// TestConnect_D3_sigkill: connect is killed again and again, at any moment:
// while it waits for a person, for the answer, and between its writes. What is
// on disk is always readable, and connecting once more ends with one worker,
// one entry and one credential that works.
func TestConnect_D3_sigkill(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	h := newHost(t)
	connect, _ := h.pairing(t, p)
	connect.kill(t, syscall.SIGKILL) // while it waits for a person
	assertNotPaired(t, h)

	code := func() string {
		var issued api.IssuedCode
		request(t, http.MethodPost, p.url("/api/v1/enrollments/codes"), p.token(t), api.IssueCodeRequest{}, &issued)
		file := filepath.Join(t.TempDir(), "code")
		if err := os.WriteFile(file, []byte(issued.Code), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	args := func() []string {
		return []string{"connect", "--api-url", p.url(""), "--label", "e2e host", "--token-file", code(), "--no-install", "--no-open"}
	}
	whole := time.Now()
	other := newHost(t) // how long an undisturbed one takes, to aim by
	must(t, other.env, "pipedai-orchestrator", args()...)
	took := time.Since(whole)
	const seed = 20261122
	t.Logf("seed %d, an undisturbed connect takes %s", seed, took)
	choice := mathrand.New(mathrand.NewPCG(seed, 0))
	killed := 0
	for range 25 {
		connect := start(t, h.env, "pipedai-orchestrator", args()...)
		select {
		case <-connect.done:
		case <-time.After(time.Duration(choice.Int64N(int64(took)))):
			killed++
		}
		connect.kill(t, syscall.SIGKILL)
		for _, name := range []string{"credentials.json", "workers/e2e-host.json"} {
			data, err := os.ReadFile(filepath.Join(h.home, "orchestrator", name))
			if err == nil && !json.Valid(data) {
				t.Fatalf("%s is torn: %q", name, data)
			}
		}
	}
	if killed == 0 {
		t.Error("no connect was killed")
	}
	must(t, h.env, "pipedai-orchestrator", args()...)
	if all, _ := filepath.Glob(filepath.Join(h.home, "orchestrator", "workers", "*.json")); len(all) != 1 {
		t.Errorf("files of workers: %v, want one", all)
	}
	var tokens struct {
		Items []json.RawMessage `json:"items"`
	}
	out := must(t, h.env, "pipedai-orchestrator", "tokens", "--json").out
	if err := json.Unmarshal([]byte(out), &tokens); err != nil || len(tokens.Items) != 1 {
		t.Errorf("%v: credentials %s, want one", err, out)
	}
	h.start(t)
	w := h.worker(t)
	if got := p.online(t); got.ID != w.ID {
		t.Errorf("the control plane calls the worker %s, the host %s", got.ID, w.ID)
	}
}

// authority signs certificates for this machine.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) sign(t testing.TB, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(2)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestConnect_D13_certificates: only a certificate that an authority of this
// machine signed, for this name and this time, makes connect say anything.
// Every other is refused with the reason before the code is sent.
func TestConnect_D13_certificates(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the system's authorities are set by SSL_CERT_FILE on Linux only")
	}
	ours, foreign := newAuthority(t, "Our Authority"), newAuthority(t, "Middle Box")
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	past, soon := time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		signer authority
		cert   x509.Certificate
		says   string // empty: it is accepted
	}{
		"good":          {ours, x509.Certificate{IPAddresses: here, NotBefore: past, NotAfter: soon}, ""},
		"wrong name":    {ours, x509.Certificate{DNSNames: []string{"api.example.test"}, NotBefore: past, NotAfter: soon}, "127.0.0.1"},
		"expired":       {ours, x509.Certificate{IPAddresses: here, NotBefore: past, NotAfter: past.Add(time.Hour)}, "expired"},
		"not yet valid": {ours, x509.Certificate{IPAddresses: here, NotBefore: soon, NotAfter: soon.Add(time.Hour)}, "not yet valid"},
		"foreign CA":    {foreign, x509.Certificate{IPAddresses: here, NotBefore: past, NotAfter: soon}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(http.StatusNotFound)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{tt.signer.sign(t, &tt.cert)}}
			server.StartTLS()
			defer server.Close()
			h := newHost(t)
			env := append(h.env, "SSL_CERT_FILE="+bundle, "SSL_CERT_DIR="+t.TempDir(), "PIPEDAI_CONNECT_TOKEN=enr_the-code")
			r := call(t, env, "pipedai-orchestrator", "connect", "--api-url", server.URL, "--no-install", "--no-open")
			if strings.Contains(r.both(), "the-code") {
				t.Errorf("the code is printed:\n%s", r.both())
			}
			assertNotPaired(t, h)
			if tt.says == "" {
				if asked.Load() == 0 || r.code != 4 {
					t.Errorf("exit code %d after %d requests, want the server asked and its refusal told:\n%s", r.code, asked.Load(), r.both())
				}
				return
			}
			if asked.Load() != 0 || r.code != 3 || !strings.Contains(r.err, tt.says) {
				t.Errorf("exit code %d after %d requests, want 3 after none, and %q:\n%s", r.code, asked.Load(), tt.says, r.both())
			}
		})
	}
	h := newHost(t)
	if r := call(t, h.env, "pipedai-orchestrator", "connect", "--api-url", "http://192.0.2.7", "--no-install"); r.code != 2 || !strings.Contains(r.err, "in the clear") {
		t.Errorf("http to another machine: exit code %d:\n%s", r.code, r.both())
	}
}
