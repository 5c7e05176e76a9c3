package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	version "github.com/hashicorp/go-version"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
)

// Find decides what will be fetched for w, and downloads nothing. Errors are
// *api.Error: what is refused says why and what helps; see Passing for what may
// be tried again.
func (u *Upgrader) Find(ctx context.Context, w Wanted) (Found, error) {
	w.Channel = cmp.Or(w.Channel, api.DefaultChannel)
	if err := w.check(); err != nil {
		return Found{}, err
	}
	found := Found{Wanted: w, Program: w.Program, Version: w.Version, Channel: w.Channel}
	switch {
	case w.Local != "":
		return u.findLocal(found)
	case w.NPM:
		return u.findPackage(ctx, found)
	}
	return u.findRelease(ctx, found)
}

// check refuses questions that make no sense.
func (w Wanted) check() error {
	if err := release.CheckProgram(w.Program); err != nil {
		return invalid("%v", err)
	}
	if w.Version != "" {
		if err := checkVersion(w.Version); err != nil {
			return err
		}
	}
	switch {
	case w.Local != "" && (w.Version != "" || w.NPM):
		return invalid("files of this machine have the version that they say: name either a version or a path")
	case w.Local != "" && w.Remote:
		return invalid("a control plane does not choose files of this machine")
	case w.Local != "" && !filepath.IsAbs(w.Local):
		return invalid("the path %q is not absolute", w.Local)
	case w.Local != "" || w.NPM:
		return nil
	case w.APIURL == "":
		return invalid("it is not known whose releases are meant: name a control plane")
	}
	if err := release.CheckChannel(w.Channel); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// checkVersion takes exact versions only: it becomes the name of a folder and a
// word in a command.
func checkVersion(text string) error {
	if err := release.CheckVersion(text); err != nil || strings.Contains(text, "..") || strings.HasSuffix(text, ".") {
		return invalid("%.80q is not an exact version such as 1.2.3 or 1.2.3-rc.1", text)
	}
	return nil
}

// findRelease believes a signed release, or says why not.
func (u *Upgrader) findRelease(ctx context.Context, f Found) (Found, error) {
	have, installed := u.intact(ctx, f.Program, f.Version)
	out, err := u.believe(ctx, f)
	if err != nil {
		// What lies here was checked when it came, so a control plane that is away,
		// or has it no more, does not keep anybody from it.
		var answer *api.Error
		gone := errors.As(err, &answer) && answer.Status == 404
		if !installed || ctx.Err() != nil || !Passing(err) && !gone && !f.Wanted.Return {
			return Found{}, err
		}
		out = f
		out.Kind = have.Kind
	}
	if !installed {
		have, installed = u.intact(ctx, out.Program, out.Version)
	}
	out.Installed = installed
	if installed && out.Artifact.SHA256 != "" && have.Kind != manifest.InstallArchive {
		out.Installed = false // of the same name, but not the signed one
	}
	return out, u.stepBack(out)
}

// intact is what is installed under a name, if its files are still there.
func (u *Upgrader) intact(ctx context.Context, program, version string) (manifest.Installed, bool) {
	if version == "" {
		return manifest.Installed{}, false
	}
	have, err := u.o.Records.Installed(ctx, program, version)
	if err != nil || u.verify(have) != nil {
		return manifest.Installed{}, false
	}
	return have, true
}

// believe gets the release from its control plane and checks everything that
// can be checked before a byte of it is downloaded.
func (u *Upgrader) believe(ctx context.Context, f Found) (Found, error) {
	w := f.Wanted
	src, err := u.o.Dial(w.APIURL)
	if err != nil {
		return Found{}, err
	}
	key, err := u.trusted(ctx, src, w.APIURL)
	if err != nil {
		return Found{}, err
	}
	offer, err := src.Release(ctx, w.Program, w.Version, w.Channel)
	if err != nil {
		return Found{}, fmt.Errorf("ask for the release: %w", err)
	}
	m, err := release.Open(offer.Envelope, key)
	name := fmt.Sprintf("the release of %s that %s offers", w.Program, w.APIURL)
	if err != nil {
		return Found{}, refused(api.CodeUntrusted, fmt.Sprintf("%s was not taken: %v", name, err), "nothing was downloaded; ask its operator to publish it again, signed with the release key of the control plane")
	}
	if err := asAsked(w, m); err != nil {
		return Found{}, err
	}
	name = fmt.Sprintf("%s %s (%s)", m.Program, m.Version, m.Channel)
	if now := u.o.now(); release.Expired(m, now) {
		return Found{}, refused(api.CodeReleaseExpired, fmt.Sprintf("the release %s was good until %s, and this host's clock says %s: the control plane may be showing an old state",
			name, m.ExpiresAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)),
			"check the clock of this host; if it is right, ask the operator to publish the release again")
	}
	if offer.Yanked != nil {
		return Found{}, refused(api.CodeReleaseYanked, fmt.Sprintf("the release %s was taken back: %s", name, cmp.Or(*offer.Yanked, "no reason was given")), "choose another version")
	}
	if err := u.sequence(ctx, w, m); err != nil {
		return Found{}, err
	}
	artifact, ok := release.For(m, u.o.goos, u.o.goarch)
	if !ok {
		have := make([]string, len(m.Artifacts))
		for i, a := range m.Artifacts {
			have[i] = a.OS + "/" + a.Arch
		}
		return Found{}, refused(api.CodeNoArtifact, fmt.Sprintf("the release %s has no file for %s/%s, only for %s", name, u.o.goos, u.o.goarch, strings.Join(have, ", ")), "ask its operator to publish one")
	}
	f.Kind, f.Version, f.Channel, f.Size = manifest.InstallArchive, m.Version, m.Channel, artifact.Size
	f.Manifest, f.Artifact, f.KeyID = m, artifact, key.ID()
	return f, nil
}

// asAsked refuses an answer to another question: a good signature on something
// else is no good.
func asAsked(w Wanted, m api.ReleaseManifest) error {
	if m.Program == w.Program && m.Channel == w.Channel && (w.Version == "" || m.Version == w.Version) {
		return nil
	}
	return refused(api.CodeUntrusted, fmt.Sprintf("%s was asked for %s %s (%s) and answered with %s %s (%s)",
		w.APIURL, w.Program, cmp.Or(w.Version, "(newest)"), w.Channel, m.Program, m.Version, m.Channel), "nothing was downloaded")
}

// sequence refuses an older release as the newest, and remembers how far the
// newest have come. A version that was asked for by name may well be an older
// one, or a later repair of an older one: it says nothing about the newest, and
// whether it is a step back is another question.
func (u *Upgrader) sequence(ctx context.Context, w Wanted, m api.ReleaseManifest) error {
	if w.Version != "" {
		return nil
	}
	seen, err := u.o.Records.SeenSequence(ctx, w.APIURL, m.Program, m.Channel)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return err
	}
	if m.Sequence < seen.Sequence {
		return refused(api.CodeReleaseRollback, fmt.Sprintf("%s calls %s %s (number %d) the newest on %s, but this host has seen number %d (%s) on %s",
			w.APIURL, m.Program, m.Version, m.Sequence, m.Channel, seen.Sequence, seen.Version, seen.SeenAt.Format(time.DateOnly)),
			fmt.Sprintf("ask its operator why; if the numbers really begin anew: pipedai-orchestrator keys reset %s --sequences", w.APIURL))
	}
	return u.o.Records.NoteSequence(ctx, manifest.SeenSequence{APIURL: w.APIURL, Program: m.Program, Channel: m.Channel, Sequence: m.Sequence, Version: m.Version, SeenAt: u.o.now()})
}

// stepBack refuses a lower version than the one that runs, unless somebody on
// this host said that it may be one.
func (u *Upgrader) stepBack(f Found) error {
	w := f.Wanted
	if !Lower(f.Version, w.Running) || w.Return && f.Installed {
		return nil
	}
	message := fmt.Sprintf("%s %s is older than %s, which runs here", f.Program, f.Version, w.Running)
	switch {
	case w.Remote:
		return refused(api.CodeDowngrade, message+"; a control plane cannot ask for that", "somebody on this host can: pipedai-orchestrator upgrade --version "+f.Version+" --allow-downgrade")
	case !w.AllowDowngrade:
		return refused(api.CodeDowngrade, message, "say that it may be: --allow-downgrade")
	}
	return nil
}

// Lower reports whether version a comes before b. It is false when either is
// none, such as "" and "unknown".
func Lower(a, b string) bool {
	va, errA := version.NewVersion(a)
	vb, errB := version.NewVersion(b)
	return errA == nil && errB == nil && va.LessThan(vb)
}
