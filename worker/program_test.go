package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// program runs Execute with an environment and returns what came out.
func runProgram(ctx context.Context, t testing.TB, s *Set, env map[string]string, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	streams := cliutil.Streams{
		In: strings.NewReader(stdin), Out: &stdout, Err: &stderr, Getenv: func(name string) string { return env[name] },
	}
	code = Execute(ctx, s, openLocal, streams, args)
	return code, stdout.String(), stderr.String()
}

func TestProgram_describe(t *testing.T) {
	t.Parallel()
	code, out, errs := runProgram(t.Context(), t, doubler(), nil, "", "describe")
	var said api.RegisterRequest
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if said.ServiceID != "math" || said.Version != "1.2.3" || len(said.Tasks) != 1 || said.Tasks[0].ID != "double" || said.BaseURL != "" {
		t.Errorf("got %+v", said)
	}
}

func TestProgram_exec(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	upstream, theirs, own := filepath.Join(dir, "u"), filepath.Join(dir, "a"), filepath.Join(dir, "o")
	for _, d := range []string{upstream, theirs, own} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{upstream + "/first.json": `{"n":1}`, upstream + "/then.json": `{"n":2}`, theirs + "/k": "v"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := one(func(ctx *Context) (any, error) {
		var up number2
		if err := ctx.Upstream("then", &up); err != nil {
			return nil, err
		}
		asset, err := ctx.Asset("k")
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"data", "b.txt"} {
			if _, err := ctx.AddAsset(key, Text, "x"); err != nil {
				return nil, err
			}
		}
		ctx.Progress(12.5, "two\nlines")
		ctx.Log().Warn("careful", "n", 1)
		ctx.Next()
		return map[string]any{
			"up": up.N, "asset": string(asset), "run": ctx.RunID(), "attempt": ctx.Attempt(), "previous": len(ctx.PreviousAttempts()),
			"tasks": ctx.UpstreamTasks(), "input": ctx.RawInput(), "pipeline": ctx.PipelineRunID(), "hash": ctx.CodeHash(), "version": ctx.CodeVersion(),
			"nobody": ctx.HasUpstream("nobody"),
		}, nil
	})
	env := map[string]string{
		EnvRunID: "trun_1.2", EnvPipelineRunID: "prun_1", EnvTaskID: "work", EnvAttempt: "2", EnvCodeVersion: "5", EnvCodeHash: "abc",
		EnvUpstreamDir: upstream, EnvUpstreamOrder: "then,first", EnvUpstreamAssets: theirs, EnvAssetsDir: own,
		EnvPreviousAttempts: `[{"attempt":1,"error":"x","timestamp":"t"}]`,
	}
	code, out, errs := runProgram(t.Context(), t, s, env, `{"a": 1}`, "exec", "work")
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	want := map[string]any{
		"up": 2.0, "asset": "v", "run": "trun_1.2", "attempt": 2.0, "previous": 1.0, "tasks": []any{"then", "first"},
		"input": map[string]any{"a": 1.0}, "pipeline": "prun_1", "hash": "abc", "version": 5.0, "nobody": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantLines := "::asset {\"key\":\"data\",\"type\":\"text\"}\n::progress 12.5 two lines\n" +
		"::log {\"level\":\"warn\",\"message\":\"careful\",\"n\":1}\n::next \n"
	if diff := cmp.Diff(wantLines, errs); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"data", "b.txt"} {
		if _, err := os.Stat(filepath.Join(own, key)); err != nil {
			t.Error(err)
		}
	}
}

func TestProgram_execFailures(t *testing.T) {
	t.Parallel()
	failing := one(func(*Context) (any, error) { return nil, Fatal("NO", "never") })
	code, out, errs := runProgram(t.Context(), t, failing, nil, "", "exec", "work")
	if code != 1 || out != "" || errs != `::error {"message":"never","code":"NO","retryable":false}`+"\n" {
		t.Errorf("failure: %d %q %q", code, out, errs)
	}
	for name, tt := range map[string]struct {
		args  []string
		stdin string
		code  int
		says  string
	}{
		"unknown task":    {[]string{"exec", "nobody"}, "", 1, "it has: work"},
		"no task":         {[]string{"exec"}, "", 2, "usage: test exec TASK"},
		"bad stdin":       {[]string{"exec", "work"}, "{", 1, "not JSON"},
		"unknown command": {[]string{"dance"}, "", 2, "dance"},
		"bad input":       {[]string{"local", "work", "--input", "{"}, "", 2, "not JSON"},
		"no config":       {[]string{"run", "--config", "/no/such.json"}, "", 4, "does not exist"},
		"no secret":       {[]string{"listen"}, "", 2, "PIPEDAI_SECRET_KEY"},
	} {
		code, _, errs := runProgram(t.Context(), t, failing, map[string]string{}, tt.stdin, tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: got %d %q, want %d saying %q", name, code, errs, tt.code, tt.says)
		}
	}
}

func TestProgram_execCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cause := make(chan error, 1)
	s := one(func(c *Context) (any, error) {
		cancel() // as SIGTERM does
		<-c.Done()
		cause <- context.Cause(c)
		return nil, c.Err()
	})
	code, _, errs := runProgram(ctx, t, s, nil, "", "exec", "work")
	if got := <-cause; !errors.Is(got, ErrCancelled) || code != 1 || !strings.Contains(errs, CodeCancelled) {
		t.Errorf("cause %v, code %d, %q", got, code, errs)
	}
}

func TestProgram_local(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "in.json")
	if err := os.WriteFile(file, []byte(`{"n":4}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{`{"n":4}`, "@" + file, "-"} {
		code, out, errs := runProgram(t.Context(), t, doubler(), nil, `{"n":4}`, "local", "double", "--input", input)
		var got struct{ Output number2 }
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.Output.N != 8 {
			t.Errorf("%s: %d %s %s", input, code, out, errs)
		}
	}
}

func TestProgram_version(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version"} {
		if code, out, _ := runProgram(t.Context(), t, doubler(), nil, "", arg); code != 0 || out != "1.2.3\n" {
			t.Errorf("%s: %d %q", arg, code, out)
		}
	}
}

func TestProgram_mistakesInTheSet(t *testing.T) {
	t.Parallel()
	s := NewSet("svc", "1")
	s.Add(Task{ID: "a b"}, nil)
	if code, _, errs := runProgram(t.Context(), t, s, nil, "", "describe"); code == 0 || !strings.Contains(errs, "a b") {
		t.Errorf("%d %q", code, errs)
	}
}

// A program pulls with the identity of a worker.json.
func TestProgram_run(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	home := t.TempDir()
	config := filepath.Join(home, "worker.json")
	data := `{"workerId":"w-1","workerToken":"` + workerToken + `","apiUrl":"` + e.url + `","workspaceId":null,"other":1}`
	if err := os.WriteFile(config, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan int, 1)
	env := map[string]string{"PIPEDAI_LOCAL_RUN_EVENTS": "1", "PIPEDAI_HOME": home}
	go func() {
		code, _, _ := runProgram(ctx, t, doubler(), env, "", "run", "--config", config)
		done <- code
	}()
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "double", number2{3})}
	if got := receive(t, e.reports, "the report"); got.Status != "success" {
		t.Errorf("got %s %s", got.Status, got.Error)
	}
	cancel()
	if code := receive(t, done, "the end"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(home, "runs", "w-1", "trun_1.ndjson")); err != nil {
		t.Error(err)
	}

	e.set(func() { e.refuse = http.StatusUnauthorized })
	code, _, errs := runProgram(t.Context(), t, doubler(), env, "", "run", "--config", config)
	if code != cliutil.ExitAuth || !strings.Contains(errs, "connect") {
		t.Errorf("with a revoked token: %d %q", code, errs)
	}
}

func TestLoadConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct{ data, says string }{
		"not JSON":    {`{`, "not the JSON expected"},
		"wrong type":  {`{"workerId":1}`, "not the JSON expected"},
		"no id":       {`{"apiUrl":"http://x","workerToken":"wkt_x"}`, "workerId"},
		"no url":      {`{"workerId":"w","workerToken":"wkt_x"}`, "apiUrl"},
		"other token": {`{"workerId":"w","apiUrl":"http://x","workerToken":"hos_x"}`, "wkt_"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(path); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	path := filepath.Join(dir, "good")
	if err := os.WriteFile(path, []byte(`{"workerId":"w","apiUrl":"http://x","workerToken":"wkt_x","tasks":["a.yaml"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Config{WorkerID: "w", WorkerToken: "wkt_x", APIURL: "http://x", Tasks: []string{"a.yaml"}, Path: path}, got); diff != "" {
		t.Error(diff)
	}
}
