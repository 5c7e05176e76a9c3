package launch

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/internal/hostdir"
)

func pinned(version, over string) *Pin {
	return &Pin{Version: Version{Version: version, Program: "/v/" + version, SHA256: "s", Name: version, Schema: 12}, Over: over}
}

func installed(version string) Installed {
	return Installed{Version: version, Schema: 12, Boot: "b", Least: func() (int64, error) { return 12, nil }}
}

func well(Version) error { return nil }

func TestChoose(t *testing.T) {
	t.Parallel()
	gone := func(Version) error { return errors.New("its file is missing") }
	tests := map[string]struct {
		state  State
		in     Installed
		intact func(Version) error
		want   string // version that is become; "" for the installed one
		after  string // that is pinned then
		notes  []string
		warns  string
	}{
		"nothing was upgraded":          {State{}, installed("1.0.0"), well, "", "", nil, ""},
		"the pinned version":            {State{Pin: pinned("1.1.0", "1.0.0")}, installed("1.0.0"), well, "1.1.0", "1.1.0", nil, ""},
		"a build of the same version":   {State{Pin: pinned("1.0.0", "1.0.0")}, installed("1.0.0"), well, "1.0.0", "1.0.0", nil, ""},
		"older on purpose":              {State{Pin: pinned("0.9.0", "1.0.0")}, installed("1.0.0"), well, "0.9.0", "0.9.0", nil, ""},
		"a newer one was installed":     {State{Pin: pinned("1.1.0", "1.0.0")}, installed("1.2.0"), well, "", "", []string{EventReplaced}, ""},
		"the same one was installed":    {State{Pin: pinned("1.1.0", "1.0.0")}, installed("1.1.0"), well, "", "", []string{EventReplaced}, ""},
		"one between was installed":     {State{Pin: pinned("1.2.0", "1.0.0")}, installed("1.1.0"), well, "1.2.0", "1.2.0", nil, ""},
		"an older one was installed":    {State{Pin: pinned("1.2.0", "1.0.0")}, installed("0.9.0"), well, "1.2.0", "1.2.0", nil, ""},
		"newer than what was left":      {State{Pin: pinned("0.9.0", "1.0.0")}, installed("1.0.1"), well, "", "", []string{EventReplaced}, ""},
		"no number to compare":          {State{Pin: pinned("1.1.0", "1.0.0")}, installed("built today"), well, "1.1.0", "1.1.0", nil, ""},
		"its file is gone":              {State{Pin: pinned("1.1.0", "1.0.0")}, installed("1.0.0"), gone, "", "1.1.0", []string{EventIgnored}, "installed program 1.0.0"},
		"two deaths":                    {State{Pin: pinned("1.1.0", "1.0.0"), Starts: 2, Boot: "b"}, installed("1.0.0"), well, "1.1.0", "1.1.0", nil, ""},
		"three deaths":                  {State{Pin: pinned("1.1.0", "1.0.0"), Starts: 3, Boot: "b"}, installed("1.0.0"), well, "", "", []string{EventReturned}, ""},
		"three deaths in another boot":  {State{Pin: pinned("1.1.0", "1.0.0"), Starts: 3, Boot: "a"}, installed("1.0.0"), well, "1.1.0", "1.1.0", nil, ""},
		"three deaths, and one before":  {State{Pin: pinned("1.2.0", "1.0.0"), Previous: pinned("1.1.0", "1.0.0"), Starts: 3, Boot: "b"}, installed("1.0.0"), well, "1.1.0", "1.1.0", []string{EventReturned}, ""},
		"three deaths, no way back":     {State{Pin: pinned("1.1.0", "1.0.0"), Starts: 3, Boot: "b"}, Installed{Version: "1.0.0", Schema: 11, Boot: "b", Least: func() (int64, error) { return 12, nil }}, well, "1.1.0", "1.1.0", nil, ""},
		"three deaths, manifest locked": {State{Pin: pinned("1.1.0", "1.0.0"), Starts: 3, Boot: "b"}, Installed{Version: "1.0.0", Schema: 12, Boot: "b", Least: func() (int64, error) { return 0, errors.New("locked") }}, well, "1.1.0", "1.1.0", nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.state
			got := Choose(&s, test.in, test.intact)
			became, after := "", ""
			if got.Version != nil {
				became = got.Version.Version
			}
			if s.Pin != nil {
				after = s.Pin.Version.Version
			}
			var notes []string
			for _, n := range s.Notes {
				notes = append(notes, n.Event)
			}
			if became != test.want || after != test.after || !cmp.Equal(notes, test.notes) {
				t.Errorf("becomes %q, pinned %q, notes %v; want %q, %q, %v", became, after, notes, test.want, test.after, test.notes)
			}
			if !strings.Contains(got.Warning, test.warns) || (got.Warning == "") != (test.warns == "") {
				t.Errorf("warning %q, want %q", got.Warning, test.warns)
			}
			if test.want != "" && (s.Starts == 0 || s.Boot != test.in.Boot) {
				t.Errorf("the start is not counted: %d in %q", s.Starts, s.Boot)
			}
			if _, failed := s.Failed(test.state.pinVersion()); failed != (len(notes) > 0 && notes[0] == EventReturned) {
				t.Errorf("noted as failed: %v", failed)
			}
		})
	}
}

func (s State) pinVersion() string {
	if s.Pin == nil {
		return ""
	}
	return s.Pin.Version.Version
}

// A version that ends at each start is left after three, whatever happens to the
// one before it.
func TestChoose_deathAfterDeath(t *testing.T) {
	t.Parallel()
	s := State{}
	s.Confirm(pinned("1.1.0", "").Version, Origin{Version: "1.0.0"})
	s.Confirm(pinned("1.2.0", "").Version, Origin{Version: "1.0.0"})
	var ran []string
	for range 8 {
		c := Choose(&s, installed("1.0.0"), well)
		if c.Version == nil {
			ran = append(ran, "installed")
		} else {
			ran = append(ran, c.Version.Version)
		}
	}
	want := []string{"1.2.0", "1.2.0", "1.2.0", "1.1.0", "1.1.0", "1.1.0", "installed", "installed"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Error(diff)
	}
}

func TestState_onDisk(t *testing.T) {
	t.Parallel()
	dir, err := hostdir.At(t.TempDir())
	if err == nil {
		err = dir.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Read(dir); err != nil || s.Pin != nil {
		t.Fatalf("without a file: %+v, %v", s, err)
	}
	v := pinned("1.1.0", "").Version
	if err := Change(dir, func(s *State) { s.Fail(v, "it hangs"); s.Confirm(v, Origin{Version: "1.0.0"}) }); err != nil {
		t.Fatal(err)
	}
	s, err := Read(dir)
	if err != nil || s.Pin == nil || s.Pin.Version != v || s.Pin.Over != "1.0.0" || len(s.Failures) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	if info, err := os.Stat(dir.Self()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	if err := os.WriteFile(dir.Self(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a damaged file was read")
	}
	if err := Change(dir, func(s *State) { s.Pin = nil }); err == nil {
		t.Error("a damaged file was written over")
	}
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Remove(dir.Self()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, dir.Self()); err != nil {
		t.Fatal(err)
	}
	if err := Change(dir, func(*State) {}); !errors.Is(err, hostdir.ErrNotPlain) {
		t.Errorf("a link: %v", err)
	}
}

// U7: what is started is what was confirmed.
func TestIntact_U7_changedProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("good"), 0o700); err != nil {
		t.Fatal(err)
	}
	sum, err := Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	v := Version{Version: "1.1.0", Program: path, SHA256: sum}
	if err := Intact(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("evil"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Intact(v); !errors.Is(err, ErrChanged) {
		t.Errorf("changed: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Intact(v); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("removed: %v", err)
	}
	if err := os.Symlink("/bin/true", path); err != nil {
		t.Fatal(err)
	}
	if err := Intact(v); !errors.Is(err, hostdir.ErrNotPlain) {
		t.Errorf("a link: %v", err)
	}
}

// An older version may write the file, and a newer one read it.
func TestOrigin_environment(t *testing.T) {
	want := Origin{Program: "/opt/with space/x=y", Version: "1.0.0"}
	name, value, _ := strings.Cut(want.Env(), "=")
	t.Setenv(name, value)
	got, stands := ReadOrigin(os.Getenv)
	if !stands || got != want {
		t.Errorf("%+v, %v", got, stands)
	}
	if _, again := ReadOrigin(os.Getenv); again {
		t.Error("it stays in the environment")
	}
	if _, err := ParseAbout([]byte(`pipedai-orchestrator 1.0.0`)); err == nil {
		t.Error("text was taken for JSON")
	}
	about := About{Version: "1.1.0", Trial: Protocol}
	data, err := json.Marshal(about)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseAbout(data); err != nil || back != about {
		t.Errorf("%+v, %v", back, err)
	}
}
