package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/release"
	"pipedai/store"
)

// publishRelease answers POST /api/v1/releases/{program}/{version}: a signed
// release, checked like a host will check it. It is there for hosts when its
// artifacts are.
func (s *Server) publishRelease(ctx context.Context, envelope api.Envelope) (api.PublishedRelease, error) {
	recordOf(ctx).on(releaseNamed(ctx))
	if err := ofDefault(ctx); err != nil {
		return api.PublishedRelease{}, err
	}
	keys, err := s.releaseHistory(ctx)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	if len(keys) == 0 {
		return api.PublishedRelease{}, errNoReleaseKey
	}
	current := keys[len(keys)-1]
	manifest, err := s.openRelease(ctx, envelope, current)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	stored, err := json.Marshal(envelope)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	sum := sha256.Sum256(envelope.Payload)
	recordOf(ctx).detail("channel %s, sequence %d, key %s", manifest.Channel, manifest.Sequence, current.ID())
	wanted := store.Release{
		Program: manifest.Program, Version: manifest.Version, Channel: manifest.Channel, Sequence: manifest.Sequence,
		KeyID: current.ID(), Digest: hex.EncodeToString(sum[:]), Envelope: stored,
		CreatedAt: manifest.CreatedAt.Time, ExpiresAt: manifest.ExpiresAt.Time, AddedBy: caller(ctx).name,
	}
	for _, a := range manifest.Artifacts {
		wanted.Artifacts = append(wanted.Artifacts, store.ReleaseArtifact{
			Name: a.Name, OS: a.OS, Arch: a.Arch, Format: a.Format, SHA256: a.SHA256, Size: a.Size,
		})
	}
	made, err := s.st.AddRelease(ctx, wanted)
	if err != nil {
		return api.PublishedRelease{}, releaseRefused(err)
	}
	s.o.Log.InfoContext(ctx, "release signed", "program", made.Program, "version", made.Version, "channel", made.Channel,
		"sequence", made.Sequence, "key", made.KeyID, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	s.releaseChanged(made)
	httpkit.SetStatus(ctx, http.StatusCreated)
	return s.wireRelease(made, current.ID())
}

// openRelease reads what was signed, or says why it is not taken.
func (s *Server) openRelease(ctx context.Context, envelope api.Envelope, current release.Key) (api.ReleaseManifest, error) {
	manifest, err := release.Open(envelope, current)
	switch {
	case errors.Is(err, release.ErrUntrusted):
		return manifest, &api.Error{
			Status: http.StatusUnprocessableEntity, Code: api.CodeUntrusted, Message: "Not signed by the release key",
			Detail: err.Error(), Fix: "sign it with the key " + current.ID(), Extra: map[string]any{"keyId": current.ID()},
		}
	case err != nil:
		return manifest, &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeReleaseInvalid, Message: "Not a valid release", Detail: err.Error()}
	case manifest.Program != pathValue(ctx, "program") || manifest.Version != pathValue(ctx, "version"):
		return manifest, &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Another release was signed",
			Detail: "the envelope holds " + manifest.Program + " " + manifest.Version,
		}
	case manifest.Version == api.LatestVersion:
		return manifest, &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeReleaseInvalid, Message: "Not a valid release"}
	case release.Expired(manifest, s.o.Now()):
		return manifest, &api.Error{
			Status: http.StatusUnprocessableEntity, Code: api.CodeReleaseExpired, Message: "The release has expired",
			Detail: "it was signed to be installed until " + manifest.ExpiresAt.String(),
		}
	}
	return manifest, nil
}

// releaseRefused says why the store did not take a release.
func releaseRefused(err error) error {
	refusal := func(code, message, fix string) error {
		return &api.Error{Status: http.StatusConflict, Code: code, Message: message, Fix: fix}
	}
	switch {
	case errors.Is(err, store.ErrSequence):
		return refusal(api.CodeReleaseSequence, "The sequence does not grow", "sign it again with a sequence above those on the channel")
	case errors.Is(err, store.ErrOtherBytes):
		return refusal(api.CodeReleaseDiffers, "The version is published with other bytes", "give what changed a version of its own")
	case errors.Is(err, store.ErrYanked):
		return refusal(api.CodeReleaseYanked, "The version was yanked, and stays so", "publish a higher version")
	case errors.Is(err, store.ErrOldKey):
		return refusal(api.CodeReleaseKey, "Another key signs releases now", "see: pipeweave releases keys")
	}
	return err
}

// yankRelease answers POST /api/v1/releases/{program}/{version}/yank: nobody
// installs the version any more. There is no way back.
func (s *Server) yankRelease(ctx context.Context, req api.YankRequest) (api.PublishedReleases, error) {
	program, version := pathValue(ctx, "program"), pathValue(ctx, "version")
	recordOf(ctx).on(releaseNamed(ctx)).detail("channel %q: %s", req.Channel, req.Reason)
	if err := ofDefault(ctx); err != nil {
		return api.PublishedReleases{}, err
	}
	gone, err := s.st.YankRelease(ctx, store.YankRelease{
		Program: program, Version: version, Channel: req.Channel, Reason: req.Reason, By: caller(ctx).name,
	})
	if errors.Is(err, store.ErrNotFound) {
		return api.PublishedReleases{}, noRelease(program, version, req.Channel)
	}
	if err != nil {
		return api.PublishedReleases{}, err
	}
	out := api.PublishedReleases{Items: []api.PublishedRelease{}}
	for _, r := range gone {
		wire, err := s.wireRelease(r, "")
		if err != nil {
			return api.PublishedReleases{}, err
		}
		wire.Envelope = nil
		out.Items = append(out.Items, wire)
		s.releaseChanged(r)
	}
	s.o.Log.InfoContext(ctx, "release yanked", "program", program, "version", version, "channel", req.Channel, "reason", req.Reason,
		"by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return out, nil
}

// releaseChanged tells who looks on.
func (s *Server) releaseChanged(r store.Release) {
	s.newest.forget()
	s.o.Engine.Publish(api.StreamEvent{Type: "release", ID: r.Program + "/" + r.Version, Status: r.Channel})
}

// releaseNamed is what a release is called in the audit log.
func releaseNamed(ctx context.Context) string {
	return cut(pathValue(ctx, "program")+"/"+pathValue(ctx, "version"), 255)
}
