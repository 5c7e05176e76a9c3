package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

func selfOf(state string) api.SelfStatus {
	return api.SelfStatus{Version: buildinfo.Version(), State: state, PID: 4711}
}

func workerOf(id, label string) api.FusedWorker {
	pid := 12
	return api.FusedWorker{ID: id, Label: label, APIURL: "https://c.example.com", Local: &api.LocalStatus{ID: id, State: "running", PID: &pid}}
}

func TestPick(t *testing.T) {
	t.Parallel()
	workers := []api.FusedWorker{workerOf("w1", "box"), workerOf("w10", "boxer"), workerOf("w2", "w1"), workerOf("x1", "twin"), workerOf("x2", "twin"), workerOf("x3", "ünï 漢字")}
	d := newDeps(cliutil.Streams{Getenv: func(string) string { return "" }})
	for name, want := range map[string]string{"w1": "w1", "box": "w1", "boxe": "w10", "w10": "w10", "x2": "x2", "ün": "x3"} {
		if w, err := d.pick(workers, name); err != nil || w.ID != want {
			t.Errorf("%q: %s, %v; want %s", name, w.ID, err, want)
		}
	}
	for name, code := range map[string]int{"": 1, "nobody": 1, "twin": 2, "bo": 2, "x": 2} {
		_, err := d.pick(workers, name)
		if got, _, fix := cliutil.Explain(err); got != code || fix == "" {
			t.Errorf("%q: %v, exit code %d, want %d; fix %q", name, err, got, code, fix)
		}
	}
	if all, err := d.pickAll(workers, []string{"box", "w1", "boxer"}); err != nil || len(all) != 2 {
		t.Errorf("twice the same: %v, %v", all, err)
	}
}

// Several at once: each is told of, and one wrong name changes nothing.
func TestVerbs_several(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"), workerOf("w2", "mill"))
	routes["POST /api/workers/w1/stop"] = api.ActionResult{ID: "w1", Action: "stop", OK: true}
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	tm.run(t, "stop", "box", "nobody").want(t, 1, "no worker has")
	r := tm.run(t, "stop", "box", "mill")
	r.want(t, 1, "box is stopped", "mill: Not found", "1 of 2 workers could not be stopped")

	r = tm.run(t, "stop", "--all", "--json")
	var got verbResults
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got.Items) != 2 || !got.Items[0].OK || got.Items[1].OK || got.Items[1].Code != api.CodeNotFound || r.code != 1 {
		t.Errorf("%d %s", r.code, r.out)
	}
}

// delete asks a person, and does nothing where nobody can answer.
func TestDelete_asks(t *testing.T) {
	t.Parallel()
	run := "run_1"
	busy := workerOf("w1", "box")
	busy.CurrentRunID = &run
	routes := selfRoutes(selfOf("running"), busy)
	routes["DELETE /api/workers/w1"] = api.ActionResult{ID: "w1", Action: "delete", OK: true}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tty   bool
		stdin string
		args  []string
		code  int
		texts []string
	}{
		"nobody there":     {args: []string{"box"}, code: 2, texts: []string{"say --yes"}},
		"yes given":        {args: []string{"box", "--yes"}, texts: []string{"box is deleted"}},
		"says yes":         {tty: true, stdin: "yes\n", args: []string{"box"}, texts: []string{"is revoked", "Run run_1 is in flight", "box is deleted"}},
		"says no":          {tty: true, stdin: "no\n", args: []string{"box"}, code: 1, texts: []string{"nothing was deleted"}},
		"says nothing":     {tty: true, args: []string{"box"}, code: 1, texts: []string{"nothing was deleted"}},
		"all, says yes":    {tty: true, stdin: "yes\n", args: []string{"--all"}, code: 1, texts: []string{"Type " + hostname}},
		"all, by name":     {tty: true, stdin: hostname + "\n", args: []string{"--all"}, texts: []string{"box is deleted"}},
		"dry run":          {args: []string{"box", "--dry-run"}, texts: []string{"is revoked", "Nothing was done"}},
		"json, nobody":     {tty: true, args: []string{"box", "--json"}, code: 2, texts: []string{"say --yes"}},
		"json, a dry run":  {args: []string{"box", "--json", "--dry-run"}, texts: []string{`"currentRunId": "run_1"`}},
		"json, yes given":  {args: []string{"box", "--json", "-y"}, texts: []string{`"action": "delete"`}},
		"nobody's all":     {args: []string{"--all"}, code: 2, texts: []string{"say --yes"}},
		"neither":          {code: 2, texts: []string{"name workers, or say --all"}},
		"both":             {args: []string{"--all", "box"}, code: 2, texts: []string{"name workers, or say --all"}},
		"an unknown one":   {args: []string{"nobody", "--yes"}, code: 1, texts: []string{"no worker has"}},
		"a bad wait":       {args: []string{"box", "--yes", "--timeout", "-1s"}, code: 2, texts: []string{"must not be negative"}},
		"a wait for never": {args: []string{"box", "--yes", "--timeout", "never"}, code: 2, texts: []string{"invalid argument"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			tm.tty, tm.stdin = tt.tty, tt.stdin
			fakeDaemon(t, tm, buildinfo.Version(), routes)
			tm.run(t, append([]string{"delete"}, tt.args...)...).want(t, tt.code, tt.texts...)
		})
	}
}

// A worker that does not end: patience ends with 5, an interrupt with 130, and
// both say that the stop goes on.
func TestStop_C4_waits(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
	tm.run(t, "connect", "--api-url", p.URL, "--label", stubborn).want(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0", "--stop-grace", "5s") }()
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, stubborn+"\trunning\t") })
	until(t, func() bool { return strings.Contains(tm.run(t, "logs", stubborn).out, "worker is up") })

	tm.run(t, "stop", stubborn, "--timeout", "200ms").want(t, cliutil.ExitTimeout, "goes on without this command", "stop of stubborn")
	tm.run(t, "list").want(t, 0, "draining")
	interrupted, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, interrupt)
	stopOut, stopErr := &buffer{}, &buffer{}
	if code := tm.runTo(interrupted, stopOut, stopErr, "stop", stubborn, "--wait"); code != cliutil.ExitInterrupted || !strings.Contains(stopErr.String(), "goes on") {
		t.Errorf("exit code %d: %s", code, stopErr)
	}
	tm.run(t, "stop", stubborn, "--now").want(t, 0, "stubborn is stopped")
	// The daemon ends as an interrupt would end it.
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d: %s", code, errs)
	}
}

// Flag, environment, file, default: in this order, and config show proves it.
func TestConfig_C10_precedence(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	file := filepath.Join(tm.home, "orchestrator", "config.yaml")
	origin := func(key string, args ...string) (string, string) {
		t.Helper()
		r := tm.run(t, append([]string{"config", "show", "--json"}, args...)...)
		var got struct{ Items []settingView }
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatalf("%v: %s%s", err, r.out, r.err)
		}
		for _, v := range got.Items {
			if v.Key == key {
				return v.Value, v.Origin
			}
		}
		t.Fatalf("no setting %s", key)
		return "", ""
	}
	check := func(value, from string, args ...string) {
		t.Helper()
		if v, o := origin("port", args...); v != value || o != from {
			t.Errorf("got %s from %s, want %s from %s", v, o, value, from)
		}
	}
	check("4599", "default")
	write(t, file, "# of the team\nport: 4601 # theirs\nstopGrace: 90s\n")
	check("4601", "file "+file)
	tm.env["PIPEDAI_PORT"] = "4602"
	check("4602", "environment PIPEDAI_PORT")
	check("4603", "flag --port", "--port", "4603")
	tm.run(t, "config", "show", "--origin").want(t, 0, "environment PIPEDAI_PORT", "file "+file)

	// What is written says when something else counts.
	tm.run(t, "config", "set", "port", "4604").want(t, 0, "port is 4602 now (environment PIPEDAI_PORT)")
	delete(tm.env, "PIPEDAI_PORT")
	check("4604", "file "+file)
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), "# of the team") || !strings.Contains(string(data), "stopGrace: 90s") {
		t.Errorf("the rest of the file: %s, %v", data, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	tm.run(t, "config", "unset", "port").want(t, 0, "port is 4599 now (default)")
	for _, args := range [][]string{
		{"config", "set", "nope", "1"}, {"config", "set", "port", "abc"}, {"config", "set", "home", "/x"}, {"config", "set", "stopGrace", "-1s"},
		{"config", "unset", "nope"}, {"config", "show", "--port", "abc"}, {"config", "show", "--config", "/no/such/file"},
		{"start", "--config", "/no/such/file"},
	} {
		if r := tm.run(t, args...); r.code != cliutil.ExitUsage || r.err == "" || r.out != "" {
			t.Errorf("%q: %d %s%s", args, r.code, r.out, r.err)
		}
	}
	write(t, file, "prot: 4601\nport: 99999\n")
	tm.run(t, "start").want(t, cliutil.ExitUsage, `no setting "prot"`, "not between 0 and 65535", file)
	tm.env["PIPEDAI_VERBOSE"] = "maybe"
	write(t, file, "port: 0\n")
	tm.run(t, "start").want(t, cliutil.ExitUsage, "PIPEDAI_VERBOSE", "neither true nor false")
}

// The Tab key offers workers, fast, and writes nothing anywhere.
func TestCompletion_C13(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := tm.run(t, "completion", shell); r.code != 0 || len(r.out) < 500 {
			t.Errorf("%s: %d, %d bytes", shell, r.code, len(r.out))
		}
	}
	for _, verb := range []string{"start", "stop", "restart", "enable", "disable", "delete", "logs"} {
		if r := tm.run(t, "__complete", verb, ""); r.code != 0 || !strings.HasPrefix(r.out, ":4") {
			t.Errorf("%s without a daemon: %q", verb, r.out)
		}
	}
	if _, err := os.Stat(tm.home); err == nil {
		t.Error("completing made the home")
	}
	fakeDaemon(t, tm, buildinfo.Version(), selfRoutes(selfOf("running"), workerOf("w1", "box"), workerOf("w2", "mill"), workerOf("w3", "with blanks")))
	// It would rather offer nothing than keep somebody waiting: on a busy
	// machine it takes another press.
	press := func(args ...string) (r result) {
		for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
			if r = tm.run(t, append([]string{"__complete"}, args...)...); r.code != 0 || !strings.HasPrefix(r.out, ":4") {
				break
			}
		}
		return r
	}
	for _, verb := range []string{"start", "stop", "delete", "logs"} {
		r := press(verb, "")
		if !strings.Contains(r.out, "box\t") || !strings.Contains(r.out, "mill\t") || !strings.Contains(r.out, "w3\t") {
			t.Errorf("%s: %q", verb, r.out)
		}
	}
	if r := press("stop", "box", "m"); strings.Contains(r.out, "box\t") || !strings.Contains(r.out, "mill\t") {
		t.Errorf("after box: %q", r.out)
	}
	if r := tm.run(t, "__complete", "config", "set", "st"); !strings.Contains(r.out, "stopGrace") {
		t.Errorf("settings: %q", r.out)
	}
}
