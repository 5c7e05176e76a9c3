package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

func TestUpgradeSelf_flags(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	for _, args := range []string{
		"--self box", "--self --all", "--self --npm", "--self --drain-timeout 1m", "--self --timeout -1s",
		"--self --version 1.0.0 --from-local x", "--self --rollback --version 1.0.0", "--api-url https://a.test box",
	} {
		r := tm.run(t, append([]string{"upgrade"}, strings.Fields(args)...)...)
		if r.code != cliutil.ExitUsage || r.err == "" {
			t.Errorf("%q: exit code %d, %s", args, r.code, r.err)
		}
	}
	tm.run(t, "upgrade", "--self").want(t, cliutil.ExitNotRunning)
}

// Whatever keeps the confirmed version from being started, a daemon is.
func TestLaunch_whatIsInTheWay(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	dir, err := hostdir.At(tm.home)
	if err == nil {
		err = dir.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	gone := launch.Version{Version: "99.0.0", Program: filepath.Join(tm.home, "gone"), SHA256: strings.Repeat("0", 64)}
	pin := func(s *launch.State) {
		s.Confirm(gone, launch.Origin{Program: "/usr/bin/x", Version: buildinfo.Version()})
	}
	if err := launch.Change(dir, pin); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "version").want(t, 0, "upgraded to 99.0.0, but its file", "this program runs in its place")
	// A port that nobody may listen on ends the daemon right after the choice.
	tm.run(t, "start", "--host", "192.0.2.1").want(t, cliutil.ExitUsage, "is missing", "installed program "+buildinfo.Version()+" runs instead")
	if st, err := launch.Read(dir); err != nil || len(st.Notes) != 1 || st.Pin == nil {
		t.Errorf("%+v, %v", st, err)
	}
	if err := os.WriteFile(dir.Self(), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "start", "--host", "192.0.2.1").want(t, cliutil.ExitUsage, "is damaged", "runs itself")
}

// An older program names the copy from before the change that it cannot follow,
// and the command that brings it back.
func TestManifest_U14_restore(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	dir, err := hostdir.At(tm.home)
	if err == nil {
		err = dir.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	tm.run(t, "manifest", "backups").want(t, 0, "There is none")
	tm.run(t, "manifest", "restore").want(t, cliutil.ExitFailed, "no copy that this program can work with")
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(dir.Manifest())
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir.Orchestrator(), "backups"), 0o700)
	}
	backup := filepath.Join(dir.Orchestrator(), "backups", "manifest-schema12-20260101T000000.000Z.db")
	if err == nil {
		err = os.WriteFile(backup, copied, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := newDeps(cliutil.Streams{Getenv: func(string) string { return "" }}).explainHome(&manifest.NewerError{Schema: manifest.Schema{Version: 900, Least: 900}, Known: 12, Backup: backup})
	if _, said, fix := cliutil.Explain(text); !strings.Contains(said, backup) || !strings.Contains(fix, "manifest restore "+backup) {
		t.Errorf("%s\n%s", said, fix)
	}
	tm.run(t, "manifest", "backups").want(t, 0, filepath.Base(backup), "12")
	tm.run(t, "manifest", "restore", "--json").want(t, 0, `"restored"`, `"replaced"`)
	tm.run(t, "manifest", "restore", backup).want(t, 0, "is what it was in "+backup, "pipedai-orchestrator")
}
