package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

// A service does not start beside a daemon that runs in a terminal: install
// names that one, and changes nothing. Below sudo the daemon is another user's.
func TestInstall_daemonInATerminal(t *testing.T) {
	t.Parallel()
	for name, owner := range map[string]int{"ours": os.Geteuid(), "another user's": 65534} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if owner != os.Geteuid() && os.Geteuid() != 0 {
				t.Skip("only root can give a file to another user")
			}
			tm := newTerminal(t)
			tm.manager = newManager(t, "", "")
			fakeDaemon(t, tm, buildinfo.Version(), nil)
			if owner != os.Geteuid() {
				if err := os.Chown(filepath.Join(tm.home, "orchestrator", "daemon.json"), owner, owner); err != nil {
					t.Fatal(err)
				}
			}
			tm.run(t, "install", "--user").want(t, cliutil.ExitConflict, "not this service", "pid 4711", "Ctrl-C", "detach")
			for _, asked := range tm.manager.asked() {
				if asked != "systemctl --version" { // which is no more than a question
					t.Errorf("the manager was asked: %q", asked)
				}
			}
			if found, err := filepath.Glob(filepath.Join(tm.manager.root, "*", "*")); err != nil || len(found) != 0 {
				t.Errorf("it wrote %q (%v)", found, err)
			}
		})
	}
}

// What is no port is refused before anything happens.
func TestInstall_noPort(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"abc", "-1", "65536", "80.5", ""} {
		for _, command := range [][]string{{"install", "--user"}, {"start"}} {
			tm := newTerminal(t)
			tm.manager = newManager(t, "", "")
			tm.run(t, append(command, "--port", port)...).want(t, cliutil.ExitUsage, "--port")
			if _, err := os.Stat(tm.home); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s --port %q made the home", command[0], port)
			}
			if asked := tm.manager.asked(); len(asked) != 0 {
				t.Errorf("%s --port %q asked the manager: %q", command[0], port, asked)
			}
		}
	}
}

// members decodes the one JSON object that a command printed.
func members(t *testing.T, r result) map[string]any {
	t.Helper()
	r.want(t, 0)
	got := map[string]any{}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	return got
}

// Programs read what install, uninstall and detach print: members are added,
// never renamed.
func TestService_json(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.manager = newManager(t, "", fmt.Sprintf(unitRuns, 4711))
	fakeDaemon(t, tm, buildinfo.Version(), map[string]any{"POST /api/detach": api.Leaving{PID: 4711, By: "systemd-user", Workers: 2}})
	want := func(got, want map[string]any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	take := func(from map[string]any, name string) any {
		value := from[name]
		delete(from, name)
		return value
	}

	shown := members(t, tm.run(t, "install", "--user", "--dry-run", "--json"))
	unit, user, path := take(shown, "unit"), take(shown, "user"), take(shown, "path")
	if unit == nil || user == nil || path == nil {
		t.Errorf("unit %v, user %v, path %v", unit, user, path)
	}
	base := map[string]any{"change": "", "manager": "systemd-user", "service": "pipedai-orchestrator", "home": tm.home}
	want(shown, base)

	for _, change := range []string{"installed", "already"} {
		done := members(t, tm.run(t, "install", "--user", "--json"))
		if take(done, "user") != user || take(done, "path") != path || take(done, "url") == nil {
			t.Errorf("user, path or url: %v", done)
		}
		delete(done, "hint")
		base["change"], base["pid"] = change, 4711.0
		want(done, base)
	}

	left := members(t, tm.run(t, "detach", "--json"))
	delete(left, "startedAt")
	want(left, map[string]any{"pid": 4711.0, "comesBack": false, "by": "systemd-user", "workers": 2.0})

	want(members(t, tm.run(t, "uninstall", "--dry-run", "--json")),
		map[string]any{"removed": false, "dryRun": true, "manager": "systemd-user", "path": path, "workers": "stopped"})
	want(members(t, tm.run(t, "uninstall", "--json")),
		map[string]any{"removed": true, "manager": "systemd-user", "path": path, "workers": "stopped"})
	want(members(t, tm.run(t, "uninstall", "--json")), map[string]any{"removed": false})
}
