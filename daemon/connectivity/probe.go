package connectivity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pipedai/api"
)

// ProxyFunc says which proxy a request goes through; nil for none.
type ProxyFunc = func(*http.Request) (*url.URL, error)

// maxProbeBody is what is read of an answer. Nobody looks at it.
const maxProbeBody = 64 << 10

const (
	healthPath   = "/api/v1/health"
	errSwitchOff = "switched off"
)

// probeClient asks over a new connection each time: one that is open already
// would not notice that no new one can be made. Redirects are answers.
func probeClient(proxy ProxyFunc) *http.Client {
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: proxy, DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ParseInternet reads a list of URLs to probe, separated by commas; "off" is
// none.
func ParseInternet(text string) ([]string, error) {
	if strings.EqualFold(strings.TrimSpace(text), "off") {
		return nil, nil
	}
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		u, err := url.Parse(item)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
			return nil, fmt.Errorf("%q is not a URL to probe: it looks like https://example.com/generate_204", item)
		}
		out = append(out, item)
	}
	if len(out) > maxInternet {
		return nil, fmt.Errorf("%d URLs to probe are too many: name up to %d", len(out), maxInternet)
	}
	return out, nil
}

// maxInternet keeps a round from becoming a load.
const maxInternet = 10

// probeAll asks everybody at the same time, so that a round takes no longer
// than one probe may.
func probeAll(ctx context.Context, client *http.Client, planes, internet []string) api.ConnectivitySample {
	planes = distinct(planes)
	at := time.Now()
	probes := make([]api.Probe, len(planes)+len(internet))
	var all sync.WaitGroup
	for i, base := range planes {
		all.Go(func() {
			probes[i] = probe(ctx, client, base+healthPath)
			probes[i].URL = base
		})
	}
	for i, target := range internet {
		all.Go(func() { probes[len(planes)+i] = probe(ctx, client, target) })
	}
	all.Wait()
	sample := api.ConnectivitySample{TS: at.UnixMilli(), API: probes[:len(planes):len(planes)]}
	targets := probes[len(planes):]
	sample.Internet = best(targets)
	if len(targets) > 1 {
		sample.Targets = targets
	}
	sample.Verdict = verdict(sample)
	return sample
}

// probe asks one URL. It counts as answered when the status is there: a body
// that never ends changes nothing about that.
func probe(ctx context.Context, client *http.Client, target string) api.Probe {
	out := api.Probe{URL: target}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		out.Error = "the URL cannot be used"
		return out
	}
	req.Header.Set("Accept", "*/*")
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		out.Error = reason(err)
		return out
	}
	latency, status := time.Since(began).Milliseconds(), resp.StatusCode
	out.LatencyMs, out.Status = &latency, &status
	out.OK = status/100 == 2
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeBody))
	_ = resp.Body.Close()
	return out
}

// best is the target that answered well and fastest; without one, the first.
func best(targets []api.Probe) api.Internet {
	if len(targets) == 0 {
		return api.Internet{Error: errSwitchOff, Off: true}
	}
	pick := targets[0]
	for _, t := range targets[1:] {
		if t.OK && (!pick.OK || *t.LatencyMs < *pick.LatencyMs) {
			pick = t
		}
	}
	return api.Internet{OK: pick.OK, LatencyMs: pick.LatencyMs, Status: pick.Status, Error: pick.Error}
}

// verdict judges a round. A host that reaches any control plane is online. When
// it reaches none, the internet decides whether the fault is theirs; with that
// probe switched off nobody can tell, and only what is certain is said.
func verdict(s api.ConnectivitySample) string {
	for _, p := range s.API {
		if p.OK {
			return api.VerdictOnline
		}
	}
	switch none := len(s.API) == 0; {
	case none && s.Internet.Off:
		return api.VerdictUnknown
	case none && s.Internet.OK:
		return api.VerdictOnline
	case s.Internet.OK, s.Internet.Off:
		return api.VerdictAPIUnreachable
	default:
		return api.VerdictOffline
	}
}

// reason words why there was no answer, without the URL.
func reason(err error) string {
	var inner *url.Error
	if errors.As(err, &inner) {
		if inner.Timeout() {
			return "no answer in time"
		}
		err = inner.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
