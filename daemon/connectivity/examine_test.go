package connectivity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pipedai/internal/secret"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Example Corp"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes a certificate for 127.0.0.1, changed by change; self-signed
// without an authority.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "control plane"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const hostToken = "hos_the-token-of-the-host"

// controlPlane answers as one does.
func controlPlane(change func(mux *http.ServeMux)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ok"}`) })
	mux.HandleFunc("GET /api/v1/workspaces/ws1/workers", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+hostToken {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("GET /api/v1/workers/w1/events/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if change != nil {
		outer := http.NewServeMux()
		outer.Handle("/", mux)
		change(outer)
		return outer
	}
	return mux
}

func serve(t *testing.T, handler http.Handler, cert *tls.Certificate) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	if cert == nil {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server
}

func plane(base string) Plane {
	return Plane{URL: base, WorkspaceID: "ws1", WorkerID: "w1", Token: hostToken, Login: "connect again"}
}

func find(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%s is not among %+v", name, checks)
	return Check{}
}

// expect wants one failed check, the last but for what was not made, that says
// all of the words.
func expect(t *testing.T, checks []Check, name string, words ...string) {
	t.Helper()
	c := find(t, checks, name)
	if !c.Failed() || c.Fix == "" {
		t.Errorf("%s did not fail with what helps: %+v", name, c)
	}
	for _, word := range words {
		if !strings.Contains(c.Message+" "+c.Fix+" "+c.Command, word) {
			t.Errorf("%s does not say %q: %+v", name, word, c)
		}
	}
	for _, other := range checks {
		if other.Name != name && other.Failed() {
			t.Errorf("%s failed, too: %+v", other.Name, other)
		}
		if strings.Contains(other.Message+other.Fix, hostToken) {
			t.Errorf("the token is in %+v", other)
		}
	}
}

func TestExamine_allIsWell(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Example Root")
	cert := ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(3*24*time.Hour + time.Minute) })
	server := serve(t, controlPlane(nil), &cert)
	checks := (&Examiner{Proxy: direct, Roots: ca.pool()}).Examine(t.Context(), plane(server.URL))
	var got []string
	for _, c := range checks {
		got = append(got, c.Name)
		if !c.OK || c.Target != server.URL {
			t.Errorf("%+v", c)
		}
	}
	want := "proxy dns tcp tls http clock latency auth events"
	if strings.Join(got, " ") != want {
		t.Errorf("checks %v, want %s", got, want)
	}
	// Who signed is said even when all is well, and an end that is near.
	if c := find(t, checks, CheckTLS); !strings.Contains(c.Message, `"Example Root" of "Example Corp"`) || !strings.Contains(c.Message, "3 days are left") {
		t.Errorf("tls: %s", c.Message)
	}
	plain := serve(t, controlPlane(nil), nil)
	for _, c := range (&Examiner{Proxy: direct}).Examine(t.Context(), plane(plain.URL)) {
		if c.Failed() || c.Name == CheckTLS {
			t.Errorf("without TLS: %+v", c)
		}
	}
}

func TestExamine_D13_certificates(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "Example Root"), newAuthority(t, "Corp Inspection Proxy")
	var self *authority
	tests := []struct {
		name   string
		from   *authority
		change func(*x509.Certificate)
		words  []string
	}{
		{"another name", &ca, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"api.example.com"} },
			[]string{"is for api.example.com, not for 127.0.0.1", "Example Root"}},
		{"expired", &ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -2)
		},
			[]string{"expired on", "clock says", "timedatectl", "Example Root"}},
		{"not yet valid", &ca, func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 0, 2) },
			[]string{"not valid before", "clock says", "timedatectl"}},
		{"self-signed", self, nil, []string{"self-signed", "control plane", "update-ca-certificates"}},
		{"signed by a proxy that reads along", &other, nil, []string{`"Corp Inspection Proxy"`, "does not trust", "reads along", "do not connect"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cert := tt.from.issue(t, tt.change)
			asked := false
			server := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }), &cert)
			expect(t, (&Examiner{Proxy: direct, Roots: ca.pool()}).Examine(t.Context(), plane(server.URL)), CheckTLS, tt.words...)
			if asked {
				t.Error("a request was sent over a connection that was not trusted")
			}
		})
	}
	t.Run("no TLS at all", func(t *testing.T) {
		t.Parallel()
		server := serve(t, controlPlane(nil), nil)
		expect(t, (&Examiner{Proxy: direct}).Examine(t.Context(), plane("https"+strings.TrimPrefix(server.URL, "http"))), CheckTLS, "does not speak TLS")
	})
}

func TestExamine_D14_clock(t *testing.T) {
	t.Parallel()
	for skew, words := range map[time.Duration][]string{
		24 * time.Hour:   {"the clock is off by 24h0m:", "behind"},
		-24 * time.Hour:  {"the clock is off by 24h0m:", "ahead"},
		-5 * time.Minute: {"the clock is off by 5m:", "ahead"},
	} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			server := serve(t, controlPlane(func(mux *http.ServeMux) {
				mux.HandleFunc("GET /api/v1/health", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
				})
			}), nil)
			checks := (&Examiner{Proxy: direct}).Examine(t.Context(), plane(server.URL))
			c := find(t, checks, CheckClock)
			if !c.Failed() || !strings.Contains(c.Message, words[0]) || !strings.Contains(c.Message, words[1]) || !strings.Contains(c.Command, "set-ntp") {
				t.Errorf("%+v", c)
			}
			// The rest is looked at all the same: it may work.
			if c := find(t, checks, CheckAuth); !c.OK {
				t.Errorf("auth: %+v", c)
			}
		})
	}
}

func TestExamine_answers(t *testing.T) {
	t.Parallel()
	health := func(handler http.HandlerFunc) http.Handler {
		return controlPlane(func(mux *http.ServeMux) { mux.HandleFunc("GET /api/v1/health", handler) })
	}
	tests := []struct {
		name    string
		handler http.Handler
		check   string
		words   []string
	}{
		{"captive portal that redirects", health(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://login.hotel.test/?session=secret", http.StatusFound)
		}), CheckHTTP, []string{"http://login.hotel.test/", "sign in"}},
		{"captive portal that answers", health(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Welcome</html>") }),
			CheckHTTP, []string{"a web page", "sign in"}},
		{"another program", http.NotFoundHandler(), CheckHTTP, []string{"not a control plane", "without /api"}},
		{"a server that is not well", health(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), CheckHTTP, []string{"HTTP 502"}},
		{"a credential that is refused", controlPlane(func(mux *http.ServeMux) {
			mux.HandleFunc("GET /api/v1/workspaces/ws1/workers", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
		}), CheckAuth, []string{"refused (HTTP 401)", "connect again"}},
		{"a stream that is no stream", controlPlane(func(mux *http.ServeMux) {
			mux.HandleFunc("GET /api/v1/workers/w1/events/stream", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html></html>") })
		}), CheckEvents, []string{"text/html"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checks := (&Examiner{Proxy: direct}).Examine(t.Context(), plane(serve(t, tt.handler, nil).URL))
			expect(t, checks, tt.check, tt.words...)
			for _, c := range checks {
				if strings.Contains(c.Message, "session=") {
					t.Errorf("a query was shown: %s", c.Message)
				}
			}
		})
	}
	t.Run("no credential", func(t *testing.T) {
		t.Parallel()
		p := plane(serve(t, controlPlane(nil), nil).URL)
		p.Token = ""
		expect(t, (&Examiner{Proxy: direct}).Examine(t.Context(), p), CheckAuth, "no credential", "connect again")
		p.Token, p.TokenErr = hostToken, errors.New("the file is damaged")
		expect(t, (&Examiner{Proxy: direct}).Examine(t.Context(), p), CheckAuth, "the file is damaged")
	})
}

func TestExamine_unreachable(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
		checks := (&Examiner{Proxy: direct}).Examine(t.Context(), plane("http://"+listener.Addr().String()))
		expect(t, checks, CheckTCP, "connection refused", "listens there")
		if len(checks) != 3 {
			t.Errorf("checks that could only repeat it were made: %+v", checks)
		}
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // there may be no name server here
		defer cancel()
		expect(t, (&Examiner{Proxy: direct}).Examine(ctx, plane("https://no-such-name.invalid")), CheckDNS, "no-such-name.invalid")
	})
	t.Run("connected, but no answer", func(t *testing.T) {
		t.Parallel()
		hang := make(chan struct{})
		server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}), nil)
		defer close(hang)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		expect(t, (&Examiner{Proxy: direct}).Examine(ctx, plane(server.URL)), CheckHTTP, "no answer in time")
		if took := time.Since(began); took > stepTimeout {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("not a URL", func(t *testing.T) {
		t.Parallel()
		expect(t, (&Examiner{Proxy: direct}).Examine(t.Context(), plane("api.example.com")), CheckDNS, "not a URL")
	})
}

func TestExamine_proxy(t *testing.T) {
	t.Parallel()
	behind := serve(t, controlPlane(nil), nil)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := func(handler http.Handler) ProxyFunc {
		proxy, err := url.Parse(serve(t, handler, nil).URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy.User = url.UserPassword("somebody", "proxy-password")
		return http.ProxyURL(proxy)
	}
	forward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI, r.URL.Host, r.Host = "", target.Host, target.Host
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		w.(http.Flusher).Flush()
		_, _ = io.Copy(w, resp.Body)
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	checks := (&Examiner{Proxy: through(forward)}).Examine(t.Context(), plane("http://control-plane.test"))
	for _, c := range checks {
		if c.Failed() || strings.Contains(c.Message, "proxy-password") {
			t.Errorf("%+v", c)
		}
	}
	if c := find(t, checks, CheckProxy); !strings.Contains(c.Message, "everything goes through http://127.0.0.1:") {
		t.Errorf("%+v", c)
	}
	deny := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) })
	for _, base := range []string{"http://control-plane.test", "https://control-plane.test"} {
		expect(t, (&Examiner{Proxy: through(deny)}).Examine(t.Context(), plane(base)), CheckHTTP, "407", "HTTPS_PROXY")
	}
	broken := func(*http.Request) (*url.URL, error) { return nil, errors.New("invalid proxy address") }
	expect(t, (&Examiner{Proxy: broken}).Examine(t.Context(), plane(behind.URL)), CheckProxy, "cannot be used")
}

// TestExamine_pool: a token that lists the workers of the pool is looked at, and
// nobody misses one.
func TestExamine_pool(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/pool-workers" && r.Header.Get("Authorization") != "Bearer pop_good" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	look := func(token string) *Check {
		e := Examiner{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
		for _, c := range e.Examine(t.Context(), Plane{URL: server.URL, Pool: secret.Text(token), PoolLogin: "login again"}) {
			if c.Name == CheckPool {
				return &c
			}
		}
		return nil
	}
	if c := look("pop_good"); c == nil || !c.OK {
		t.Errorf("a good one: %+v", c)
	}
	if c := look("pop_bad"); c == nil || !c.Failed() || c.Command != "login again" || strings.Contains(c.Message, "pop_") {
		t.Errorf("a bad one: %+v", c)
	}
	if c := look(""); c != nil {
		t.Errorf("none: %+v", c)
	}
}
