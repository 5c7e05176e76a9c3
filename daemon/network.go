package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// planes lists the control planes of this host, as often as workers name them.
func (h *host) planes(ctx context.Context) ([]string, error) {
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	urls := make([]string, 0, len(entries))
	for _, e := range entries {
		urls = append(urls, e.APIURL)
	}
	return urls, nil
}

func (h *host) publishSample(sample api.ConnectivitySample) {
	h.runs.nudge()
	h.feed.Publish(api.LocalFrame{Kind: "connectivity", Sample: &sample})
}

// noteVerdict makes a host event of a change, so that a failed run can be laid
// beside it later. That the network was there when the daemon began is no news.
func (h *host) noteVerdict(from string, sample api.ConnectivitySample) {
	if from == api.VerdictUnknown && sample.Verdict == api.VerdictOnline {
		return
	}
	h.o.Log.Info("connectivity changed", "from", from, "to", sample.Verdict)
	h.events.add(api.HostConnectivityChanged, "", map[string]string{"from": from, "to": sample.Verdict})
}

// protect takes a worker's configuration away from others, for it holds a
// token. A file that a person keeps elsewhere is theirs to change.
func (h *host) protect(e manifest.Entry) {
	if filepath.Dir(e.ConfigPath) != h.o.Dir.Workers() {
		return
	}
	wasOpen, err := enroll.Protect(e.ConfigPath)
	if wasOpen {
		h.o.Log.Warn("others could read a worker's token; its mode is 600 now", "worker", e.ID, "file", e.ConfigPath)
	}
	if err != nil {
		h.o.Log.Warn("a worker's token is not kept from others", "worker", e.ID, "error", err)
	}
}

// credential looks the operator's token up, fresh each time: connect may have
// brought a new one.
func (h *host) credential(apiURL, workspaceID string) (secret.Text, error) {
	creds, err := h.credentialsFor(apiURL)
	return creds.Operator(apiURL, workspaceID), err
}

// poolCredential does so for the token that lists the pool workers of a control
// plane.
func (h *host) poolCredential(apiURL string) (secret.Text, error) {
	creds, err := h.credentialsFor(apiURL)
	return creds.Pool(apiURL), err
}

// credentialsFor reads what this host keeps, unless the control plane is one
// that nothing of it may be sent to. An old manifest may name such.
func (h *host) credentialsFor(apiURL string) (enroll.Credentials, error) {
	if _, err := enroll.NormalizeURL(apiURL); err != nil {
		return enroll.Credentials{}, err
	}
	creds, err := enroll.LoadCredentials(h.o.Dir.Credentials())
	if errors.Is(err, enroll.ErrNoCredentials) {
		err = nil
	}
	return creds, err
}
