package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
	"pipedai/internal/sqlitefile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is an output that a server may write to while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// shell runs commands of the program with an environment of its own.
type shell struct {
	t   testing.TB
	env map[string]string
}

func newShell(t testing.TB) *shell {
	t.Helper()
	return &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": filepath.Join(t.TempDir(), "state")}}
}

func (s *shell) deps(stdin string, out, errs io.Writer) *deps {
	transport := &http.Transport{DisableKeepAlives: true} // nothing is left behind
	return &deps{
		Streams: cliutil.Streams{
			In: strings.NewReader(stdin), Out: out, Err: errs,
			Getenv: func(name string) string { return s.env[name] },
		},
		now: time.Now, http: &http.Client{Transport: transport},
	}
}

// run runs one command to its end.
func (s *shell) run(args ...string) (code int, out, errs string) {
	s.t.Helper()
	return s.runWith("", args...)
}

func (s *shell) runWith(stdin string, args ...string) (code int, out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(s.t.Context(), args, s.deps(stdin, &stdout, &stderr))
	return code, stdout.String(), stderr.String()
}

// serve starts a server and returns its address, its output and a function
// that stops it and returns its exit code.
func (s *shell) serve(args ...string) (url string, out *buffer, log *buffer, stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	out, log = &buffer{}, &buffer{}
	d := s.deps("", out, log)
	served := make(chan string, 1)
	d.served = func(url string) { served <- url }
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), d) }()
	stop = sync.OnceValue(func() int { cancel(); return <-ended })
	s.t.Cleanup(func() { stop() })
	select {
	case url = <-served:
	case code := <-ended:
		ended <- code
		s.t.Fatalf("serve ended with %d: %s", code, log)
	}
	return url, out, log, stop
}

// TestServe is a newcomer's first minutes: serve, look around, admit a host,
// run something, stop.
func TestServe(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, out, log, stop := s.serve()
	dir := s.env["PIPEWEAVE_HOME"]

	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	secretToken := strings.TrimSpace(string(token))
	for _, want := range []string{url, "/?token=" + secretToken, "pipeweave.db", "storage", "pipedai-orchestrator connect " + url} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in the greeting:\n%s", want, out)
		}
	}
	if strings.Contains(log.String(), secretToken) {
		t.Error("the token is in the log")
	}
	for _, name := range []string{"admin.token", "secret.key", "serve.json", "pipeweave.db"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}

	// Commands on the same machine find the server and its token by themselves.
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"services"}, "No services"},
		{[]string{"pipelines"}, "No pipelines"},
		{[]string{"runs"}, "No runs"},
		{[]string{"workers"}, "pipedai-orchestrator connect " + url},
		{[]string{"enrollments", "list"}, "No enrollments"},
		{[]string{"db", "status"}, "Pending migrations: 0"},
	} {
		if code, out, errs := s.run(test.args...); code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%v: got %d %s %s, want %q", test.args, code, out, errs, test.want)
		}
	}

	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	start, err := c.DeviceStart(t.Context(), api.DeviceStartRequest{Hostname: "box", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := s.run("enrollments", "approve", strings.ToLower(start.UserCode)); code != 0 || !strings.Contains(out, "Approved: host box (linux) from 127.0.0.1") {
		t.Errorf("approve: got %d %s %s", code, out, errs)
	}
	if code, _, errs := s.run("enrollments", "deny", start.UserCode); code != cliutil.ExitConflict || !strings.Contains(errs, "approved by admin") {
		t.Errorf("deny after approve: got %d %s", code, errs)
	}
	if _, err := c.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "box", OS: "linux", Version: "1.0.0"}); err != nil {
		t.Error(err)
	}
	if code, out, _ := s.run("workers", "--json"); code != 0 || !strings.Contains(out, `"hostname": "box"`) || !json.Valid([]byte(out)) {
		t.Errorf("workers: got %d %s", code, out)
	}
	if code, out, errs := s.run("enrollments", "issue"); code != 0 || !strings.HasPrefix(out, "enr_") || strings.Contains(errs, "enr_") {
		t.Errorf("issue: got %d %s %s", code, out, errs)
	}

	// A second server on the same folder, and one on the same port.
	if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0"); code != cliutil.ExitConflict || !strings.Contains(errs, fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("same folder: got %d %s", code, errs)
	}
	other := newShell(t)
	if code, _, errs := other.run("serve", "--addr", strings.TrimPrefix(url, "http://")); code != cliutil.ExitConflict || !strings.Contains(errs, "in use by") {
		t.Errorf("same port: got %d %s", code, errs)
	}

	if code := stop(); code != 0 {
		t.Errorf("stop: got %d, want 0\n%s", code, log)
	}
	if code, _, errs := s.run("services"); code != 1 || !strings.Contains(errs, "Error: Orchestrator URL required") {
		t.Errorf("after the stop: got %d %s", code, errs)
	}

	// It finds its state again, and keeps its token.
	_, out, _, stop = s.serve()
	if !strings.Contains(out.String(), secretToken) {
		t.Error("a restart made another token")
	}
	if code, out, _ := s.run("workers"); code != 0 || !strings.Contains(out, "box") {
		t.Errorf("workers after a restart: got %d %s", code, out)
	}
	if code := stop(); code != 0 {
		t.Errorf("second stop: got %d", code)
	}
}

// pushed is a worker that takes dispatches and reports what outcome says; nil
// is a worker that never reports.
func pushed(t testing.TB, engineURL func() string, outcome func(api.Dispatch) *api.CallbackRequest) *http.Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var reports sync.WaitGroup
	server := &http.Server{Addr: "http://" + listener.Addr().String(), ReadHeaderTimeout: time.Minute}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d api.Dispatch
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"acknowledged":true,"runId":%q}`, d.RunID)
		outcome := outcome(d)
		if outcome == nil {
			return // never to be heard of again
		}
		reports.Go(func() {
			c := client.New(engineURL(), client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			if _, err := c.Callback(context.Background(), d.RunID, *outcome); err != nil {
				t.Error(err)
			}
		})
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended; reports.Wait() })
	return server
}

// TestTrigger_wait: the exit code and the words tell how a run ended.
func TestTrigger_wait(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	worker := pushed(t, func() string { return url }, func(d api.Dispatch) *api.CallbackRequest {
		switch d.TaskID {
		case "bad":
			no := false
			return &api.CallbackRequest{Status: "failed", Error: "the paper is blank", Retryable: &no}
		case "slow":
			return nil
		}
		return &api.CallbackRequest{Status: "success"}
	})
	defer stop()

	register := fmt.Sprintf(`{"serviceId":"svc","version":"1","baseUrl":%q,"tasks":[
		{"id":"good","codeHash":"1","allowedNext":["after"]},{"id":"after","codeHash":"1"},
		{"id":"bad","codeHash":"1"},{"id":"slow","codeHash":"1"}]}`, worker.Addr)
	resp, err := http.Post(url+"/api/register", "application/json", strings.NewReader(register)) //nolint:noctx // ends with the server
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("register: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()

	code, out, errs := s.run("trigger", "good", "--wait", "--timeout", "30s", "--input", `{"a":1}`)
	if code != 0 || !strings.Contains(out, "completed in") || !strings.Contains(errs, "good          completed  ") || !strings.Contains(errs, "after         completed  ") {
		t.Errorf("completed: got %d\n%s\n%s", code, out, errs)
	}
	code, out, errs = s.run("trigger", "bad", "--wait", "--timeout", "30s")
	if code != 1 || !strings.Contains(out, "failed in") || !strings.Contains(errs, "bad           failed  the paper is blank") {
		t.Errorf("failed: got %d\n%s\n%s", code, out, errs)
	}
	code, out, _ = s.run("trigger", "svc", "--wait", "--timeout", "1s", "--failure-mode", "continue", "--json")
	if code != exitWaitOver || out != "" {
		t.Errorf("not over in time: got %d\n%s", code, out)
	}
	code, out, _ = s.runWith(`{"from":"stdin"}`, "trigger", "good", "--file", "-", "--wait", "--json", "--timeout", "30s")
	var run api.RunDetail
	if err := json.Unmarshal([]byte(out), &run); code != 0 || err != nil || run.Status != "completed" {
		t.Fatalf("json: got %d, %v\n%s", code, err, out)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status", run.ID}, 0, "completed in"},
		{[]string{"status", run.Tasks[0].ID}, 0, "Task:     good (code version 1)"},
		{[]string{"status", "prun_none"}, 1, "Run not found"},
		{[]string{"runs", "--status", "failed"}, 0, "failed"},
		{[]string{"pipelines", "show", "good"}, 0, "1. good (entry)\n  2. after (end)"},
		{[]string{"services"}, 0, "• svc (1)  4 tasks  last seen just now"},
		{[]string{"trigger", "none"}, 1, "Pipeline not found"},
		{[]string{"trigger", "good", "--input", "{"}, cliutil.ExitUsage, "the input is not JSON"},
		{[]string{"__complete", "trigger", ""}, 0, "good\n"},
	} {
		code, out, errs := s.run(test.args...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("%v: got %d\n%s%s\nwant %d %q", test.args, code, out, errs, test.code, test.want)
		}
	}
}

// TestServe_refuses starts that cannot go well, and changes nothing.
func TestServe_refuses(t *testing.T) {
	t.Parallel()
	t.Run("database of a newer version", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		if code, _, errs := s.run("db", "init"); code != 0 {
			t.Fatalf("db init: got %d %s", code, errs)
		}
		path := filepath.Join(s.env["PIPEWEAVE_HOME"], "pipeweave.db")
		db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Writer.ExecContext(t.Context(), "insert into engine_migrations (version_id, is_applied) values (9999, 1)"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		code, out, errs := s.run("serve", "--addr", "127.0.0.1:0")
		if code != 1 || !strings.Contains(errs, "written by a newer version of pipeweave; nothing was changed") || out != "" {
			t.Errorf("got %d %s %s", code, out, errs)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the database changed (%v)", err)
		}
	})
	t.Run("state folder that is a file", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0", "--data-dir", file); code != 1 || !strings.Contains(errs, "--data-dir") {
			t.Errorf("got %d %s", code, errs)
		}
	})
	t.Run("storage of an unknown kind", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		s.env["STORAGE_BACKENDS"] = `[{"id":"a","provider":"floppy","endpoint":"","bucket":"b","credentials":{}}]`
		if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0"); code != 1 || !strings.Contains(errs, `"floppy" is not supported`) {
			t.Errorf("got %d %s", code, errs)
		}
	})
}

// TestServeConfig: flag before environment before default, and every problem
// at once.
func TestServeConfig(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	resolve := func(env map[string]string, args ...string) (serveConfig, int, string) {
		var got serveConfig
		s := &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": home}}
		for name, value := range env {
			s.env[name] = value
		}
		var errs bytes.Buffer
		d := s.deps("", io.Discard, &errs)
		cmd := newServeCmdFunc(d, func(_ context.Context, _ *deps, c serveConfig) error { got = c; return nil })
		return got, cliutil.Run(t.Context(), cmd, d.Streams, args), errs.String()
	}
	check := func(name string, env map[string]string, args []string, want func(serveConfig) bool) {
		t.Helper()
		var got serveConfig
		s := &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": home}}
		for key, value := range env {
			s.env[key] = value
		}
		var errs bytes.Buffer
		d := s.deps("", io.Discard, &errs)
		cmd := newServeCmdFunc(d, func(_ context.Context, _ *deps, c serveConfig) error { got = c; return nil })
		if code := cliutil.Run(t.Context(), cmd, d.Streams, args); code != 0 || !want(got) {
			t.Errorf("%s: got %d %s %+v", name, code, errs.String(), got)
		}
	}
	check("defaults", nil, nil, func(c serveConfig) bool {
		return c.host == "127.0.0.1" && c.port == 3000 && c.mode == "standalone" && c.maxConcurrency == 10 &&
			c.pollInterval == time.Second && c.state.dir == home && !c.requireToken && c.defaultBackend == "local" && c.secret == ""
	})
	check("environment", map[string]string{
		"PORT": "4000", "MODE": "serverless", "MAX_CONCURRENCY": "3", "POLL_INTERVAL_MS": "250", "DATABASE_URL": "postgres://h/db",
		"PIPEWEAVE_SECRET_KEY": strings.Repeat("a", 64), "AUTO_MIGRATE": "true", "LOG_LEVEL": "debug",
	}, nil, func(c serveConfig) bool {
		return c.port == 4000 && c.mode == "serverless" && c.maxConcurrency == 3 && c.pollInterval == 250*time.Millisecond &&
			c.databaseURL == "postgres://h/db" && c.autoMigrate && c.logLevel == "normal" && len(c.warnings) == 1
	})
	check("flags win", map[string]string{"PORT": "4000", "MODE": "serverless"}, []string{"--addr", "127.0.0.1:5", "--mode", "standalone"}, func(c serveConfig) bool {
		return c.port == 5 && c.mode == "standalone"
	})
	check("public", nil, []string{"--addr", "0.0.0.0:80", "--require-token", "--public-url", "https://Hub.test/", "--allow-host", "HUB:80"}, func(c serveConfig) bool {
		names := c.names(80)
		return cmp.Equal(names, []string{"127.0.0.1:80", "localhost:80", "[::1]:80", "hub.test", "hub:80"}) &&
			strings.Contains(strings.Join(c.origins(names), " "), "https://hub.test")
	})
	check("flagged backend", map[string]string{"STORAGE_BACKENDS": `[{"id":"a","provider":"local","bucket":"x"},{"id":"b","provider":"local","bucket":"x","isDefault":true}]`}, nil, func(c serveConfig) bool {
		return c.defaultBackend == "b" && c.backends[0].ID == "a"
	})

	for want, args := range map[string][]string{
		"no sign-in is required":                     {"--addr", "0.0.0.0:80"},
		"is not host:port":                           {"--addr", "nonsense"},
		"is not standalone or serverless":            {"--mode", "both"},
		`max concurrency "0"`:                        {"--max-concurrency", "0"},
		"poll interval":                              {"--poll-interval", "soon"},
		"public URL":                                 {"--public-url", "hub"},
		"default storage backend 'none' not found":   {"--default-storage-backend", "none"},
		"not a JSON array":                           {"--storage-backends", "{}"},
		"secret key: read secret":                    {"--secret-key-file", "/does/not/exist"},
		"unknown flag: --colour":                     {"--colour"},
		"at least one storage backend must be confi": {"--storage-backends", "[]"},
	} {
		if _, code, errs := resolve(nil, args...); code != cliutil.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: got %d %s, want %q", args, code, errs, want)
		}
	}
	_, _, errs := resolve(nil, "--mode", "both", "--max-concurrency", "x")
	if !strings.Contains(errs, "both") || !strings.Contains(errs, "max concurrency") {
		t.Errorf("only one problem was told: %s", errs)
	}
}

// TestTrigger_flags: what the flags mean.
func TestTrigger_flags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		code int
		want triggerOptions
	}{
		{"pdf", 0, triggerOptions{pipeline: "pdf"}},
		{"pdf -i {} -w --timeout 5m", 0, triggerOptions{pipeline: "pdf", input: "{}", wait: true, timeout: 5 * time.Minute}},
		{"pdf -p 0", 0, triggerOptions{pipeline: "pdf", hasPriority: true}},
		{"pdf -f in.json -u http://h --json", 0, triggerOptions{pipeline: "pdf", file: "in.json", json: true, remote: remote{url: "http://h"}}},
		{"", cliutil.ExitUsage, triggerOptions{}},
		{"a b", cliutil.ExitUsage, triggerOptions{}},
		{"pdf -i {} -f x", cliutil.ExitUsage, triggerOptions{}},
		{"pdf --timeout -1s", cliutil.ExitUsage, triggerOptions{}},
		{"pdf --timeout soon", cliutil.ExitUsage, triggerOptions{}},
	} {
		var got triggerOptions
		s := newShell(t)
		d := s.deps("", io.Discard, io.Discard)
		cmd := newTriggerCmdFunc(d, func(_ context.Context, _ *deps, o triggerOptions) error { got = o; return nil })
		code := cliutil.Run(t.Context(), cmd, d.Streams, strings.Fields(test.args))
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(triggerOptions{}, remote{})); code != test.code || diff != "" {
			t.Errorf("%q: got %d (-want +got):\n%s", test.args, code, diff)
		}
	}
}

// TestConnect: a token goes to the server it belongs to, and to no other.
func TestConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000", true},
		{"http://localhost:3000/", "http://127.0.0.1:3000", true},
		{"http://localhost:3001", "http://127.0.0.1:3000", false},
		{"https://localhost:3000", "http://127.0.0.1:3000", false},
		{"http://evil.test:3000", "http://127.0.0.1:3000", false},
		{"http://127.0.0.1:3000", "", false},
	} {
		if got := sameServer(test.a, test.b); got != test.want {
			t.Errorf("%s and %s: got %v, want %v", test.a, test.b, got, test.want)
		}
	}
	s := newShell(t)
	if code, _, errs := s.run("services", "-u", "ftp://h"); code != cliutil.ExitUsage || !strings.Contains(errs, "not an http or https address") {
		t.Errorf("got %d %s", code, errs)
	}
	if code, _, errs := s.run("services", "-u", "http://127.0.0.1:1"); code != cliutil.ExitNotRunning {
		t.Errorf("nobody there: got %d %s", code, errs)
	}
	if code, _, errs := s.run("services", "-u", "http://127.0.0.1:1", "--token-file", "/does/not/exist"); code != cliutil.ExitAuth {
		t.Errorf("no token file: got %d %s", code, errs)
	}
}

// TestHelp: every command explains itself, and the bare program does not start
// a server.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if code, out, _ := s.run(); code != 0 || !strings.Contains(out, "Next: pipeweave serve") {
		t.Errorf("no arguments: got %d %s", code, out)
	}
	if code, out, _ := s.run("--version"); code != 0 || !strings.HasPrefix(out, "pipeweave ") {
		t.Errorf("--version: got %d %s", code, out)
	}
	if code, _, _ := s.run("nonsense"); code != cliutil.ExitUsage {
		t.Errorf("unknown command: got %d", code)
	}
	if code, out, _ := s.run("db:status", "--help"); code != 0 || !strings.Contains(out, "pipeweave db status") {
		t.Errorf("colon form: got %d %s", code, out)
	}
	var walk func(path ...string)
	walk = func(path ...string) {
		code, out, errs := s.run(append(path, "--help")...)
		if code != 0 || out == "" || errs != "" {
			t.Errorf("%v --help: got %d %q %q", path, code, out, errs)
		}
		cmd, _, err := newRootCmd(s.deps("", io.Discard, io.Discard)).Find(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(append(path[:len(path):len(path)], sub.Name())...)
			}
		}
	}
	walk()
}
