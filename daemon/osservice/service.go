package osservice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kardianos/service"

	"pipedai/internal/atomicfile"
)

// Change is what an installation did.
type Change string

// The ways an installation can end. Already: nothing had to be written.
const (
	Installed Change = "installed"
	Updated   Change = "updated"
	Already   Change = "already"
)

// ErrOtherHome says that the service which is there looks after another home.
var ErrOtherHome = errors.New("the installed service looks after another home")

// ErrForeign says that a file of the service's name is none that we wrote.
var ErrForeign = errors.New("was not written by this program")

// Runner runs a program of the system and returns what it printed, also when it
// failed.
type Runner func(ctx context.Context, name string, args ...string) (string, error)

// control starts and stops; kardianos/service does it on every system.
type control interface {
	Start() error
	Stop() error
	Restart() error
}

// Service is the daemon's place at one service manager.
type Service struct {
	kind    Kind
	path    string // of the unit; empty on Windows
	run     Runner
	control control
	windows bool // the manager is asked by calls, not by files and programs
}

// Options of New.
type Options struct {
	Kind     Kind
	UserHome string // whose LaunchAgents and user units
	// Root goes before every path and Run runs programs, in tests; Control too.
	Root    string
	Run     Runner
	Control control
}

// New returns the service; it asks and changes nothing.
func New(o Options) (*Service, error) {
	s := &Service{kind: o.Kind, run: o.Run, control: o.Control, windows: o.Kind == Windows}
	if s.run == nil {
		s.run = runProgram
	}
	switch o.Kind {
	case Systemd:
		s.path = filepath.Join(o.Root, "/etc/systemd/system", o.Kind.Name()+".service")
	case SystemdUser:
		s.path = filepath.Join(o.Root, o.UserHome, ".config/systemd/user", o.Kind.Name()+".service")
	case Launchd:
		s.path = filepath.Join(o.Root, o.UserHome, "Library/LaunchAgents", o.Kind.Name()+".plist")
	case Windows:
	default:
		return nil, fmt.Errorf("%q is no service manager that can be asked", o.Kind)
	}
	if s.control == nil {
		control, err := service.New(nothing{}, &service.Config{
			Name: o.Kind.Name(), Option: service.KeyValue{"UserService": o.Kind != Systemd},
		})
		if err != nil {
			return nil, fmt.Errorf("reach the service manager: %w", err)
		}
		s.control = control
	}
	return s, nil
}

// nothing is what kardianos/service would run; we only control with it.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(errs.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return out.String(), nil
}

// Kind is the service's manager.
func (s *Service) Kind() Kind { return s.kind }

// Path is where the unit lies; empty on Windows, which keeps none as a file.
func (s *Service) Path() string { return s.path }

// Text is the installed unit as the manager reads it, or on Windows what stands
// for one; empty when there is none.
func (s *Service) Text(ctx context.Context) (string, error) { return s.installed(ctx) }

// Home returns the home that the installed service looks after; empty when none
// is installed.
func (s *Service) Home(ctx context.Context) (string, error) {
	text, err := s.installed(ctx)
	if err != nil || text == "" {
		return "", err
	}
	home, ours := homeOf(text)
	if !ours {
		return "", fmt.Errorf("%s %w; move it away", s.path, ErrForeign)
	}
	return home, nil
}

func (s *Service) installed(ctx context.Context) (string, error) {
	if s.windows {
		return installedWindows(ctx)
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the installed unit: %w", err)
	}
	return string(data), nil
}

// Install writes the unit and has it started at every boot, or log-in. It is
// safe to call again: what is as it should be stays, what differs is replaced.
// It does not start the service, nor touch one that runs; see Start.
func (s *Service) Install(ctx context.Context, u Unit) (Change, error) {
	home, err := s.Home(ctx)
	if err != nil {
		return "", err
	}
	if home != "" && home != u.Home {
		return "", fmt.Errorf("%w: %s", ErrOtherHome, home)
	}
	if s.windows {
		return installWindows(ctx, u, home != "")
	}
	text, err := Render(s.kind, u)
	if err != nil {
		return "", err
	}
	before, err := s.installed(ctx)
	if err != nil {
		return "", err
	}
	change := Already
	if before != text {
		change = Updated
		if before == "" {
			change = Installed
		}
		if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
			return "", fmt.Errorf("write the unit: %w", err)
		}
		// Managers read units as themselves, and people may look at them.
		if err := atomicfile.Write(s.path, []byte(text), 0o644); err != nil {
			return "", fmt.Errorf("write the unit: %w", err)
		}
	}
	return change, s.load(ctx)
}

// load tells the manager about the unit.
func (s *Service) load(ctx context.Context) error {
	if s.kind == Launchd {
		return nil // it reads the file when it is told to start it
	}
	if _, err := s.systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	_, err := s.systemctl(ctx, "enable", s.kind.Name()+".service")
	return err
}

// Start starts the service and returns when the daemon is ready, where the
// manager can tell. One that runs is left alone.
func (s *Service) Start(ctx context.Context) error {
	state, err := s.State(ctx)
	if err != nil {
		return err
	}
	if state.Running {
		return nil
	}
	if s.systemd() {
		// One that failed too often has to be forgiven first.
		_, _ = s.systemctl(ctx, "reset-failed", s.kind.Name()+".service") // there may be nothing to forgive
	}
	if err := s.control.Start(); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	return nil
}

// Restart replaces the daemon of a service that runs. Its workers run on where
// they can; see Restarting.
func (s *Service) Restart(context.Context) error {
	if err := s.control.Restart(); err != nil {
		return fmt.Errorf("restart the service: %w", err)
	}
	return nil
}

// Stop stops the service, which lets workers finish, and returns when it has
// ended, or with ctx; then it goes on ending. It is started again at the next
// boot, or log-in.
func (s *Service) Stop(ctx context.Context) error {
	var err error
	if s.systemd() {
		_, err = s.systemctl(ctx, "stop", s.kind.Name()+".service")
	} else {
		err = s.control.Stop()
	}
	if err != nil {
		return fmt.Errorf("stop the service: %w", err)
	}
	return nil
}

// Journal returns the newest lines that systemd kept of the service; only it
// keeps any.
func (s *Service) Journal(ctx context.Context, lines int) (string, error) {
	args := []string{"--unit", s.kind.Name(), "--lines", strconv.Itoa(lines), "--no-pager", "--output", "short-iso"}
	if s.kind == SystemdUser {
		args = append([]string{"--user"}, args...)
	}
	return s.run(ctx, "journalctl", args...)
}

// Uninstall stops the service, which lets workers finish, keeps it from being
// started, removes its unit, and only then has the manager forget it. When ctx
// ends first, the service goes on ending and stays installed. It reports false
// when there was none.
func (s *Service) Uninstall(ctx context.Context) (bool, error) {
	text, err := s.installed(ctx)
	if err != nil || text == "" {
		return false, err
	}
	if _, err := s.Home(ctx); err != nil {
		return false, err // not ours to remove
	}
	state, err := s.State(ctx)
	if err != nil {
		return false, err
	}
	if state.Loaded {
		if err := s.Stop(ctx); err != nil {
			return false, err
		}
	}
	if s.windows {
		return true, removeWindows(s.control)
	}
	if s.systemd() {
		if _, err := s.systemctl(ctx, "disable", s.kind.Name()+".service"); err != nil {
			return false, err
		}
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("remove the unit: %w", err)
	}
	if s.systemd() {
		if _, err := s.systemctl(ctx, "daemon-reload"); err != nil {
			return true, err
		}
		_, _ = s.systemctl(ctx, "reset-failed", s.kind.Name()+".service") // usually it has not failed
	}
	return true, nil
}

func (s *Service) systemd() bool { return s.kind == Systemd || s.kind == SystemdUser }

func (s *Service) systemctl(ctx context.Context, args ...string) (string, error) {
	if s.kind == SystemdUser {
		args = append([]string{"--user"}, args...)
	}
	return s.run(ctx, "systemctl", args...)
}
