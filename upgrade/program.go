package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
)

// checked is an installed version whose files were read and found to be what
// was installed, and by which they are known again.
type checked struct {
	mu    sync.Mutex
	tree  string
	print string
}

// Program is the path of an installed program, to be started now. Its files are
// compared with what was installed; that costs no more than a look at them
// while they do not change. *api.Error with status 404 (it also is
// ErrNotInstalled) when the version is not here, with CodeProgramChanged when
// its files are not those that were installed.
func (u *Upgrader) Program(ctx context.Context, program, version string) (string, error) {
	v, err := u.o.Records.Installed(ctx, program, version)
	if errors.Is(err, manifest.ErrNotFound) || err == nil && !exists(v.Path) {
		return "", missing(program, version)
	}
	if err != nil {
		return "", err
	}
	if err := u.verify(v); err != nil {
		return "", err
	}
	// To know what was used last an hour is exact enough, and starts stay cheap.
	if now := u.o.now(); now.Sub(v.UsedAt) > time.Hour {
		if err := u.o.Records.TouchInstalled(ctx, program, version, now); err != nil {
			u.o.Log.Warn("the use of a version was not noted", "program", program, "version", version, "error", err)
		}
	}
	return v.Path, nil
}

func missing(program, version string) error {
	return &notInstalled{api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound,
		Message: fmt.Sprintf("%s %s is not installed on this host", program, version), Fix: "see what is: pipedai-orchestrator versions"}}
}

// notInstalled is an *api.Error that errors.Is knows as ErrNotInstalled.
type notInstalled struct{ answer api.Error }

func (e *notInstalled) Error() string { return e.answer.Error() }

func (e *notInstalled) Unwrap() []error { return []error{&e.answer, ErrNotInstalled} }

// verify compares the files of a version with what was recorded when it was
// installed.
func (u *Upgrader) verify(v manifest.Installed) error {
	folder := u.folder(v.Program, v.Version)
	if below, err := filepath.Rel(folder, v.Path); err != nil || !filepath.IsLocal(below) {
		return changedFiles(v, errors.New("its program is not in its folder"))
	}
	key := v.Program + "/" + v.Version
	u.mu.Lock()
	known := u.known[key]
	if known == nil {
		known = new(checked)
		u.known[key] = known
	}
	u.mu.Unlock()

	known.mu.Lock() // a hundred workers that start together read it once
	defer known.mu.Unlock()
	have, err := fingerprint(folder)
	if err != nil {
		return changedFiles(v, err)
	}
	if known.tree == v.TreeSHA256 && known.print == have {
		return nil
	}
	known.tree, known.print = "", ""
	t, err := readTree(folder)
	if err != nil {
		return changedFiles(v, err)
	}
	if t.digest() != v.TreeSHA256 {
		return changedFiles(v, errors.New("a file was changed, added or removed"))
	}
	again, err := fingerprint(folder)
	if err != nil {
		return changedFiles(v, err)
	}
	if again == have { // else they changed while they were read: read them next time, too
		known.tree, known.print = v.TreeSHA256, have
	}
	return nil
}

func changedFiles(v manifest.Installed, err error) error {
	return refused(api.CodeProgramChanged, fmt.Sprintf("the files of %s %s are not those that were installed: %v", v.Program, v.Version, err),
		"nothing was started from them. Find out who changed them, then install it anew: "+anew(v))
}

// anew is the command that installs a version once more.
func anew(v manifest.Installed) string {
	switch {
	case v.Program != api.ProgramWorker:
		return fmt.Sprintf("pipedai-orchestrator versions remove %s %s, and upgrade again", v.Program, v.Version)
	case v.Kind == manifest.InstallLocal: // its name has the digest in it; nobody publishes it
		return "pipedai-orchestrator upgrade <worker> --from-local " + v.Source
	}
	return "pipedai-orchestrator upgrade <worker> --version " + v.Version
}

// probeOutput bounds what is read of a program that is asked for its version.
const probeOutput = 16 << 10

// Probe asks a program for its version, as "<program> version", within limits
// of time and output. The error says what it did instead of answering.
func (u *Upgrader) Probe(ctx context.Context, path string) (string, error) {
	out, err := run(ctx, command{
		path: path, args: append(append([]string(nil), u.o.ProbeArgs...), "version"),
		dir: filepath.Dir(path), limit: u.o.probeLimit, keep: probeOutput,
	})
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", filepath.Base(path), err)
	}
	for line := range strings.Lines(out.stdout) {
		for _, word := range strings.Fields(line) {
			if text := strings.TrimPrefix(word, "v"); release.CheckVersion(text) == nil && strings.Contains(text, ".") {
				return text, nil
			}
		}
	}
	return "", fmt.Errorf("%s did not say its version, but: %.200q", filepath.Base(path), strings.TrimSpace(out.stdout))
}
