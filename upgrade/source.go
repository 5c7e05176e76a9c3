package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
)

// maxRedirects is how often an answer may point elsewhere on the same server.
const maxRedirects = 3

// NewSource is the releases of a control plane. It follows no redirect to
// another host or to plain HTTP: what the credential is for is the one server.
func NewSource(apiURL string, token secret.Text, userAgent string) Source {
	web := &http.Client{CheckRedirect: sameServer}
	return server{client.New(apiURL, client.Options{Token: token, UserAgent: userAgent, HTTP: web})}
}

// sameServer refuses redirects that lead anywhere else.
func sameServer(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case req.URL.Scheme != first.Scheme:
		return fmt.Errorf("it redirects from %s to %s, which is not followed", first.Scheme, req.URL.Scheme)
	case req.URL.Host != first.Host:
		return fmt.Errorf("it redirects to another server, %s, which is not followed", req.URL.Host)
	case len(via) > maxRedirects:
		return errors.New("it redirects again and again")
	}
	return nil
}

// server is a Source over the wire.
type server struct{ *client.Client }

var _ Source = server{}

// Release implements Source.
func (s server) Release(ctx context.Context, program, version, channel string) (Offer, error) {
	r, err := s.PublishedRelease(ctx, program, cmp.Or(version, api.LatestVersion), channel)
	if err != nil {
		return Offer{}, err
	}
	if r.Envelope == nil {
		return Offer{}, &api.Error{Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "the answer has no signed release in it"}
	}
	offer := Offer{Envelope: *r.Envelope}
	if !r.YankedAt.IsZero() {
		offer.Yanked = &r.YankReason
	}
	return offer, nil
}

// Artifact implements Source.
func (s server) Artifact(ctx context.Context, m api.ReleaseManifest, name string, offset int64) (io.ReadCloser, int64, error) {
	return s.Client.Artifact(ctx, m.Program, m.Version, name, offset)
}
