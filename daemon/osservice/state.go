package osservice

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/kardianos/service"
)

// State is what the service manager says. It says nothing about whether the
// daemon answers: ask that as well.
type State struct {
	Installed bool   // there is a unit, or an entry
	Loaded    bool   // the manager knows it
	Enabled   bool   // it is started at boot, or log-in
	Running   bool   // there is a process, or there will be one in a moment
	PID       int    // of the daemon; 0 when there is none or the manager does not tell
	Word      string // the manager's own word: "active", "failed", "activating"
	Detail    string // why it is not running, if the manager knows
}

// State asks the manager. An exit code is never taken for an answer.
func (s *Service) State(ctx context.Context) (State, error) {
	text, err := s.installed(ctx)
	if err != nil {
		return State{}, err
	}
	switch {
	case s.windows:
		return s.stateWindows(text != "")
	case s.kind == Launchd:
		return s.stateLaunchd(ctx, text != "")
	}
	out, err := s.systemctl(ctx, "show", s.kind.Name()+".service",
		"--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,Result,ExecMainStatus")
	if err != nil {
		return State{Installed: text != ""}, err
	}
	return parseSystemd(out, text != ""), nil
}

// parseSystemd reads what `systemctl show` prints: one property a line.
func parseSystemd(out string, installed bool) State {
	p := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			p[name] = value
		}
	}
	s := State{
		Installed: installed, Loaded: p["LoadState"] == "loaded",
		Enabled: strings.HasPrefix(p["UnitFileState"], "enabled"), Word: p["ActiveState"],
	}
	s.PID, _ = strconv.Atoi(p["MainPID"]) // 0 when it is none
	// "activating" is also what a unit is between two tries.
	s.Running = s.Word == "active" || s.Word == "activating" || s.Word == "reloading"
	if p["Result"] != "success" && p["Result"] != "" {
		s.Detail = p["Result"]
		if code := p["ExecMainStatus"]; code != "" && code != "0" {
			s.Detail += ", exit code " + code
		}
	}
	if p["SubState"] == "auto-restart" {
		s.Detail = strings.TrimPrefix(s.Detail+", it is tried again", ", ")
	}
	return s
}

var (
	launchdPID  = regexp.MustCompile(`"PID" = ([0-9]+);`)
	launchdExit = regexp.MustCompile(`"LastExitStatus" = ([0-9]+);`)
)

// stateLaunchd: `launchctl list <label>` succeeds for every agent that is
// loaded; only a PID says that it runs.
func (s *Service) stateLaunchd(ctx context.Context, installed bool) (State, error) {
	out, err := s.run(ctx, "launchctl", "list", s.kind.Name())
	if err != nil {
		return State{Installed: installed, Word: "not loaded"}, nil //nolint:nilerr // that is how it says so
	}
	return parseLaunchd(out, installed), nil
}

func parseLaunchd(out string, installed bool) State {
	s := State{Installed: installed, Loaded: true, Enabled: installed, Word: "waiting"}
	if found := launchdPID.FindStringSubmatch(out); found != nil {
		s.PID, _ = strconv.Atoi(found[1]) // digits, as the pattern says
		s.Running, s.Word = true, "running"
	}
	if found := launchdExit.FindStringSubmatch(out); found != nil && !s.Running {
		status, _ := strconv.Atoi(found[1]) // digits, as the pattern says
		s.Detail = "exit code " + strconv.Itoa(status>>8)
		if status&0x7f != 0 {
			s.Detail = "signal " + strconv.Itoa(status&0x7f)
		}
	}
	return s
}

// asker is the part of kardianos/service that tells a state.
type asker interface {
	Status() (service.Status, error)
}

func (s *Service) stateWindows(installed bool) (State, error) {
	state := State{Installed: installed, Loaded: installed, Enabled: installed, Word: "not installed"}
	ask, able := s.control.(asker)
	if !installed || !able {
		return state, nil
	}
	status, err := ask.Status()
	if err != nil {
		return state, err
	}
	state.Word = "stopped"
	if status == service.StatusRunning {
		state.Running, state.Word = true, "running"
	}
	return state, nil
}
