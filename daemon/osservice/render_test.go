package osservice

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// odd has what some format takes for its own.
const odd = `a b%h$HOME${X}'"\ü<&>;!^|(x){{.}}`

func plainUnit() Unit {
	return Unit{
		Program: "/opt/pipedai/bin/pipedai-orchestrator", Home: "/home/alice/.pipedai", User: "alice", UserHome: "/home/alice",
		Port: 4599, StopGrace: 5 * time.Minute, Path: "/opt/pipedai/bin:/home/alice/.local/bin:/usr/bin:/bin",
		Log: "/home/alice/.pipedai/orchestrator/service.log",
	}
}

func oddUnit() Unit {
	u := plainUnit()
	u.Program = "/opt/" + odd + "/pipedai-orchestrator"
	u.Home, u.WorkerProgram = "/home/"+odd, "/srv/"+odd+"/pipedai-worker"
	u.Path = SearchPath(u.Program, u.UserHome, "/usr/bin:/bin", ":")
	u.Log = u.Home + "/orchestrator/service.log"
	u.Subgroup = true
	return u
}

func TestRender_C11_golden(t *testing.T) {
	t.Parallel()
	batch := plainUnit()
	batch.Program, batch.Home = `C:\Program Files\100% & more\pipedai-orchestrator.exe`, `C:\Users\Al Ice\.pipedai`
	batch.Path, batch.Log = `C:\Program Files\100% & more;C:\Windows`, batch.Home+`\orchestrator\service.log`
	for name, c := range map[string]struct {
		kind Kind
		unit Unit
	}{
		"systemd.service": {Systemd, plainUnit()}, "systemd-odd.service": {Systemd, oddUnit()},
		"systemd-user.service": {SystemdUser, plainUnit()},
		"launchd.plist":        {Launchd, plainUnit()}, "launchd-odd.plist": {Launchd, oddUnit()},
		"nssm.bat": {NSSM, batch},
	} {
		got, err := Render(c.kind, c.unit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if home, ours := homeOf(got); !ours || home != c.unit.Home {
			t.Errorf("%s: the home is read back as %q, %v", name, home, ours)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (run with -update if it is right):\n%s", name, diff)
		}
	}
}

func TestRender_C11_refusesLineEnds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"/a\nExecStart=/bin/evil", "/a\r", "/a\x00b", "/a\x1b[2J", "/\xff", "/a\u2028b"} {
		for _, kind := range []Kind{Systemd, SystemdUser, Launchd, NSSM} {
			for name, set := range map[string]func(*Unit){
				"program": func(u *Unit) { u.Program = text }, "home": func(u *Unit) { u.Home = text },
				"worker": func(u *Unit) { u.WorkerProgram = text }, "path": func(u *Unit) { u.Path = text },
			} {
				u := plainUnit()
				set(&u)
				if _, err := Render(kind, u); !errors.Is(err, ErrText) {
					t.Errorf("%s with the %s %q: %v", kind, name, text, err)
				}
			}
		}
	}
	u := plainUnit()
	u.Program = `C:\a"b.exe` // no file of Windows has that name
	if _, err := Render(NSSM, u); !errors.Is(err, ErrText) {
		t.Errorf("a double quote: %v", err)
	}
}

// systemd itself finds no fault with the units, whatever the paths.
func TestRender_C11_systemdAnalyze(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no systemd for this system")
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: apt-get install systemd")
	}
	for _, u := range []Unit{plainUnit(), oddUnit()} {
		for _, kind := range []Kind{Systemd, SystemdUser} {
			dir := t.TempDir()
			u.Program = filepath.Join(dir, filepath.Base(filepath.Dir(u.Program)), "pipedai-orchestrator")
			u.User, u.Subgroup = "root", false
			if err := errors.Join(os.MkdirAll(filepath.Dir(u.Program), 0o700), os.WriteFile(u.Program, []byte("#!/bin/sh\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			text, err := Render(kind, u)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, kind.Name()+".service")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			// Without a session there are no user units to look through; the
			// settings are the same.
			out, err := exec.CommandContext(t.Context(), analyze, "verify", "--recursive-errors=no", path).CombinedOutput()
			if err != nil || strings.Contains(string(out), kind.Name()) {
				t.Errorf("%s: %v\n%s\n%s", kind, err, out, text)
			}
		}
	}
}

// The plist, read back by a parser of XML, has what was put in.
func TestRender_99_plistReadsBack(t *testing.T) {
	t.Parallel()
	u := oddUnit()
	text, err := Render(Launchd, u)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	inArray := false
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inArray = inArray || token.Name.Local == "array"
			if inArray && token.Name.Local == "string" {
				var value string
				if err := d.DecodeElement(&value, &token); err != nil {
					t.Fatal(err)
				}
				got = append(got, value)
			}
		case xml.EndElement:
			inArray = inArray && token.Name.Local != "array"
		}
	}
	want := append([]string{u.Program}, u.arguments(Launchd)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, words := range []string{"<key>ExitTimeOut</key>\n\t<integer>360</integer>", "<key>AbandonProcessGroup</key>\n\t<true/>"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is missing", words)
		}
	}
}

func TestSearchPath_98(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ program, home, installers, separator, want string }{
		{"/opt/p/prog", "/home/a", "/usr/bin:/bin:/opt/p", ":", "/opt/p:/home/a/.local/bin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"},
		{"/opt/p/prog", "/home/a", "", ":", "/opt/p:/home/a/.local/bin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"},
		{"/opt/a:b/prog", "/home/a", ".:relative::/bin", ":", "/home/a/.local/bin:/opt/homebrew/bin:/usr/local/bin:/bin"},
		{`C:\Program Files\p\prog.exe`, `C:\Users\a`, `C:\Windows;D:\x y`, ";", `C:\Program Files\p;C:\Windows;D:\x y`},
	} {
		if got := SearchPath(c.program, c.home, c.installers, c.separator); got != c.want {
			t.Errorf("SearchPath(%q, %q):\n got %s\nwant %s", c.program, c.installers, got, c.want)
		}
	}
}
