package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is what scripts/setup.sh finds: nothing but the programs named here
// and what is below root.
type machine struct{ root, path string }

// The programs of a machine where nothing is missing. Each is a shell script.
var complete = map[string]string{
	"go": "echo go1.26.3", "node": "echo v22.1.0", "npm": "", "git": "", "cc": "",
	"uname": "echo Linux", "id": "echo 1000", "initdb": "", "postgres": "", "chromium": "echo Chromium 140", "systemd-analyze": "",
}

// without takes programs off a machine, with puts others in their place.
func without(names ...string) map[string]string {
	out := map[string]string{}
	for name, script := range complete {
		out[name] = script
	}
	for _, name := range names {
		delete(out, name)
	}
	return out
}

func with(base map[string]string, more map[string]string) map[string]string {
	for name, script := range more {
		base[name] = script
	}
	return base
}

func newMachine(t *testing.T, programs map[string]string) machine {
	t.Helper()
	m := machine{root: t.TempDir(), path: t.TempDir()}
	for name, script := range programs {
		text := fmt.Sprintf("#!/bin/bash\n%s\n", script)
		if err := os.WriteFile(filepath.Join(m.path, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What every system has, and the script uses.
	for _, name := range []string{"bash", "sort", "head", "sed", "grep", "mkdir", "tee", "env", "touch", "chmod"} {
		found, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(found, filepath.Join(m.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m machine) setup(t *testing.T, what string) result {
	t.Helper()
	script, err := filepath.Abs("../scripts/setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", script, what)
	cmd.Env = []string{"PATH=" + m.path, "SETUP_ROOT=" + m.root, "BIN=" + m.path}
	p := startCmd(t, cmd, "scripts/setup.sh "+what)
	code := p.wait(t)
	return result{code, p.out.String(), p.err.String()}
}

// An apt-get that notes what it is told and installs what it knows.
const aptGet = `echo "$@" >>"$SETUP_ROOT/apt.log"
for last; do :; done
pg=$SETUP_ROOT/usr/lib/postgresql/17/bin
case "$1 $last" in
  "install postgresql") mkdir -p $pg && touch $pg/initdb $pg/postgres && chmod +x $pg/initdb $pg/postgres ;;
  "install chromium") printf '#!/bin/bash\n' >"$BIN/chromium" && chmod +x "$BIN/chromium" ;;
esac`

func TestSetupScript(t *testing.T) {
	t.Parallel()
	const (
		typePostgres = "sudo apt-get update && sudo apt-get install -y postgresql"
		typeChromium = "sudo apt-get update && sudo apt-get install -y chromium"
	)
	bare := func(more map[string]string) map[string]string {
		return with(without("initdb", "postgres", "chromium"), more)
	}
	for name, tc := range map[string]struct {
		programs map[string]string
		what     string
		release  string // of /etc/os-release
		code     int
		says     []string
		installs []string // nil: apt-get must not be called
	}{
		"everything is there":        {programs: without(), what: "test"},
		"make run needs no database": {programs: bare(nil), what: "run"},
		"no Go":                      {programs: without("go"), what: "run", code: 1, says: []string{"go: not found", "https://go.dev/dl/"}},
		"an old Go":                  {programs: with(without(), map[string]string{"go": "echo go1.9.7"}), what: "run", code: 1, says: []string{"version 1.9.7 is too old"}},
		"an old Node":                {programs: with(without(), map[string]string{"node": "echo v20.9.0"}), what: "run", code: 1, says: []string{"version 20.9.0 is too old", "https://nodejs.org/"}},
		"no compiler":                {programs: without("cc"), what: "run", code: 1, says: []string{"sudo apt-get install -y gcc libc6-dev"}},
		"everything missing at once": {programs: without("go", "node", "git"), what: "run", code: 1, says: []string{"go:", "node:", "git:"}},
		"root installs":              {programs: bare(map[string]string{"id": "echo 0", "apt-get": aptGet}), what: "test", installs: []string{"postgresql", "chromium"}},
		"sudo without password":      {programs: bare(map[string]string{"sudo": "shift\nexec \"$@\"", "true": "", "apt-get": aptGet}), what: "test", installs: []string{"postgresql", "chromium"}},
		"only what is missing":       {programs: with(without("chromium"), map[string]string{"id": "echo 0", "apt-get": aptGet}), what: "test", installs: []string{"chromium"}},
		"sudo asks for a password":   {programs: bare(map[string]string{"sudo": "exit 1", "apt-get": aptGet}), what: "test", code: 1, says: []string{typePostgres, typeChromium, "run the same command again"}},
		"neither root nor sudo":      {programs: bare(map[string]string{"apt-get": aptGet}), what: "test", code: 1, says: []string{typePostgres, typeChromium}},
		"root, and apt-get fails":    {programs: bare(map[string]string{"id": "echo 0", "apt-get": "exit 100"}), what: "test", code: 1, says: []string{typePostgres, typeChromium}},
		"Ubuntu without snap":        {programs: with(without("chromium"), map[string]string{"chromium-browser": "exit 1"}), what: "test", release: "ID=ubuntu\n", code: 1, says: []string{"google-chrome-stable_current_amd64.deb"}},
		"macOS":                      {programs: bare(map[string]string{"uname": "echo Darwin"}), what: "test", code: 1, says: []string{"brew install postgresql@", "brew install --cask chromium"}},
		"macOS without a compiler":   {programs: with(without("cc"), map[string]string{"uname": "echo Darwin"}), what: "run", code: 1, says: []string{"xcode-select --install"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, tc.programs)
			if tc.release != "" {
				if err := os.MkdirAll(filepath.Join(m.root, "etc"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(m.root, "etc", "os-release"), []byte(tc.release), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := m.setup(t, tc.what)
			if r.code != tc.code {
				t.Errorf("exit code %d, want %d\n%s", r.code, tc.code, r.both())
			}
			for _, want := range tc.says {
				if !strings.Contains(r.err, want) {
					t.Errorf("it does not say %q:\n%s", want, r.err)
				}
			}
			if tc.code == 0 && tc.installs == nil && r.both() != "" {
				t.Errorf("nothing is missing, and it says:\n%s", r.both())
			}
			log, _ := os.ReadFile(filepath.Join(m.root, "apt.log"))
			var installed []string
			for line := range strings.Lines(string(log)) {
				if words := strings.Fields(line); words[0] == "install" {
					installed = append(installed, words[len(words)-1])
				}
			}
			if strings.Join(installed, " ") != strings.Join(tc.installs, " ") {
				t.Errorf("apt-get was told to install %q, want %q", installed, tc.installs)
			}
		})
	}
}
