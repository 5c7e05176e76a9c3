package connectivity

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// The checks of a control plane, in the order they are made.
const (
	CheckProxy   = "proxy"
	CheckDNS     = "dns"
	CheckTCP     = "tcp"
	CheckTLS     = "tls"
	CheckHTTP    = "http"
	CheckLatency = "latency"
	CheckClock   = "clock"
	CheckAuth    = "auth"
	CheckEvents  = "events"
	CheckPool    = "pool"
)

// Check is one thing that was looked at.
type Check = api.ConnectivityCheck

// Plane is a control plane to examine, as a host uses it.
type Plane struct {
	URL         string // base, without a trailing slash
	WorkspaceID string // empty: there is nothing to sign in to
	WorkerID    string // whose events to open; empty: none
	Token       secret.Text
	TokenErr    error // why it could not be read
	// Login is the command that brings a credential.
	Login string
	// Pool is the token that lists the workers of the pool; empty: this host has
	// none, and need not. PoolLogin is the command that brings another.
	Pool      secret.Text
	PoolLogin string
}

// Examiner looks at control planes thoroughly. The zero value is ready to use.
type Examiner struct {
	Proxy ProxyFunc      // nil: that of the environment
	Roots *x509.CertPool // nil: those the system trusts
	// GOOS says whose commands to name; empty means Linux.
	GOOS string
}

// stepTimeout bounds one check; the context bounds all.
const stepTimeout = 5 * time.Second

// examination is one Plane being looked at.
type examination struct {
	e      *Examiner
	plane  Plane
	url    *url.URL
	client *http.Client
	proxy  *url.URL // nil: none
	checks []Check
}

// ExamineAll looks at all of them at the same time.
func (e *Examiner) ExamineAll(ctx context.Context, planes []Plane) api.ConnectivityReport {
	found := make([][]Check, len(planes))
	var all sync.WaitGroup
	for i, p := range planes {
		all.Go(func() { found[i] = e.Examine(ctx, p) })
	}
	all.Wait()
	report := api.ConnectivityReport{OK: true, Checks: []Check{}}
	for _, c := range slices.Concat(found...) {
		report.OK = report.OK && !c.Failed()
		report.Checks = append(report.Checks, c)
	}
	return report
}

// Examine makes the checks one after the other. When one that others need
// fails, those are not made, for they could only repeat it.
func (e *Examiner) Examine(ctx context.Context, plane Plane) []Check {
	u, err := url.Parse(plane.URL)
	if err != nil || u.Host == "" {
		return []Check{{Target: plane.URL, Name: CheckDNS, Message: "this is not a URL", Fix: "it looks like https://api.example.com"}}
	}
	client := probeClient(e.Proxy)
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: e.Roots, MinVersion: tls.VersionTLS12}
	transport.DisableKeepAlives = false // the last checks measure the service, not the handshake
	defer transport.CloseIdleConnections()
	x := &examination{e: e, plane: plane, url: u, client: client}
	if x.throughProxy() && x.name(ctx) && x.connect(ctx) {
		if answer := x.service(ctx); answer != nil {
			x.clock(*answer)
			if answer.status/100 == 2 {
				x.latency(ctx)
				x.auth(ctx)
				x.events(ctx)
				x.pool(ctx)
			}
		}
	}
	return x.checks
}

func (x *examination) add(c Check) bool {
	c.Target = x.plane.URL
	x.checks = append(x.checks, c)
	return !c.Failed()
}

func ms(d time.Duration) *int64 {
	n := d.Milliseconds()
	return &n
}

// throughProxy finds the proxy that everything of a host goes through.
func (x *examination) throughProxy() bool {
	find := x.e.Proxy
	if find == nil {
		find = http.ProxyFromEnvironment
	}
	proxy, err := find(&http.Request{URL: x.url})
	switch {
	case err != nil:
		return x.add(Check{
			Name: CheckProxy, Message: "the proxy that the environment names cannot be used: " + reason(err),
			Fix: "HTTPS_PROXY looks like http://proxy.example.com:3128",
		})
	case proxy == nil:
		return x.add(Check{Name: CheckProxy, OK: true, Message: "none: the control plane is asked directly"})
	}
	x.proxy = proxy
	return x.add(Check{Name: CheckProxy, OK: true, Message: "everything goes through " + proxy.Scheme + "://" + proxy.Host})
}

// next is what has to be reached first: the proxy, or the control plane.
func (x *examination) next() (u *url.URL, what string) {
	if x.proxy != nil {
		return x.proxy, "the proxy "
	}
	return x.url, ""
}

func (x *examination) name(ctx context.Context) bool {
	u, what := x.next()
	host := u.Hostname()
	if net.ParseIP(host) != nil {
		return x.add(Check{Name: CheckDNS, OK: true, Message: what + host + " is an address; there is no name to look up"})
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return x.add(Check{
			Name: CheckDNS, OK: true, LatencyMs: ms(time.Since(began)),
			Message: fmt.Sprintf("%s%s is %s", what, host, strings.Join(addresses[:min(3, len(addresses))], ", ")),
		})
	case errors.As(err, &dns) && dns.IsNotFound:
		return x.add(Check{
			Name: CheckDNS, Message: what + host + ": there is no such name",
			Fix: "check the spelling; a name inside a company's network needs its name server, or its VPN", Command: x.e.command("getent hosts "+host, "nslookup "+host),
		})
	default:
		return x.add(Check{
			Name: CheckDNS, Message: what + host + ": no name server answered: " + reason(err),
			Fix: "check that this host has a network and a name server", Command: x.e.command("cat /etc/resolv.conf", "ipconfig /all"),
		})
	}
}

func (x *examination) connect(ctx context.Context) bool {
	u, what := x.next()
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443", "socks5": "1080"}[u.Scheme])
	address := net.JoinHostPort(u.Hostname(), port)
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close()
		return x.add(Check{
			Name: CheckTCP, OK: true, LatencyMs: ms(time.Since(began)), Message: fmt.Sprintf("%s%s takes connections", what, address),
		})
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return x.add(Check{
			Name: CheckTCP, Message: what + address + " does not answer: something drops the packets",
			Fix: "a firewall has to let this host out to " + address + "; where one has to use a proxy, name it in HTTPS_PROXY",
		})
	}
	return x.add(Check{
		Name: CheckTCP, Message: what + address + " takes no connections: " + reason(err),
		Fix: "check the port, and that something listens there",
	})
}

// answer is what the control plane said about its health.
type answer struct {
	status int
	date   time.Time // by its clock, zero when it did not say
	at     time.Time // by ours, in the middle of the call
}

// service asks for the health, over TLS where the URL says so; nil means that
// there was no answer.
func (x *examination) service(ctx context.Context) *answer {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	resp, err := x.get(ctx, healthPath, "*/*")
	if err != nil {
		if x.url.Scheme == "https" {
			if c, about := x.certificate(err); about {
				x.add(c)
				return nil
			}
		}
		c := Check{
			Name: CheckHTTP, Message: "no answer to " + healthPath + ": " + reason(err),
			Fix: "check that the control plane is up; something between may hold the answer back",
		}
		if strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)) {
			c.Message, c.Fix = "the proxy wants a user name and a password (HTTP 407)", proxySignIn
		}
		x.add(c)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	took := time.Since(began)
	if resp.TLS != nil {
		x.add(trusted(resp.TLS.PeerCertificates[0], time.Now()))
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeBody))
	out := &answer{status: resp.StatusCode, at: began.Add(took / 2)}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		out.date = date
	}
	c := x.judge(resp)
	c.LatencyMs = ms(took)
	if !x.add(c) {
		out.status = 0
	}
	return out
}

const proxySignIn = "put name and password into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT"

// judge says whether an answer is that of a control plane.
func (x *examination) judge(resp *http.Response) Check {
	c := Check{Name: CheckHTTP}
	switch status := resp.StatusCode; {
	case status/100 == 2 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		c.Message = "a web page answers instead of the control plane"
		c.Fix = "the network may want you to sign in first: open any page in a browser; or the URL is not that of a control plane"
	case status/100 == 2:
		c.OK, c.Message = true, fmt.Sprintf("the control plane answers (HTTP %d)", status)
	case status/100 == 3:
		c.Message = fmt.Sprintf("the answer sends us elsewhere (HTTP %d to %s)", status, place(resp))
		c.Fix = "the network may want you to sign in first: open any page in a browser; or connect to the address that it names"
	case status == http.StatusProxyAuthRequired:
		c.Message = "the proxy wants a user name and a password (HTTP 407)"
		c.Fix = proxySignIn
	case status == http.StatusNotFound:
		c.Message = "something answers, but not a control plane (HTTP 404)"
		c.Fix = "check the URL: it is the address of the control plane without /api"
	case status >= 500:
		c.Message = fmt.Sprintf("the control plane, or something before it, is not well (HTTP %d)", status)
		c.Fix = "ask its operator; this host tries again by itself"
	default:
		c.Message = fmt.Sprintf("the request was refused (HTTP %d)", status)
		c.Fix = "something between may refuse it; ask whoever runs this network or the control plane"
	}
	return c
}

// place is where an answer sends us, without what may be a secret.
func place(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host + to.Path
}

// maxSkew is how far clocks may be apart before certificates and the ages of
// things become wrong.
const maxSkew = time.Minute

func (x *examination) clock(a answer) {
	if a.date.IsZero() {
		x.add(Check{Name: CheckClock, Skipped: true, Message: "the control plane does not tell its time"})
		return
	}
	// The header has whole seconds: on average half a second is missing.
	skew := a.at.Sub(a.date.Add(500 * time.Millisecond))
	if skew.Abs() <= maxSkew {
		x.add(Check{Name: CheckClock, OK: true, Message: "agrees with that of the control plane"})
		return
	}
	direction := "ahead"
	if skew < 0 {
		direction = "behind"
	}
	x.add(Check{
		Name: CheckClock, Message: fmt.Sprintf("the clock is off by %s: this host is %s", strings.TrimSuffix(skew.Abs().Round(time.Minute).String(), "0s"), direction),
		Fix: "set the clock by the network", Command: x.e.clockCommand(),
	})
}

const (
	latencyTries = 3
	maxLatency   = 2 * time.Second
)

// latency asks over the connection that is open already, and takes the best of
// some answers: it is the way there and back, without the handshakes.
func (x *examination) latency(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	least := time.Duration(-1)
	for range latencyTries {
		began := time.Now()
		resp, err := x.get(ctx, healthPath, "*/*")
		if err != nil {
			x.add(Check{
				Name: CheckLatency, Message: "the second answer did not come: " + reason(err),
				Fix: "the connection is not steady; look at the recorded history",
			})
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeBody))
		_ = resp.Body.Close()
		if took := time.Since(began); least < 0 || took < least {
			least = took
		}
	}
	c := Check{Name: CheckLatency, OK: least <= maxLatency, LatencyMs: ms(least), Message: fmt.Sprintf("an answer takes %d ms", least.Milliseconds())}
	if !c.OK {
		c.Fix = "the way there is slow or full; runs start late"
	}
	x.add(c)
}

// get asks for a path, with the credential if it is not the health.
func (x *examination) get(ctx context.Context, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.plane.URL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	switch path {
	case healthPath:
	case poolPath:
		req.Header.Set("Authorization", "Bearer "+x.plane.Pool.Reveal())
	default:
		req.Header.Set("Authorization", "Bearer "+x.plane.Token.Reveal())
	}
	return x.client.Do(req)
}

func (e *Examiner) command(unix, windows string) string {
	if e.GOOS == "windows" {
		return windows
	}
	return unix
}

func (e *Examiner) clockCommand() string {
	switch e.GOOS {
	case "windows":
		return "w32tm /resync"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	default:
		return "sudo timedatectl set-ntp true"
	}
}
