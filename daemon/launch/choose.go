package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	goversion "github.com/hashicorp/go-version"

	"pipedai/internal/hostdir"
)

// Deaths is how often a pinned version may end soon after its start before the
// one before it is started instead.
const Deaths = 3

// The host events of this package.
const (
	EventIgnored  = "self.pin-ignored"  // version, reason: the installed program runs for now
	EventReplaced = "self.pin-replaced" // version, by: a newer program was installed
	EventReturned = "self.returned"     // from, to, reason
)

// Installed is the program that was started.
type Installed struct {
	Version string
	Schema  int64 // newest schema of the manifest that it knows
	Boot    string
	// Least is the least schema that a program must know to work with the
	// manifest as it is now; 0 when any may. It is asked only when it matters.
	Least func() (int64, error)
}

// Choice is what is to run.
type Choice struct {
	// Version is what to become; nil is the installed program itself.
	Version *Version
	// Warning is what a person should know; empty for nothing.
	Warning string
}

// Choose decides what runs, and notes the start of a pinned version. The state
// is changed; the caller writes it before it acts.
func Choose(s *State, in Installed, intact func(Version) error) Choice {
	for s.Pin != nil {
		pin := s.Pin
		if pin.ReplacedBy(in.Version) {
			s.note(EventReplaced, map[string]any{"version": pin.Version.Version, "by": in.Version})
			s.Pin, s.Previous, s.Starts = nil, nil, 0
			return Choice{}
		}
		if s.Boot != in.Boot {
			s.Starts = 0 // a power cut is not the program's fault
		}
		if s.Starts >= Deaths && s.fallBack(in) {
			continue
		}
		if err := intact(pin.Version); err != nil {
			// It may come back: a file system that is not mounted yet, a restore.
			s.note(EventIgnored, map[string]any{"version": pin.Version.Version, "reason": err.Error()})
			return Choice{Warning: fmt.Sprintf("the daemon was upgraded to %s, but %v; the installed program %s runs instead", pin.Version.Version, err, in.Version)}
		}
		s.Starts, s.Boot = s.Starts+1, in.Boot
		v := pin.Version
		return Choice{Version: &v}
	}
	return Choice{}
}

// fallBack gives the pinned version up for the one before. It does not when that
// one could not work with the manifest any more: then the pinned one is better
// than none.
func (s *State) fallBack(in Installed) bool {
	to, schema := in.Version, in.Schema
	if s.Previous != nil {
		to, schema = s.Previous.Version.Version, s.Previous.Schema
	}
	if least, err := in.Least(); err != nil || least > schema {
		return false
	}
	reason := fmt.Sprintf("it ended %d times soon after its start", s.Starts)
	s.note(EventReturned, map[string]any{"from": s.Pin.Version.Version, "to": to, "reason": reason})
	s.Fail(s.Pin.Version, reason)
	s.Return()
	return true
}

// maxNotes bounds what is kept while no daemon comes up to tell of it.
const maxNotes = 50

func (s *State) note(event string, data map[string]any) {
	if len(s.Notes) < maxNotes {
		s.Notes = append(s.Notes, Note{Event: event, Data: data})
	}
}

// ReplacedBy reports whether what is installed has overtaken a pin: it is another
// one than when the pin was confirmed, and not lower than the pin.
func (pin Pin) ReplacedBy(installed string) bool {
	have, errA := goversion.NewVersion(installed)
	over, errB := goversion.NewVersion(pin.Over)
	pinned, errC := goversion.NewVersion(pin.Version.Version)
	if errA != nil || errB != nil || errC != nil {
		return false
	}
	return have.GreaterThan(over) && have.GreaterThanOrEqual(pinned)
}

// ErrChanged says that a program is not the file that was confirmed.
var ErrChanged = errors.New("its file is not the one that was confirmed")

// Intact checks that the file of a version is there, ours and unchanged.
func Intact(v Version) error {
	if err := hostdir.Plain(v.Program); err != nil {
		return err
	}
	sum, err := Digest(v.Program)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its file %s is missing", v.Program)
	case err != nil:
		return err
	case sum != v.SHA256:
		return fmt.Errorf("%w: %s", ErrChanged, v.Program)
	}
	return nil
}

// Digest is the SHA-256 of a file, in hex.
func Digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
