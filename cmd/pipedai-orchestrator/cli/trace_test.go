package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/internal/buildinfo"
	"pipedai/internal/hostdir"
)

// Whoever looks at what is sent and answered sees no secret of it.
func TestDebug_holdsNoSecret(t *testing.T) {
	t.Parallel()
	p := newPlane(t, 400)
	tm := newTerminal(t)
	tm.env["PIPEDAI_DEBUG"] = "api"
	r := tm.run(t, "connect", "--api-url", p.URL, "--label", "box", "--no-install")
	r.want(t, 0, "> POST "+p.URL+"/api/v1/enrollments/redeem", "< 200", "< 400", `"deviceCode":"[redacted]"`, "workspaceId")
	var secrets []string
	dir, err := hostdir.At(tm.home)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{dir.Credentials(), dir.WorkerConfig("box")} {
		secrets = append(secrets, secretMembers(file)...)
	}
	if len(secrets) < 2 {
		t.Fatalf("found %d secrets to look for", len(secrets))
	}
	fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(selfOf("running"), workerOf("w1", "box")))
	listed := tm.run(t, "list", "--json")
	listed.want(t, 0, "> GET http://127.0.0.1:", "/api/workers", "Authorization: [redacted]", "< 200")
	if !jsonOnly(listed.out) {
		t.Errorf("it is on standard output: %s", listed.out)
	}
	for _, secret := range append(secrets, "oct_ours", "WDJBMJHT") {
		if strings.Contains(r.err+listed.err, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	delete(tm.env, "PIPEDAI_DEBUG")
	if r := tm.run(t, "list"); strings.Contains(r.err, "> GET") {
		t.Errorf("nobody asked: %s", r.err)
	}
}

// A newer version is told of once a day, to a person, and never among what
// programs read.
func TestUpdateNotice(t *testing.T) {
	t.Parallel()
	self := selfOf("running")
	newest := "99.1.0"
	self.Latest, self.Stale, self.Version = &newest, true, buildinfo.Version()
	told := func(t *testing.T, tm *terminal, args ...string) bool {
		t.Helper()
		r := tm.run(t, args...)
		if r.code != 0 || strings.Contains(r.out, newest+" is out") {
			t.Errorf("%q: %d %s%s", args, r.code, r.out, r.err)
		}
		return strings.Contains(r.err, "Version 99.1.0 is out")
	}
	start := func(t *testing.T) *terminal {
		t.Helper()
		tm := newTerminal(t)
		tm.tty = true
		fakeDaemon(t, tm, self.Version, selfRoutes(self))
		return tm
	}
	tm := start(t)
	if !told(t, tm, "list", "--json") || told(t, tm, "list") {
		t.Error("want it told by the first command alone")
	}
	notice := filepath.Join(tm.home, "orchestrator", "update-notice")
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(notice, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if !told(t, tm, "status") || told(t, tm, "status") {
		t.Error("want it told once again after a day")
	}
	for name, change := range map[string]func(tm *terminal){
		"no terminal": func(tm *terminal) { tm.tty = false }, "CI": func(tm *terminal) { tm.env["CI"] = "true" },
		"switched off": func(tm *terminal) { tm.env["PIPEDAI_NO_UPDATE_NOTIFIER"] = "1" },
	} {
		tm := start(t)
		change(tm)
		if told(t, tm, "list") {
			t.Errorf("%s: told", name)
		}
	}
	if tm := start(t); told(t, tm, "__complete", "stop", "") || told(t, tm, "version") {
		t.Error("told where nobody asked the daemon, or by the Tab key")
	}
}
