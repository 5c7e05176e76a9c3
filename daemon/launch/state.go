package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
)

// Version is a program on this host that may become the daemon.
type Version struct {
	Version string `json:"version"`
	Program string `json:"program"` // absolute path
	SHA256  string `json:"sha256"`  // of the file, in hex
	// Name is what its folder is called; a build of this machine has more in it
	// than its version.
	Name string `json:"name"`
	// Schema is the newest schema of the manifest that it knows.
	Schema int64 `json:"schema"`
}

// Pin is the version that was confirmed: it was tried and found well.
type Pin struct {
	Version
	// Over is the version of the installed program when this one was confirmed.
	// One that is installed later and is not lower wins.
	Over        string   `json:"over"`
	ConfirmedAt api.Time `json:"confirmedAt"`
}

// Trial is the newest try of a version in a child process.
type Trial struct {
	Operation string   `json:"operation"` // the one that it belongs to
	Candidate Version  `json:"candidate"`
	Tries     int      `json:"tries"`
	StartedAt api.Time `json:"startedAt"`
	// Outcome is empty while it goes on, and after it was cut short.
	Outcome Outcome `json:"outcome,omitempty"`
	Reason  string  `json:"reason,omitempty"` // why it failed
}

// Outcome is how a trial ended.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
)

// Failure is a version that did not do on this host. It is not tried again
// unless a person says so.
type Failure struct {
	Version string   `json:"version"`
	SHA256  string   `json:"sha256,omitempty"`
	Reason  string   `json:"reason"`
	At      api.Time `json:"at"`
}

// Note is something that happened before there was a daemon to tell of it.
type Note struct {
	Event string         `json:"event"` // type of the host event
	Data  map[string]any `json:"data"`
}

// State is what self.json holds. Its zero value is a host whose daemon was never
// upgraded by itself.
type State struct {
	Pin      *Pin `json:"pin,omitempty"`
	Previous *Pin `json:"previous,omitempty"` // confirmed before it; nil is the installed program
	// Starts of Pin in a row, in this boot, after which it did not come to look
	// after workers for a while.
	Starts   int       `json:"starts,omitempty"`
	Boot     string    `json:"boot,omitempty"`
	Trial    *Trial    `json:"trial,omitempty"`
	Failures []Failure `json:"failures,omitempty"`
	Notes    []Note    `json:"notes,omitempty"`
}

// maxFailures bounds how many versions are remembered, the newest.
const maxFailures = 20

// Fail notes that a version did not do.
func (s *State) Fail(v Version, reason string) {
	s.Forgive(v.Version)
	s.Failures = append(s.Failures, Failure{Version: v.Version, SHA256: v.SHA256, Reason: reason, At: api.At(time.Now())})
	if over := len(s.Failures) - maxFailures; over > 0 {
		s.Failures = s.Failures[over:]
	}
}

// Failed tells whether a version did not do.
func (s *State) Failed(version string) (Failure, bool) {
	i := slices.IndexFunc(s.Failures, func(f Failure) bool { return f.Version == version })
	if i < 0 {
		return Failure{}, false
	}
	return s.Failures[i], true
}

// Forgive forgets that a version did not do.
func (s *State) Forgive(version string) {
	s.Failures = slices.DeleteFunc(s.Failures, func(f Failure) bool { return f.Version == version })
}

// Confirm makes a version the one that is started from now on, over the
// installed program, or that one itself.
func (s *State) Confirm(v Version, over Origin) {
	if s.Pin != nil && s.Pin.Version != v {
		s.Previous = s.Pin
	}
	s.Pin = nil
	if v.Program != over.Program {
		s.Pin = &Pin{Version: v, Over: over.Version, ConfirmedAt: api.At(time.Now())}
	}
	s.Starts, s.Boot = 0, ""
	s.Forgive(v.Version)
}

// Runs reports whether that version is the one that is started: the pinned one,
// or the installed program after a return to it.
func (s *State) Runs(v Version) bool {
	if s.Pin != nil {
		return s.Pin.Version == v
	}
	return s.Trial != nil && s.Trial.Candidate == v && s.Trial.Outcome == Passed
}

// Return makes the version before the pinned one the one that is started.
func (s *State) Return() {
	s.Pin, s.Previous = s.Previous, nil
	s.Starts, s.Boot = 0, ""
}

// Uses are the programs that must not be removed.
func (s *State) Uses() []Version {
	var out []Version
	for _, p := range []*Pin{s.Pin, s.Previous} {
		if p != nil {
			out = append(out, p.Version)
		}
	}
	if s.Trial != nil {
		out = append(out, s.Trial.Candidate)
	}
	return out
}

// Read returns the state; the zero one when there is none.
func Read(dir hostdir.Dir) (State, error) {
	path := dir.Self()
	if err := hostdir.Plain(path); err != nil {
		return State{}, fmt.Errorf("read the pinned version: %w", err)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the pinned version: %w", err)
	}
	return decode(path, data)
}

func decode(path string, data []byte) (State, error) {
	var s State
	if len(data) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return s, nil
}

// Change changes the state on disk in one step. Nothing is written when change
// changes nothing.
func Change(dir hostdir.Dir, change func(*State)) error {
	path := dir.Self()
	if err := hostdir.Plain(path); err != nil {
		return fmt.Errorf("write the pinned version: %w", err)
	}
	err := atomicfile.Update(path, 0o600, func(old []byte) ([]byte, error) {
		s, err := decode(path, old)
		if err != nil {
			return nil, err
		}
		change(&s)
		data, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode the pinned version: %w", err)
		}
		return append(data, '\n'), nil
	})
	if err != nil {
		return fmt.Errorf("write the pinned version: %w", err)
	}
	return nil
}
