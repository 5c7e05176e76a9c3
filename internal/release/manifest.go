package release

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	version "github.com/hashicorp/go-version"

	"pipedai/api"
)

// MaxArtifact is the most bytes one artifact may have.
const MaxArtifact = 4 << 30

// The formats of an artifact.
const (
	FormatTarGz  = "tar.gz"
	FormatZip    = "zip"
	FormatBinary = "binary" // the program itself
)

// Sign makes the envelope of a release. The manifest must pass Check.
func Sign(m api.ReleaseManifest, key PrivateKey) (api.Envelope, error) {
	if err := Check(m); err != nil {
		return api.Envelope{}, err
	}
	return seal(api.PayloadRelease, m, key)
}

// Open reads the manifest out of an envelope that key signed: ErrUntrusted when
// it did not, another error when what it signed breaks the rules of Check.
// Whether it has expired, and whether its sequence is one to accept, is for the
// caller to decide.
func Open(e api.Envelope, key Key) (api.ReleaseManifest, error) {
	var m api.ReleaseManifest
	if err := open(e, api.PayloadRelease, &m, key); err != nil {
		return api.ReleaseManifest{}, err
	}
	if err := Check(m); err != nil {
		return api.ReleaseManifest{}, err
	}
	return m, nil
}

// Names become parts of paths and addresses.
var (
	programName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	channelName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	versionText  = regexp.MustCompile(`^[0-9][0-9A-Za-z.+-]{0,63}$`)
	platformName = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	fileName     = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]{0,127}$`)
	digest       = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// CheckProgram names what is wrong with the name of a program.
func CheckProgram(name string) error {
	if !programName.MatchString(name) {
		return fmt.Errorf("the program %q is not named in lower case letters, digits and dashes", name)
	}
	return nil
}

// CheckVersion names what is wrong with a version: it has to be one, without a
// leading v, and safe as the name of a folder.
func CheckVersion(text string) error {
	if _, err := version.NewVersion(text); err != nil || !versionText.MatchString(text) {
		return fmt.Errorf("%q is not a version such as 1.2.3 or 1.2.3-rc.1", text)
	}
	return nil
}

// Newer reports whether version a comes after b by precedence. What is no
// version comes before everything.
func Newer(a, b string) bool {
	left, err := version.NewVersion(a)
	if err != nil {
		return false
	}
	right, err := version.NewVersion(b)
	return err != nil || left.GreaterThan(right)
}

// CheckChannel names what is wrong with the name of a channel.
func CheckChannel(name string) error {
	if !channelName.MatchString(name) {
		return fmt.Errorf("the channel %q is not named in lower case letters, digits and dashes", name)
	}
	return nil
}

// Check names everything that is wrong with a manifest.
func Check(m api.ReleaseManifest) error {
	wrong := []error{CheckProgram(m.Program), CheckVersion(m.Version), CheckChannel(m.Channel)}
	if m.Sequence < 1 {
		wrong = append(wrong, fmt.Errorf("sequence is %d, it begins with 1", m.Sequence))
	}
	if m.CreatedAt.IsZero() || !m.ExpiresAt.After(m.CreatedAt.Time) {
		wrong = append(wrong, errors.New("expiresAt has to be after createdAt"))
	}
	if n := len(m.Artifacts); n < 1 || n > 64 {
		wrong = append(wrong, fmt.Errorf("it has %d artifacts, 1 to 64 are possible", n))
	}
	names, platforms := map[string]bool{}, map[string]bool{}
	for _, a := range m.Artifacts {
		if err := checkArtifact(a); err != nil {
			wrong = append(wrong, err)
		}
		platform := a.OS + "/" + a.Arch
		if names[a.Name] || platforms[platform] {
			wrong = append(wrong, fmt.Errorf("there are two artifacts for %s, or called %s", platform, a.Name))
		}
		names[a.Name], platforms[platform] = true, true
	}
	return errors.Join(wrong...)
}

func checkArtifact(a api.Artifact) error {
	switch {
	case !fileName.MatchString(a.Name):
		return fmt.Errorf("the artifact %q is not a plain file name", a.Name)
	case !platformName.MatchString(a.OS) || !platformName.MatchString(a.Arch):
		return fmt.Errorf("artifact %s: %q is not a platform such as linux/amd64", a.Name, a.OS+"/"+a.Arch)
	case a.Size < 1 || a.Size > MaxArtifact:
		return fmt.Errorf("artifact %s: a size of %d is not possible", a.Name, a.Size)
	case !digest.MatchString(a.SHA256):
		return fmt.Errorf("artifact %s: sha256 is not 64 hex digits in lower case", a.Name)
	case a.Format != FormatTarGz && a.Format != FormatZip && a.Format != FormatBinary:
		return fmt.Errorf("artifact %s: the format %q is not %s, %s or %s", a.Name, a.Format, FormatTarGz, FormatZip, FormatBinary)
	}
	return nil
}

// For finds the artifact for an operating system and processor.
func For(m api.ReleaseManifest, goos, goarch string) (api.Artifact, bool) {
	for _, a := range m.Artifacts {
		if a.OS == goos && a.Arch == goarch {
			return a, true
		}
	}
	return api.Artifact{}, false
}

// Expired reports whether nobody may install the release any more.
func Expired(m api.ReleaseManifest, now time.Time) bool { return !now.Before(m.ExpiresAt.Time) }
