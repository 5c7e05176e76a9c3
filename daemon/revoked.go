package daemon

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// skewTolerated is how far the clock may be off without a word.
const skewTolerated = 30 * time.Second

// hostCredential is what this host checks in with, read fresh each time: connect
// may have brought a new one.
func (h *host) hostCredential(apiURL, workspaceID string) (secret.Text, error) {
	creds, err := h.credentialsFor(apiURL)
	return creds.Host(apiURL, workspaceID), err
}

// checkInFacts is what this host says of itself.
func checkInFacts() api.CheckInFacts {
	return api.CheckInFacts{
		OS: PlatformName(runtime.GOOS), Arch: runtime.GOARCH, OSVersion: osVersion(), Version: buildinfo.Version(),
	}
}

// wasRevoked follows the word of a control plane that it does not trust this
// host any more. The credential is wiped; the workers that this control plane
// gave are not started any more, and those that run finish what they have in
// hand, or are killed if the settings say so. What they are to do when they are
// trusted again stays as it was. Only a person pairs the host again.
func (h *host) wasRevoked(ctx context.Context, link remote.Link, token secret.Text) {
	wiped, err := enroll.Revoke(h.o.Dir.Credentials(), link.APIURL, link.WorkspaceID, token, time.Now())
	if err != nil {
		// It is told again at the next check-in, and tried again then.
		h.o.Log.Error("wipe the revoked credential", "url", link.APIURL, "error", err)
		return
	}
	if !wiped {
		return // connect was faster
	}
	h.o.Log.Error("the control plane revoked this host", "url", link.APIURL, "workspace", link.WorkspaceID)
	h.events.add(api.HostRevoked, "", map[string]string{"apiUrl": link.APIURL, "workspaceId": link.WorkspaceID})
	if _, err := h.reload(ctx); err != nil && ctx.Err() == nil {
		h.o.Log.Error("stop the workers of a control plane that revoked this host", "url", link.APIURL, "error", err)
	}
	if h.o.KillRevoked {
		h.killWorkersOf(ctx, link)
	}
	h.changed()
}

func (h *host) killWorkersOf(ctx context.Context, link remote.Link) {
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		h.o.Log.Error("find the workers to kill", "error", err)
	}
	for _, e := range entries {
		if e.APIURL != link.APIURL || e.WorkspaceID != link.WorkspaceID || e.Mode == manifest.ModePool {
			continue
		}
		if s, known := h.supervisor.Status(e.ID); known && s.PID != 0 {
			if err := h.supervisor.Kill(e.ID); err != nil {
				h.o.Log.Error("kill a worker", "worker", e.ID, "error", err)
			}
		}
	}
}

// revoked tells when a worker's control plane revoked this host; zero when it
// did not. What cannot be read revokes nothing.
func (h *host) revoked() func(manifest.Entry) time.Time {
	creds, err := enroll.LoadCredentials(h.o.Dir.Credentials())
	if err != nil && !errors.Is(err, enroll.ErrNoCredentials) {
		h.o.Log.Warn("read which control planes trust this host", "error", err)
	}
	return func(e manifest.Entry) time.Time {
		if e.Mode == manifest.ModePool {
			return time.Time{} // other people's business: the pool's operators
		}
		return creds.Revoked(e.APIURL, e.WorkspaceID)
	}
}

// revokedBy is revoked for a link.
func (h *host) revokedBy(p remote.Plane) time.Time {
	if p.Pool {
		return time.Time{}
	}
	return h.revoked()(manifest.Entry{APIURL: p.APIURL, WorkspaceID: p.WorkspaceID, Mode: manifest.ModeWorkspace})
}

// refuseRevoked refuses to run a worker that its control plane would not hear.
func (h *host) refuseRevoked(e manifest.Entry) error {
	if h.revoked()(e).IsZero() {
		return nil
	}
	return conflict(e.Label+" cannot run: "+e.APIURL+" does not trust this host any more", "connect it again, if its operators agree: "+h.connect(e.APIURL))
}

// credentialGone says why asking a worker's control plane again is of no use:
// it revoked this host, or answered err so. nil when that is not known.
func (h *host) credentialGone(e manifest.Entry, err error) error {
	var up *upstreamError
	said := errors.As(err, &up) && up.answer != nil && up.answer.Status == http.StatusUnauthorized && up.answer.Code == api.CodeRevoked
	if err == nil || !said && h.revoked()(e).IsZero() {
		return nil
	}
	return errors.New(e.APIURL + " revoked the credential of this host")
}
