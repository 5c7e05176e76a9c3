// Package upgrade brings versions of programs to this host and keeps them there
// side by side: find what is to be had, check that it may be trusted, fetch it,
// unpack it and keep it under versions/<program>/<version>/. Which worker runs
// which version is the caller's to decide; nothing here starts, stops or pins.
//
// The order is Find, Fetch, Program:
//
//   - Find decides. It believes nothing but the key that is pinned for a
//     control plane, and downloads nothing: a release that is not signed by that
//     key, has expired, is older than one seen before, is yanked, is a step back
//     nobody here asked for, or has no file for this system ends there.
//   - Fetch does. What it writes has its final name only when every byte of it
//     was checked, and is in the manifest only when it has that name. A process
//     that dies in between leaves a folder that Sweep takes away.
//   - Program is asked before each start, and answers only while the files are
//     what was installed.
//
// Besides signed releases there are packages of npm and files of this machine;
// see npm.go and local.go.
package upgrade

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/manifest"
)

// DefaultKeep is how many versions of a program are kept.
const DefaultKeep = 3

// Records is what is remembered of versions and trust; *manifest.Manifest is
// one.
type Records interface {
	PinnedKey(ctx context.Context, apiURL string) (manifest.ReleaseKey, error)
	PinKeys(ctx context.Context, apiURL, former string, keys ...manifest.ReleaseKey) error
	SeenSequence(ctx context.Context, apiURL, program, channel string) (manifest.SeenSequence, error)
	NoteSequence(ctx context.Context, s manifest.SeenSequence) error
	AddInstalled(ctx context.Context, v manifest.Installed) error
	Installed(ctx context.Context, program, version string) (manifest.Installed, error)
	InstalledVersions(ctx context.Context, program string) ([]manifest.Installed, error)
	TouchInstalled(ctx context.Context, program, version string, at time.Time) error
	RemoveInstalled(ctx context.Context, program, version string, entriesRun bool) error
}

var _ Records = (*manifest.Manifest)(nil)

// Source is where signed releases come from: one control plane. Nothing that it
// says is believed without a signature, and nothing it sends without a digest.
type Source interface {
	// ReleaseKeys is the history of its release key.
	ReleaseKeys(ctx context.Context) (api.ReleaseKeys, error)
	// Release is one release; version "" means the newest of the channel.
	// *api.Error with status 404 when there is none.
	Release(ctx context.Context, program, version, channel string) (Offer, error)
	// Artifact opens a file of a release from byte offset on; the answer may
	// begin at 0 all the same, and says where it begins.
	Artifact(ctx context.Context, m api.ReleaseManifest, name string, offset int64) (body io.ReadCloser, from int64, err error)
}

// Offer is a release as a control plane hands it out.
type Offer struct {
	Envelope api.Envelope
	// Yanked is why it was taken back; nil when it was not.
	Yanked *string
}

// Options of an Upgrader. Dir, Records and Dial are required.
type Options struct {
	// Dir is the folder of all versions, made when it is missing.
	Dir     string
	Records Records
	// Dial makes the source of a control plane's releases.
	Dial func(apiURL string) (Source, error)
	// NPM is how packages are installed.
	NPM NPM
	// Keep is how many versions of a program Prune leaves; 0 means DefaultKeep.
	Keep int
	// OnTrust is told when a key was pinned or followed; may be nil.
	OnTrust func(TrustChange)
	// ProbeArgs go before "version" when a program is asked what it is.
	ProbeArgs []string
	Log       *slog.Logger

	// What tests set.
	goos, goarch string
	now          func() time.Time
	stall        time.Duration // a download must bring minProgress bytes within it
	probeLimit   time.Duration
	reached      func(point string)
}

// TrustChange is what became of the trust in a control plane's releases.
type TrustChange struct {
	APIURL string
	How    manifest.PinReason
	KeyID  string
	From   string // id of the key before; "" for none
}

// Upgrader brings versions to this host. Its methods may be called from any
// goroutine, and by several processes for one folder.
type Upgrader struct {
	o     Options
	mu    sync.Mutex
	known map[string]*checked // by program and version: what Program checked
}

// New returns an Upgrader. It touches nothing before it is used.
func New(o Options) *Upgrader {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.OnTrust == nil {
		o.OnTrust = func(TrustChange) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.goos == "" {
		o.goos, o.goarch = runtime.GOOS, runtime.GOARCH
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.stall == 0 {
		o.stall = 30 * time.Second
	}
	if o.probeLimit == 0 {
		o.probeLimit = 20 * time.Second
	}
	if o.reached == nil {
		o.reached = func(string) {}
	}
	o.NPM.defaults()
	return &Upgrader{o: o, known: make(map[string]*checked)}
}

// Wanted is what somebody wants to have on this host.
type Wanted struct {
	// APIURL is the control plane whose releases are meant, normalised.
	APIURL  string
	Program string
	// Version is an exact one; "" is the newest of the channel.
	Version string
	Channel string // "" is api.DefaultChannel

	// NPM takes the program from the registry of packages instead of a release.
	NPM bool
	// Local is an absolute path on this machine to take it from instead: the
	// program, a folder with it, an archive, or a Node package. Version must be
	// empty: the program says which it is.
	Local string

	// Running is the version that is to be replaced; "" when there is none or it
	// is not known. It is what a step back is measured from.
	Running string
	// AllowDowngrade takes a lower version than Running. It is for people on this
	// host; see Remote.
	AllowDowngrade bool
	// Remote says that a control plane asks. It never gets a lower version than
	// Running, whatever AllowDowngrade says, unless Return says so.
	Remote bool
	// Return allows going back to a lower version that lies on this host already
	// and was fully checked when it came: the way back of an upgrade.
	Return bool
}

// Found is what Find decided on.
type Found struct {
	Wanted  Wanted
	Program string
	Version string // its name here; "" for a local install until it was fetched
	Kind    manifest.InstallKind
	Channel string
	// Installed says that it lies on this host already, and is intact.
	Installed bool
	// Size is how many bytes will be fetched; 0 when it is not known.
	Size int64

	// Manifest and Artifact are of a signed release, checked.
	Manifest api.ReleaseManifest
	Artifact api.Artifact
	KeyID    string // of the key that signed it
}

// Progress is told how far a download is. total is 0 when it is not known. It
// is called often and must return at once.
type Progress func(done, total int64)

// ErrNotInstalled says that a version does not lie on this host.
var ErrNotInstalled = errors.New("this version is not installed on this host")

func (u *Upgrader) folder(program, version string) string {
	return filepath.Join(u.o.Dir, program, version)
}

// exeName is how a program's file is called on a system.
func exeName(program, goos string) string {
	if goos == "windows" {
		return program + ".exe"
	}
	return program
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
