package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/storage"
	"pipedai/storage/local"
	"pipedai/worker"
)

func TestRun_badInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good.json"), `{"workerId":"w","workerToken":"wkt_x","apiUrl":"http://127.0.0.1:1"}`, 0o600)
	notJSON := write(t, filepath.Join(dir, "bad.json"), `{"workerId":`, 0o600)
	write(t, filepath.Join(dir, "script"), "#!/bin/sh\n", 0o600)
	write(t, filepath.Join(dir, "fails"), "#!/bin/sh\necho no way >&2\nexit 3\n", 0o700)
	write(t, filepath.Join(dir, "lies"), "#!/bin/sh\necho '{}'\n", 0o700)
	for name, tt := range map[string]struct {
		yaml string
		says string
	}{
		"unknown key":      {"service: s\nversion: 1\ntasks:\n  - id: a\n    comand: [x]\n", `line 5: unknown key "comand"; known keys: id, command`},
		"unknown top key":  {"service: s\ntask: []\n", `line 2: unknown key "task"; known keys: service`},
		"no service":       {"tasks:\n  - id: a\n    command: [sh]\n", "names no service"},
		"no tasks":         {"service: s\n", "neither tasks nor programs"},
		"empty":            {"", "it is empty"},
		"two documents":    {"service: s\nprograms: [a]\n---\nservice: t\n", "more than one document"},
		"command a text":   {"service: s\ntasks:\n  - id: a\n    command: ls -l\n", "line 4: a list of texts"},
		"no command":       {"service: s\ntasks:\n  - id: a\n", `task "a" has no command`},
		"no id":            {"service: s\ntasks:\n  - command: [sh]\n", "task 1 has no id"},
		"bad duration":     {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    timeout: 5 minutes\n", `line 5: "5 minutes" is not a duration`},
		"negative retries": {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    retries: -1\n", "retries cannot be negative"},
		"half a slot":      {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    concurrency: 1.5\n", "line 5: a whole number"},
		"retries a text":   {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    retries: many\n", "line 5: a whole number"},
		"bad key":          {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    idempotencyKey: [url]\n", `"url" does not name the input`},
		"empty key":        {"service: s\ntasks:\n  - id: a\n    command: [sh]\n    idempotencyKey: []\n", "at least one member"},
		"bad syntax":       {"service: [\n", "line"},
		"twice":            {"service: s\ntasks:\n  - {id: a, command: [sh]}\n  - {id: a, command: [sh]}\n", "twice"},
		"bad id":           {"service: s\ntasks:\n  - {id: a/b, command: [sh]}\n", "an id has"},
		"not on PATH":      {"service: s\ntasks:\n  - {id: a, command: [no-such-program-here]}\n", "not on PATH"},
		"not there":        {"service: s\ntasks:\n  - {id: a, command: [./nothing]}\n", "does not exist"},
		"not executable":   {"service: s\ntasks:\n  - {id: a, command: [./script]}\n", "chmod +x"},
		"missing program":  {"service: s\nprograms: [./no-program]\n", "build it first"},
		"program fails":    {"service: s\nprograms: [./fails]\n", "no way"},
		"program lies":     {"service: s\nprograms: [./lies]\n", "not a list of tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".yaml"), tt.yaml, 0o600)
			code, _, errs := execute(t, "", nil, "run", "--config", good, "--tasks", file)
			if code != cliutil.ExitUsage || !strings.Contains(errs, tt.says) || !strings.Contains(errs, file) {
				t.Errorf("got %d %q, want 2 saying %q and the file's name", code, errs, tt.says)
			}
		})
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no config":         {[]string{"run"}, 2, "config"},
		"missing config":    {[]string{"run", "--config", dir + "/none.json"}, 4, "connect"},
		"config not JSON":   {[]string{"run", "--config", notJSON}, 4, "not the JSON expected"},
		"missing task file": {[]string{"run", "--config", good, "--tasks", "none.yaml"}, 2, "does not exist"},
		"no slots":          {[]string{"run", "--config", good, "--slots", "0"}, 2, "--slots"},
	} {
		if code, _, errs := execute(t, "", nil, tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: got %d %q, want %d saying %q", name, code, errs, tt.code, tt.says)
		}
	}
}

// controlPlane hands out prepared runs and takes their reports.
type controlPlane struct {
	url     string
	bucket  *local.Bucket
	claims  chan api.Dispatch
	reports chan api.CallbackRequest
	offered chan api.RegisterRequest
	beats   chan struct{}
	sealed  string
}

func newControlPlane(t testing.TB) *controlPlane {
	t.Helper()
	cfg := storage.Config{ID: "m", Provider: "local", Credentials: storage.Credentials{"basePath": t.TempDir()}}
	bucket, err := local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := storage.Seal(token, cfg, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := &controlPlane{
		bucket: bucket, sealed: sealed, claims: make(chan api.Dispatch, 10), reports: make(chan api.CallbackRequest, 10),
		offered: make(chan api.RegisterRequest, 10), beats: make(chan struct{}, 1),
	}
	server := httptest.NewServer(c)
	c.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = bucket.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return c
}

func (c *controlPlane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var answer any = map[string]any{}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/self/register"):
		var req api.RegisterRequest
		_ = json.Unmarshal(body, &req)
		c.offered <- req
		answer = api.RegisterResponse{Success: true, CodeChanges: []api.CodeChange{}}
	case strings.HasSuffix(path, "/self/claim"):
		runs := []api.Dispatch{}
		select {
		case d := <-c.claims:
			runs = append(runs, d)
		case <-r.Context().Done():
		}
		answer = api.ClaimResponse{Runs: runs}
	case strings.HasSuffix(path, "/self/heartbeat"):
		select {
		case c.beats <- struct{}{}:
		default:
		}
		answer = api.WorkerBeatResponse{Cancel: []string{}}
	case strings.HasPrefix(path, "/api/callback/"):
		var req api.CallbackRequest
		_ = json.Unmarshal(body, &req)
		c.reports <- req
		answer = api.CallbackResponse{Acknowledged: true}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *controlPlane) dispatch(run, task, input string) api.Dispatch {
	return api.Dispatch{
		RunID: run, TaskID: task, PipelineRunID: "prun_1", Attempt: 1, CodeVersion: 1, StorageToken: c.sealed, Input: json.RawMessage(input),
		UpstreamRefs: json.RawMessage(`{}`), PreviousAttempts: json.RawMessage(`[]`), HeartbeatIntervalMs: 1000, TimeoutMs: 60_000,
	}
}

func (c *controlPlane) report(t testing.TB) (api.CallbackRequest, string) {
	t.Helper()
	select {
	case got := <-c.reports:
		if got.OutputPath == "" {
			return got, ""
		}
		body, _, err := c.bucket.Get(context.Background(), got.OutputPath)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		data, _ := io.ReadAll(body)
		return got, string(data)
	case <-time.After(patience):
		t.Fatal("no report came")
	}
	panic("unreachable")
}

// The whole program: a command and a program as tasks, claimed, done,
// reported, and drained.
func TestRun_commandsAndPrograms(t *testing.T) {
	t.Parallel()
	c := newControlPlane(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "calc"), "#!/bin/sh\n"+programVar+"=1 exec '"+self+"' \"$@\"\n", 0o700)
	write(t, filepath.Join(dir, "greet.sh"), `read -r input; echo "::progress 50 half" >&2; echo "hello $input" >&2; echo "{\"said\":\"$input\",\"env\":\"$GREETING\"}"`+"\n", 0o600)
	write(t, filepath.Join(dir, "shop.yaml"), `service: shop
version: 1.0.0
tasks:
  - id: greet
    command: ["sh", "greet.sh"]
    next: [add]
    timeout: 1m
    retries: 0
    heartbeat: 5s
    env: {GREETING: hi}
programs:
  - ./calc
`, 0o600)
	config := write(t, filepath.Join(dir, "worker.json"),
		`{"workerId":"w","workerToken":"`+token+`","apiUrl":"`+c.url+`","workspaceId":"ws","isPool":false,"tasks":["shop.yaml"]}`, 0o600)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, out, errs := streams("", nil)
	ended := make(chan int, 1)
	go func() { ended <- Execute(ctx, []string{"run", "--config", config, "--scratch", t.TempDir()}, s) }()

	offered := receive(t, c.offered, "the registration")
	var got []string
	for _, task := range offered.Tasks {
		got = append(got, task.ID)
	}
	if diff := cmp.Diff([]string{"greet", "add"}, got); diff != "" || offered.ServiceID != "shop" {
		t.Errorf("offered by %s: %s", offered.ServiceID, diff)
	}
	greet := offered.Tasks[0]
	if *greet.Timeout != 60 || *greet.Retries != 0 || *greet.HeartbeatIntervalMs != 5000 || greet.AllowedNext[0] != "add" || len(greet.CodeHash) != 16 {
		t.Errorf("greet: %+v", greet)
	}
	if add := offered.Tasks[1]; *add.Retries != 0 || *add.Timeout != 60 {
		t.Errorf("add: %+v", add)
	}

	c.claims <- c.dispatch("trun_1", "greet", `7`)
	if report, output := c.report(t); report.Status != "success" || !strings.Contains(output, `"said": "7"`) || !strings.Contains(output, `"env": "hi"`) {
		t.Errorf("greet: %s %s %s", report.Status, report.Error, output)
	}
	c.claims <- c.dispatch("trun_2", "add", `[1,2,3]`)
	report, output := c.report(t)
	if report.Status != "success" || output != "6" || report.Assets["sum"].Type != "json" {
		t.Errorf("add: %s %s %s %v", report.Status, report.Error, output, report.Assets)
	}
	c.claims <- c.dispatch("trun_3", "add", `"not numbers"`)
	if report, _ := c.report(t); report.ErrorCode != worker.CodeBadInput || *report.Retryable {
		t.Errorf("add with bad input: %+v", report)
	}
	out.wait(t, "run=trun_2 task=add")
	out.wait(t, "hello 7 stream=stderr run=trun_1")
	errs.wait(t, "warn: run failed took=")
	stop()
	if code := receive(t, ended, "the end"); code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if strings.Contains(out.String()+errs.String(), token) {
		t.Error("the token was printed")
	}
}

func TestRun_withoutTasks(t *testing.T) {
	t.Parallel()
	c := newControlPlane(t)
	config := write(t, filepath.Join(t.TempDir(), "worker.json"), `{"workerId":"w","workerToken":"`+token+`","apiUrl":"`+c.url+`"}`, 0o600)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, _, errs := streams("", nil)
	ended := make(chan int, 1)
	go func() { ended <- Execute(ctx, []string{"run", "--config", config}, s) }()
	receive(t, c.beats, "a beat")
	errs.wait(t, "offers no tasks")
	stop()
	if code := receive(t, ended, "the end"); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestTaskFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got, err := taskFiles("/etc/w/worker.json", []string{"a.yaml", "/x/b.yaml", "a.yaml", "../c.yaml"}, []string{"here.yaml", "/x/b.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/w/a.yaml", "/x/b.yaml", "/etc/c.yaml", dir + "/here.yaml"}, got); diff != "" {
		t.Error(diff)
	}
}
