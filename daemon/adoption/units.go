package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Runner runs a program of the system and returns what it printed, also when
// it failed.
type Runner func(ctx context.Context, name string, args ...string) (string, error)

// unit is what a service manager has that runs a worker.
type unit struct {
	manager   manager
	name      string
	file      string   // "" for one that was made at run time
	configs   []string // files of the workers it runs
	active    bool
	enabled   bool
	permanent bool     // it can be disabled and enabled
	pid       int      // its main process; 0 when there is none or it is not known
	startedBy []string // other units that start it: timers, sockets
}

// manager is one service manager and whose units it has.
type manager interface {
	kind() string // "systemd", "systemd-user" or "launchd"
	// find returns the units that run workers, without asking for their state.
	find() []unit
	// inspect fills in how a unit is; it makes no difference when nobody answers.
	inspect(ctx context.Context, u *unit)
	// allowed says why this user cannot change a unit, and what helps.
	allowed(u unit) error
	// disable keeps a unit from being started by itself; stop ends it without
	// waiting for that.
	disable(ctx context.Context, u unit) error
	stop(ctx context.Context, u unit) error
	enable(ctx context.Context, u unit) error
	start(ctx context.Context, u unit) error
	// words is the command line that stops and disables a unit.
	words(u unit) string
}

// Places are where service managers keep their units; tests have their own.
type Places struct {
	System, User []string // folders of systemd
	// SystemRuns, UserRuns say that such a manager answers.
	SystemRuns, UserRuns bool
	Agents               string // the folder of launchd's agents
}

// usualPlaces are those of this machine.
func usualPlaces() Places {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	if runtime.GOOS == "darwin" {
		return Places{Agents: filepath.Join(home, "Library", "LaunchAgents")}
	}
	if runtime.GOOS != "linux" {
		return Places{}
	}
	own, err := os.UserConfigDir()
	if err != nil {
		own = filepath.Join(home, ".config")
	}
	runtimeDir := fmt.Sprintf("/run/user/%d", os.Geteuid())
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	return Places{
		System:     []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"},
		User:       []string{filepath.Join(own, "systemd", "user"), "/etc/systemd/user", filepath.Join(home, ".local/share/systemd/user"), "/usr/lib/systemd/user"},
		SystemRuns: exists("/run/systemd/system"), UserRuns: exists(filepath.Join(runtimeDir, "systemd", "private")),
	}
}

func managers(p Places, run Runner) []manager {
	var out []manager
	if len(p.System) > 0 {
		out = append(out, &systemd{dirs: p.System, running: p.SystemRuns, run: run})
	}
	if len(p.User) > 0 {
		out = append(out, &systemd{dirs: p.User, running: p.UserRuns, user: true, run: run})
	}
	if p.Agents != "" {
		out = append(out, &launchd{dir: p.Agents, run: run})
	}
	return out
}

// commandTimeout bounds one question or order to a service manager. None of
// them waits for a worker's end.
const commandTimeout = 30 * time.Second

// runProgram is the usual Runner.
func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		line, _, _ := strings.Cut(text, "\n")
		if line == "" {
			line = err.Error()
		}
		return text, fmt.Errorf("%s %s: %s", filepath.Base(name), strings.Join(args, " "), line)
	}
	return text, nil
}

// errNotAllowed says that another user has to change a unit.
var errNotAllowed = errors.New("it takes root to change it")

// unitsFor are the units that run a worker of a file, as they are now.
func (a *Adopter) unitsFor(ctx context.Context, all []unit, path string, info os.FileInfo) []unit {
	var out []unit
	for _, u := range all {
		for _, config := range u.configs {
			p := proc{config: config}
			if other, err := os.Stat(config); err == nil {
				p.info = other
			}
			if p.runs(path, info) {
				u.manager.inspect(ctx, &u)
				out = append(out, u)
				break
			}
		}
	}
	return out
}

// owner is the unit that a process belongs to.
func owner(p proc, units []unit) (unit, bool) {
	for _, u := range units {
		if u.pid == p.pid || u.name == p.unit && p.unit != "" {
			return u, true
		}
		for at, hops := p.parent, 0; u.pid > 1 && at > 1 && hops < 64; hops++ {
			if at == u.pid {
				return u, true
			}
			at = parentOf(at)
		}
	}
	return unit{}, false
}
