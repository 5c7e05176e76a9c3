package osservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// ErrNoManager says that there is no service manager: in a container, say.
var ErrNoManager = errors.New("there is no service manager here")

// Account is whose host this is.
type Account struct {
	Name string
	Home string
	UID  uint32
	GID  uint32
	Root bool // this process may change the whole machine
	Sudo bool // and does so for somebody else
}

// Invoking finds whoever typed the command: below sudo that is not root.
func Invoking(getenv func(string) string) (Account, error) {
	a := Account{Root: os.Geteuid() == 0}
	who, err := user.Current()
	if name := getenv("SUDO_USER"); a.Root && name != "" && name != "root" {
		a.Sudo = true
		who, err = user.Lookup(name)
	}
	if err != nil {
		return a, fmt.Errorf("find out who you are: %w", err)
	}
	a.Name, a.Home = who.Username, who.HomeDir
	if runtime.GOOS != "windows" { // whose ids are no numbers
		uid, errU := strconv.ParseUint(who.Uid, 10, 32)
		gid, errG := strconv.ParseUint(who.Gid, 10, 32)
		if err := errors.Join(errU, errG); err != nil {
			return a, fmt.Errorf("find out who you are: %w", err)
		}
		a.UID, a.GID = uint32(uid), uint32(gid)
	}
	if !a.Sudo && getenv("HOME") != "" && runtime.GOOS != "windows" {
		a.Home = getenv("HOME")
	}
	return a, nil
}

// Available returns the service managers that run here: of the machine, and of
// the person. Either may be empty.
func Available(getenv func(string) string) (system, person Kind) {
	switch runtime.GOOS {
	case "windows":
		return Windows, ""
	case "darwin":
		return "", Launchd
	}
	// The folder is there only while systemd is the first process.
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		system = Systemd
	}
	if runtime := getenv("XDG_RUNTIME_DIR"); runtime != "" {
		if _, err := os.Stat(filepath.Join(runtime, "systemd", "private")); err == nil {
			person = SystemdUser
		}
	}
	return system, person
}

var systemdVersion = regexp.MustCompile(`^systemd ([0-9]+)`)

// Subgroups reports whether systemd here can keep the daemon in a control group
// below that of its unit.
func (s *Service) Subgroups(ctx context.Context) bool {
	if !s.systemd() {
		return false
	}
	out, err := s.run(ctx, "systemctl", "--version")
	if err != nil {
		return false
	}
	found := systemdVersion.FindStringSubmatch(out)
	if found == nil {
		return false
	}
	version, err := strconv.Atoi(found[1])
	return err == nil && version >= 254
}

// Lingers reports whether a person's services run while that person is not
// logged in.
func (s *Service) Lingers(ctx context.Context, user string) bool {
	if s.kind != SystemdUser {
		return true
	}
	out, err := s.run(ctx, "loginctl", "show-user", user, "--property=Linger", "--value")
	return err == nil && strings.HasPrefix(out, "yes")
}

// Restarting reports whether the service manager stops the daemon only to start
// it again: then its workers need not be stopped. What cannot be found out
// counts as a stop.
func Restarting(ctx context.Context, kind Kind) bool {
	s := &Service{kind: kind, run: runProgram}
	return s.restarting(ctx)
}

func (s *Service) restarting(ctx context.Context) bool {
	if !s.systemd() {
		return false
	}
	out, err := s.systemctl(ctx, "list-jobs", "--no-legend", "--plain", s.kind.Name()+".service")
	return err == nil && restartJob(out, s.kind.Name()+".service")
}

// restartJob reads what `systemctl list-jobs` prints: number, unit, kind of
// job, state.
func restartJob(out, unit string) bool {
	job := regexp.MustCompile(`(?m)^\s*[0-9]+\s+` + regexp.QuoteMeta(unit) + `\s+(\S+)`).FindStringSubmatch(out)
	return job != nil && job[1] == "restart"
}
