package osservice

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is a service manager.
type Kind string

// The service managers. NSSM is a program that makes services on Windows; its
// unit is a batch file that a person runs.
const (
	Systemd     Kind = "systemd"
	SystemdUser Kind = "systemd-user"
	Launchd     Kind = "launchd"
	Windows     Kind = "windows"
	NSSM        Kind = "nssm"
)

// Name is what the service is called there.
func (k Kind) Name() string {
	switch k {
	case Launchd:
		return "com.marolence.pipedai-orchestrator"
	case Windows, NSSM:
		return "PipedAIOrchestrator"
	default:
		return "pipedai-orchestrator"
	}
}

// Unit is what the service is to do: run "start" of this program for one home.
type Unit struct {
	Program       string        // absolute path of this program
	Home          string        // the host's folder, absolute
	User          string        // who runs it; only a system-wide systemd service is told
	UserHome      string        // that person's home folder
	Port          int           // of the local API; 0 is the daemon's own default
	WorkerProgram string        // absolute, or empty: the daemon looks for it
	StopGrace     time.Duration // how long a worker may finish its run
	Path          string        // PATH, see SearchPath
	Log           string        // where output goes that no journal takes
	// Subgroup says that systemd can put the daemon into a control group below
	// the unit's own (since 254). Only then can workers have limits: a group
	// with processes of its own gives none to groups below it.
	Subgroup bool
}

// clearUp is how long a daemon may take besides its workers' grace.
const clearUp = time.Minute

// arguments are those of the program. Only systemd keeps what the daemon says;
// under the others it keeps a file itself, which does not grow without bound as
// one that the manager writes does.
func (u Unit) arguments(kind Kind) []string {
	args := []string{"--home", u.Home, "start"}
	if kind != Systemd && kind != SystemdUser {
		args = append(args, "--log-file")
	}
	if u.Port != 0 {
		args = append(args, "--port", strconv.Itoa(u.Port))
	}
	if u.WorkerProgram != "" {
		args = append(args, "--worker-program", u.WorkerProgram)
	}
	if u.StopGrace != 0 {
		args = append(args, "--stop-grace", u.StopGrace.String())
	}
	return args
}

// stopWait is how long a manager must wait for the daemon to end.
func (u Unit) stopWait() time.Duration {
	grace := u.StopGrace
	if grace == 0 {
		grace = 5 * time.Minute
	}
	return grace + clearUp
}

// markPrefix begins the line by which an installed unit is known again.
const markPrefix = "pipedai-home: "

// mark is that line. A dash is spelled out, for XML has no two in a comment, and
// a percent sign, which batch files read even in comments.
func (u Unit) mark() string {
	return markPrefix + strings.NewReplacer("-", `\u002d`, "%", `\u0025`).Replace(strconv.QuoteToASCII(u.Home))
}

// homeOf returns the home that an installed unit is for; false when it is none
// of ours.
func homeOf(text string) (string, bool) {
	_, rest, found := strings.Cut(text, markPrefix)
	if !found {
		return "", false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", false
	}
	home, err := strconv.Unquote(quoted)
	return home, err == nil
}

// SearchPath is the PATH of a service, which has none of a terminal's: the
// program's folder, where people keep programs, then what the installer has.
// separator is the system's.
func SearchPath(program, userHome, installers, separator string) string {
	var dirs []string
	add := func(dir string) {
		if dir != "" && !slices.Contains(dirs, dir) && writable(dir) == nil {
			dirs = append(dirs, dir)
		}
	}
	if separator == ";" {
		if i := strings.LastIndexAny(program, `\/`); i > 0 {
			add(program[:i])
		}
	} else {
		add(path.Dir(program))
		add(path.Join(userHome, ".local/bin"))
		add("/opt/homebrew/bin")
		add("/usr/local/bin")
		if installers == "" {
			installers = "/usr/bin:/bin"
		}
	}
	for _, dir := range strings.Split(installers, separator) {
		if separator == ";" || strings.HasPrefix(dir, "/") { // where a service stands nobody knows
			add(dir)
		}
	}
	// A folder whose name has the separator cannot be told apart from two.
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return strings.Contains(dir, separator) })
	return strings.Join(dirs, separator)
}

// validate refuses what cannot be written down.
func (u Unit) validate() error {
	for _, text := range append([]string{u.Program, u.User, u.UserHome, u.Path, u.Log}, u.arguments("")...) {
		if err := writable(text); err != nil {
			return err
		}
	}
	if strings.ContainsAny(u.User, " \t%\"'\\") {
		return fmt.Errorf("user %q %w", u.User, ErrText)
	}
	return nil
}
