// Package hostdir is the one place that knows where the files of a host lie.
package hostdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Dir is the home of everything a host keeps: ~/.pipedai unless PIPEDAI_HOME
// says otherwise.
type Dir struct{ home string }

// Resolve finds the home from the environment. It creates nothing.
func Resolve(getenv func(string) string) (Dir, error) {
	if home := getenv("PIPEDAI_HOME"); home != "" {
		return At(home)
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return Dir{}, fmt.Errorf("find the home folder (set PIPEDAI_HOME to choose one): %w", err)
	}
	return At(filepath.Join(user, ".pipedai"))
}

// At returns the layout below a given home, made absolute.
func At(home string) (Dir, error) {
	abs, err := filepath.Abs(home)
	if err != nil {
		return Dir{}, fmt.Errorf("resolve %s: %w", home, err)
	}
	return Dir{home: abs}, nil
}

// Home is the folder itself.
func (d Dir) Home() string { return d.home }

// Orchestrator is the daemon's folder.
func (d Dir) Orchestrator() string { return filepath.Join(d.home, "orchestrator") }

// Manifest is the database of managed workers.
func (d Dir) Manifest() string { return filepath.Join(d.Orchestrator(), "manifest.db") }

// LegacyManifest is the file older programs kept instead; imported once.
func (d Dir) LegacyManifest() string { return filepath.Join(d.Orchestrator(), "manifest.json") }

// Credentials holds the local token and the operators' tokens.
func (d Dir) Credentials() string { return filepath.Join(d.Orchestrator(), "credentials.json") }

// Workers is the folder of worker configurations.
func (d Dir) Workers() string { return filepath.Join(d.Orchestrator(), "workers") }

// WorkerConfig is the configuration file of the worker with that slug.
func (d Dir) WorkerConfig(slug string) string { return filepath.Join(d.Workers(), slug+".json") }

// DaemonInfo is where a running daemon says how to reach it.
func (d Dir) DaemonInfo() string { return filepath.Join(d.Orchestrator(), "daemon.json") }

// Config is the configuration file of the daemon; most hosts have none.
func (d Dir) Config() string { return filepath.Join(d.Orchestrator(), "config.yaml") }

// Pairing is what a connect that waits for approval leaves word in.
func (d Dir) Pairing() string { return filepath.Join(d.Orchestrator(), "pairing.json") }

// UpdateNotice is touched when a person is told of a newer version.
func (d Dir) UpdateNotice() string { return filepath.Join(d.Orchestrator(), "update-notice") }

// Lock is held by the one daemon of this home.
func (d Dir) Lock() string { return filepath.Join(d.Orchestrator(), "daemon.lock") }

// Self says which version of the daemon was confirmed, and which is tried.
func (d Dir) Self() string { return filepath.Join(d.Orchestrator(), "self.json") }

// AdoptLock is held by whoever adopts workers.
func (d Dir) AdoptLock() string { return filepath.Join(d.Orchestrator(), "adopt.lock") }

// Versions is the folder of installed programs.
func (d Dir) Versions() string { return filepath.Join(d.Orchestrator(), "versions") }

// FIFOs is the folder of the workers' output pipes.
func (d Dir) FIFOs() string { return filepath.Join(d.Orchestrator(), "fifo") }

// DaemonLog is the daemon's own log, where no service manager keeps one.
func (d Dir) DaemonLog() string { return filepath.Join(d.Orchestrator(), "daemon.log") }

// Logs is the folder of captured worker output.
func (d Dir) Logs() string { return filepath.Join(d.home, "logs") }

// Log is the captured output of one worker.
func (d Dir) Log(id string) string { return filepath.Join(d.Logs(), id+".log") }

// Connectivity is the recorded history of the network probes.
func (d Dir) Connectivity() string { return filepath.Join(d.home, "connectivity.log") }

// Runs is the folder of run event files.
func (d Dir) Runs() string { return filepath.Join(d.home, "runs") }

// Make creates the folders, for the owner only, and tightens those that are
// there. A home that is there already stays as it is: it may be a folder that
// others use too, /srv say, and it holds nothing but these folders.
func (d Dir) Make() error {
	for _, folder := range []string{d.home, d.Orchestrator(), d.Workers(), d.FIFOs(), d.Logs(), d.Runs()} {
		if folder != d.home {
			if err := Folder(folder); err != nil {
				return fmt.Errorf("state folder: %w", err)
			}
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("create state folder: %w", err)
		}
		if folder == d.home {
			continue
		}
		if err := os.Chmod(folder, 0o700); err != nil {
			return fmt.Errorf("protect state folder: %w", err)
		}
	}
	return nil
}

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	notSlug     = regexp.MustCompile(`[^a-z0-9]+`)
	windowsName = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$`)
)

// ErrBadID says that a text cannot be an id that names a file.
var ErrBadID = errors.New("not a valid id: use up to 128 of letters, digits, dot, dash and underscore")

// ValidID is the one rule for ids that become file names: worker ids and run
// ids, from wherever they come.
func ValidID(id string) error {
	switch {
	case len(id) > 128, !idPattern.MatchString(id), strings.Contains(id, ".."),
		strings.HasPrefix(id, "."), strings.HasSuffix(id, "."), windowsName.MatchString(id):
		return fmt.Errorf("%.60q: %w", id, ErrBadID)
	}
	return nil
}

// Slug makes a file name of a label: lower case, everything else than a-z and
// 0-9 becomes one dash, at most 60 characters, "worker" when nothing is left.
func Slug(label string) string {
	slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(label), "-"), "-")
	slug = slug[:min(60, len(slug))]
	if slug == "" {
		return "worker"
	}
	return slug
}
