package daemon

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/bounded"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/manifest"
	"pipedai/supervisor"
	"pipedai/upgrade"
)

// versions brings versions of the worker program to this host and keeps them
// beside each other; package upgrade does it, tests have one of their own.
type versions interface {
	// find decides which version is meant, and that it may be had. It changes
	// nothing.
	find(ctx context.Context, want wantedVersion) (foundVersion, error)
	// fetch makes what was found lie on this host; what does already is not
	// fetched again.
	fetch(ctx context.Context, found foundVersion, progress func(done, total int64)) (manifest.Installed, error)
	// program is the path of an installed version, checked now.
	program(ctx context.Context, version string) (string, error)
	// prune removes the oldest installed versions but those to keep.
	prune(ctx context.Context, keep []string) error
}

// wantedVersion is a version of the worker program that somebody asks for.
type wantedVersion struct {
	entry          manifest.Entry
	version        string // exact; "" is the newest of the channel
	channel        string
	npm            bool   // a package of Node instead of a release
	local          string // a path on this machine instead
	running        string // what is to be replaced, as it calls itself; "" when that is not known
	allowDowngrade bool
	remote         bool // a control plane asks
	back           bool // to what it ran before
}

// foundVersion is what find decided on.
type foundVersion struct {
	version   string // as pins name it; "" until it was fetched
	source    string
	channel   string
	signedBy  string // id of the key
	notes     string
	size      int64
	installed bool
	found     any // for fetch
}

// pinned is the Program of a Spec whose version is pinned. Which file that is,
// is looked up and checked at each start.
const pinned = api.ProgramWorker + "@"

// findProgram is asked at each start of a worker for the file to run.
func (h *host) findProgram(program string) (string, error) {
	version, pin := strings.CutPrefix(program, pinned)
	if !pin {
		return h.findWorkerProgram(program)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	path, err := h.versions.program(ctx, version)
	if err != nil {
		return "", fmt.Errorf("version %s of the worker program cannot be run: %w", version, err)
	}
	return path, nil
}

const (
	checkLimit = time.Minute      // of the files of a version
	probeLimit = 10 * time.Second // of a program that is asked for its version
)

// programOf is the file that a pin means; "" is the default program.
func (h *host) programOf(pin string) (string, error) {
	if pin == "" {
		return h.findWorkerProgram(h.o.WorkerProgram)
	}
	return h.findProgram(pinned + pin)
}

// probe asks a worker program for its version.
func (h *host) probe(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.probeLimit)
	defer cancel()
	args := append([]string(nil), h.o.WorkerArgs...)
	cmd := exec.CommandContext(ctx, path, append(args, "version")...)
	cmd.Env = supervisor.Environment(h.commonEnv()...)
	cmd.Dir, cmd.WaitDelay = h.o.Dir.Workers(), time.Second
	out, problem := &bounded.Tail{Limit: maxOutput}, &bounded.Tail{Limit: maxOutput}
	cmd.Stdout, cmd.Stderr = out, problem
	err := cmd.Run()
	said := strings.TrimSpace(out.String())
	switch {
	case ctx.Err() != nil && err != nil:
		return "", fmt.Errorf("it does not say its version within %s", h.o.probeLimit)
	case err != nil:
		return "", fmt.Errorf("it does not say its version: %w: %s", err, lastLine(problem.String()))
	case said == "" || len(said) > 100 || strings.ContainsAny(said, "\r\n"):
		return "", fmt.Errorf("it does not say its version, but %.100q", said)
	}
	return said, nil
}

// lastLine is the last one that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// newVersions is what the daemon installs with.
func (h *host) newVersions() versions {
	if h.o.versions != nil {
		return h.o.versions
	}
	return installed{h, h.upgrader(h.o.WorkerArgs)}
}

// upgrader keeps versions of programs, which are asked for theirs with args
// before the verb.
func (h *host) upgrader(args []string) *upgrade.Upgrader {
	return upgrade.New(upgrade.Options{
		Dir: h.o.Dir.Versions(), Records: h.manifest, Dial: h.releaseSource, ProbeArgs: args, Log: h.o.Log,
		Keep: h.o.KeepVersions, NPM: h.o.NPM,
		OnTrust: func(c upgrade.TrustChange) {
			h.events.add(api.HostReleaseKey, "", map[string]any{"apiUrl": c.APIURL, "how": c.How, "keyId": c.KeyID, "from": c.From})
		},
	})
}

// installed keeps versions with package upgrade.
type installed struct {
	h *host
	u *upgrade.Upgrader
}

var _ versions = installed{}

func (i installed) find(ctx context.Context, want wantedVersion) (foundVersion, error) {
	found, err := i.u.Find(ctx, upgrade.Wanted{
		APIURL: planeURL(want.entry.APIURL), Program: api.ProgramWorker, Version: want.version, Channel: want.channel,
		NPM: want.npm, Local: want.local, Running: want.running,
		AllowDowngrade: want.allowDowngrade, Remote: want.remote, Return: want.back,
	})
	if err != nil {
		return foundVersion{}, err
	}
	out := foundVersion{
		version: found.Version, channel: found.Channel, notes: found.Manifest.Notes, size: found.Size, installed: found.Installed, found: found,
	}
	switch found.Kind {
	case manifest.InstallArchive:
		out.source = found.Wanted.APIURL
		if key, err := i.h.manifest.PinnedKey(ctx, found.Wanted.APIURL); err == nil {
			out.signedBy = key.KeyID
		}
	case manifest.InstallLocal:
		out.source = found.Wanted.Local
	default:
		out.source = "npm"
	}
	return out, nil
}

func (i installed) fetch(ctx context.Context, found foundVersion, progress func(done, total int64)) (manifest.Installed, error) {
	return i.u.Fetch(ctx, found.found.(upgrade.Found), progress)
}

func (i installed) program(ctx context.Context, version string) (string, error) {
	return i.u.Program(ctx, api.ProgramWorker, version)
}

func (i installed) prune(ctx context.Context, keep []string) error {
	_, err := i.u.Prune(ctx, api.ProgramWorker, keep)
	return err
}

// releaseSource is where the releases of a control plane come from.
func (h *host) releaseSource(apiURL string) (upgrade.Source, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	var token secret.Text
	for _, e := range entries {
		if planeURL(e.APIURL) != apiURL {
			continue
		}
		if token, err = h.releaseToken(e); err == nil && !token.Empty() {
			break
		} // without one it is asked as a stranger
	}
	return upgrade.NewSource(apiURL, token, program+"/"+buildinfo.Version()), nil
}

// releaseToken is what a host may ask for releases with on behalf of a worker:
// its own credential, or for a worker of a pool, which has none, the worker's.
func (h *host) releaseToken(e manifest.Entry) (secret.Text, error) {
	if e.WorkspaceID != "" {
		return h.credential(e.APIURL, e.WorkspaceID)
	}
	if _, err := enroll.NormalizeURL(e.APIURL); err != nil {
		return "", err // nothing of ours may be sent there
	}
	file, err := enroll.ReadWorkerFile(e.ConfigPath)
	return file.WorkerToken, err
}

// planeURL is how trust in a control plane is kept, however a manifest spells
// its address.
func planeURL(text string) string {
	if base, err := enroll.NormalizeURL(text); err == nil {
		return base
	}
	return strings.TrimRight(text, "/")
}

// sweepVersions takes away what installs that were killed have left.
func (h *host) sweepVersions(ctx context.Context) {
	if kept, ok := h.versions.(installed); ok {
		if err := kept.u.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.o.Log.Warn("the versions folder was not tidied up", "error", err)
		}
	}
}
