package cli

import (
	"context"
	"os"
	"path/filepath"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/osservice"
	"pipedai/internal/hostdir"
)

// serviceFacts are what the service manager says about the service of a home.
// Members are added, never renamed.
type serviceFacts struct {
	Installed bool           `json:"installed"`
	Enabled   bool           `json:"enabled"` // it is started at boot, or log-in
	Running   bool           `json:"running"`
	Manager   osservice.Kind `json:"manager,omitempty"`
	Unit      string         `json:"unit,omitempty"` // path; Windows has none
	PID       int            `json:"pid,omitempty"`
	Word      string         `json:"word,omitempty"` // the manager's own: "active", "failed"
	Detail    string         `json:"detail,omitempty"`
}

// serviceOf finds the service that looks after a home, and what its manager
// says; nil when there is none. One that looks after another home is none.
func (d *deps) serviceOf(ctx context.Context, dir hostdir.Dir) (*osservice.Service, serviceFacts) {
	account, err := osservice.Invoking(d.streams.Getenv)
	if err != nil {
		return nil, serviceFacts{}
	}
	s, home, err := d.installedService(ctx, account, uninstallOptions{})
	if err != nil || s == nil || !sameFolder(home, dir.Home()) {
		return nil, serviceFacts{}
	}
	facts := serviceFacts{Installed: true, Manager: s.Kind(), Unit: s.Path()}
	state, err := s.State(ctx)
	if err != nil {
		facts.Detail = err.Error()
		return s, facts
	}
	facts.Enabled, facts.Running, facts.PID = state.Enabled, state.Running, state.PID
	facts.Word, facts.Detail = state.Word, state.Detail
	return s, facts
}

// sameFolder also knows a folder that is reached by another name.
func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// text says in a few words what the manager does.
func (f serviceFacts) text() string {
	switch {
	case !f.Installed:
		return "none; the daemon runs while its terminal does"
	case f.Word == "":
		return f.Manager.Title() + ", which does not answer: " + f.Detail
	}
	text := f.Manager.Title() + ", " + f.Word
	if f.Detail != "" {
		text += " (" + f.Detail + ")"
	}
	if !f.Enabled {
		text += ", not started at boot"
	}
	return text
}

// idle says what to do about a service whose daemon does not run.
func (f serviceFacts) idle(s *osservice.Service, dir hostdir.Dir) api.HealthItem {
	item := api.HealthItem{
		Code: "daemon_stopped", Severity: "error", Message: "the daemon is not running; its service is " + f.Word,
		Fix: "start it", Command: s.StartCommand(),
	}
	if f.Word == "" {
		item.Message = "the daemon is not running, and the service manager does not answer"
	}
	if f.Detail == "" {
		return item
	}
	item.Message += " (" + f.Detail + ")"
	item.Fix = "see why"
	item.Command = f.Manager.LogCommand(daemon.ShellQuote(filepath.Join(dir.Orchestrator(), "service.log")))
	return item
}
