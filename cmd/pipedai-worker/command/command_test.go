//go:build unix

package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/worker"
	"pipedai/worker/workertest"
)

// modeVar makes this test binary the command that is tested.
const modeVar = "COMMAND_TEST_MODE"

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVar); mode != "" {
		os.Exit(child(mode))
	}
	goleak.VerifyTestMain(m)
}

// child is the command: a small program that uses nothing of the SDK.
func child(mode string) int {
	switch mode {
	case "echo":
		input, _ := io.ReadAll(os.Stdin)
		facts := map[string]string{}
		for _, name := range []string{
			worker.EnvRunID, worker.EnvPipelineRunID, worker.EnvTaskID, worker.EnvAttempt, worker.EnvCodeVersion, worker.EnvPreviousAttempts, "SECRET_OF_WORKER",
		} {
			facts[name] = os.Getenv(name)
		}
		upstream, _ := os.ReadFile(filepath.Join(os.Getenv(worker.EnvUpstreamDir), "before.json"))
		asset, _ := os.ReadFile(filepath.Join(os.Getenv(worker.EnvUpstreamAssets), "k.txt"))
		for name, data := range map[string]string{"a.json": "{}", "b.csv": "x", "c": "raw", "d": "text"} {
			if err := os.WriteFile(filepath.Join(os.Getenv(worker.EnvAssetsDir), name), []byte(data), 0o600); err != nil {
				return 9
			}
		}
		cwd, _ := os.Getwd()
		fmt.Fprintf(os.Stderr, "plain line\n::progress 40 some way\n::next b\n::asset {\"key\":\"d\",\"type\":\"text\"}\n"+
			"::log {\"level\":\"warn\",\"message\":\"careful\",\"n\":1}\n::progress soon\n::unknown\nno newline at the end")
		_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
			"input": json.RawMessage(input), "facts": facts, "upstream": string(upstream), "asset": string(asset), "folder": filepath.Base(cwd),
		})
	case "flood":
		out := bufio.NewWriter(os.Stdout)
		for {
			if _, err := out.WriteString("0123456789abcdef"); err != nil {
				return 3
			}
		}
	case "long line":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 3*maxLine))
		fmt.Fprintln(os.Stderr, "the next line")
	case "ignore term":
		signal.Ignore(syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "::progress 1 ready")
		select {}
	case "obey term":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "::progress 1 ready")
		<-signals
		return 0
	case "grandchild": // leaves one behind that holds the output open
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), modeVar+"=ignore term")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return 9
		}
		fmt.Printf(`{"pid":%d}`, cmd.Process.Pid)
	default:
		code, _ := strconv.Atoi(mode)
		return code
	}
	return 0
}

// self is this binary as a command.
func self(mode string) Command {
	return Command{Argv: []string{os.Args[0]}, Env: []string{modeVar + "=" + mode, "PATH=" + os.Getenv("PATH"), "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}}
}

func shell(script string) Command {
	return Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

func set(c Command) *worker.Set {
	s := worker.NewSet("test", "1.0.0")
	s.Add(worker.Task{ID: "work", AllowedNext: []string{"a", "b"}}, c.Run)
	return s
}

func TestRun_protocol(t *testing.T) {
	t.Parallel()
	result := workertest.Run(t, set(self("echo")), "work", worker.Local{
		Input: map[string]int{"n": 1}, Upstream: map[string]any{"before": []int{1, 2}},
		UpstreamAssets: map[string][]byte{"k.txt": []byte("asset")}, RunID: "trun_1", PipelineRunID: "prun_1", CodeVersion: 4,
		PreviousAttempts: []api.PreviousAttempt{{Attempt: 1, Error: "boom", Timestamp: "t"}},
	})
	workertest.Equal(t, result, map[string]any{
		"input": map[string]any{"n": 1.0},
		"facts": map[string]any{
			worker.EnvRunID: "trun_1", worker.EnvPipelineRunID: "prun_1", worker.EnvTaskID: "work", worker.EnvAttempt: "2",
			worker.EnvCodeVersion: "4", worker.EnvPreviousAttempts: `[{"attempt":1,"error":"boom","timestamp":"t"}]`, "SECRET_OF_WORKER": "",
		},
		"upstream": "[1,2]", "asset": "asset", "folder": "work",
	})
	if diff := cmp.Diff([]string{"b"}, result.Next); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]worker.Progress{{Percent: 40, Message: "some way"}}, result.Progress); diff != "" {
		t.Error(diff)
	}
	types := map[string]storage.AssetType{}
	for _, asset := range result.Assets {
		types[asset.Key] = asset.Type
	}
	if diff := cmp.Diff(map[string]storage.AssetType{"a.json": "json", "b.csv": "text", "c": "binary", "d": "text"}, types); diff != "" {
		t.Error(diff)
	}
	var lines []string
	for _, line := range result.Logs {
		lines = append(lines, line.Level+" "+line.Message)
	}
	want := []string{"info plain line", "warn careful", "info ::progress soon", "info ::unknown", "info no newline at the end"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// A command finds what was handed in as a file, and what it is in the environment.
func TestRun_uploads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	result := workertest.Run(t, set(shell(`cat "$PIPEDAI_UPSTREAM_ASSETS_DIR/tmp_1" >&2; echo "$PIPEDAI_UPLOADS"`)), "work", worker.Local{
		Input: map[string]string{"file": "tmp_1"}, Uploads: []worker.Upload{{ID: "tmp_1", MimeType: "text/plain", Path: file}},
	})
	var got map[string]api.TempUpload
	if err := result.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if filepath.Base(got["tmp_1"].Path) != "tmp_1" {
		t.Errorf("got path %s", got["tmp_1"].Path)
	}
	want := map[string]api.TempUpload{"tmp_1": {Path: got["tmp_1"].Path, Size: 5, MimeType: "text/plain", Filename: "a.txt"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(result.Logs) != 1 || result.Logs[0].Message != "hello" {
		t.Errorf("got log %+v", result.Logs)
	}
}

func TestRun_output(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"nothing is null": {`cat >/dev/null`, "null"},
		"a value":         {`echo 7`, "7"},
		"input unread":    {`echo '"x"'`, `"x"`},
		"no next":         {`echo ::next >&2`, "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := workertest.Run(t, set(shell(tt.script)), "work", worker.Local{Input: strings.Repeat("x", 200_000)})
			if string(result.Output) != tt.want {
				t.Errorf("got %s", result.Output)
			}
			if name == "no next" && len(result.Next) != 0 {
				t.Errorf("next: %v", result.Next)
			}
		})
	}
}

func TestRun_failures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		command   Command
		code      string
		says      string
		retryable bool
	}{
		"exit status":      {self("7"), CodeExit, "exit status 7", true},
		"last line":        {shell(`echo first >&2; echo 'disk is full' >&2; exit 1`), CodeExit, "disk is full", true},
		"said retryable":   {shell(`echo '::error {"message":"later","code":"BUSY"}' >&2; exit 1`), "BUSY", "later", true},
		"said final":       {shell(`echo '::error {"message":"never","code":"BAD","retryable":false}' >&2; exit 1`), "BAD", "never", false},
		"said, exit 0":     {shell(`echo '::error {"message":"never","retryable":false}' >&2`), "", "never", false},
		"killed":           {shell(`kill -9 $$`), CodeExit, "killed", true},
		"not JSON":         {shell(`echo hello`), worker.CodeBadOutput, "hello", false},
		"bad next":         {shell(`echo '::next zzz' >&2`), api.CodeInvalidNextTasks, "zzz", false},
		"missing program":  {Command{Argv: []string{"/no/such/program"}}, CodeNotFound, "/no/such/program", true},
		"asset is a link":  {shell(`ln -s /etc/passwd "$PIPEDAI_ASSETS_DIR/x"`), "INVALID_ASSET", "not a plain file", false},
		"asset with space": {shell(`echo x > "$PIPEDAI_ASSETS_DIR/a b"`), "INVALID_ASSET", "a b", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := workertest.Try(t, set(tt.command), "work", worker.Local{})
			var failed *worker.TaskError
			if !errors.As(err, &failed) || failed.Code != tt.code || failed.Retryable != tt.retryable || !strings.Contains(failed.Message, tt.says) {
				t.Errorf("got %#v (%v), want code %q, retryable %t, saying %q", failed, err, tt.code, tt.retryable, tt.says)
			}
		})
	}
}

// No shell reads the arguments.
func TestRun_argumentsAreNotInterpreted(t *testing.T) {
	t.Parallel()
	c := Command{Argv: []string{"/bin/sh", "-c", `printf '"%s"' "$1"`, "x", "$(id); `id` | & > *"}}
	result := workertest.Run(t, set(c), "work", worker.Local{})
	workertest.Equal(t, result, "$(id); `id` | & > *")
}

func TestRun_flood(t *testing.T) {
	t.Parallel()
	_, err := workertest.Try(t, set(self("flood")), "work", worker.Local{})
	var failed *worker.TaskError
	if !errors.As(err, &failed) || failed.Retryable || !strings.Contains(failed.Message, "64 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestRun_longLine(t *testing.T) {
	t.Parallel()
	result := workertest.Run(t, set(self("long line")), "work", worker.Local{})
	if len(result.Logs) != 2 || len(result.Logs[0].Message) > maxLine+10 || result.Logs[1].Message != "the next line" {
		t.Errorf("%d lines", len(result.Logs))
	}
}

// start runs a command in the background and returns when it is ready.
func start(t *testing.T, c Command) (cancel func(error), done <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	ready, ended := make(chan struct{}, 10), make(chan error, 1)
	log := writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "ready") {
			ready <- struct{}{}
		}
		return len(p), nil
	})
	s, dir := set(c), t.TempDir()
	go func() {
		_, err := s.RunLocal(ctx, "work", worker.Local{Log: log, Dir: dir})
		ended <- err
	}()
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the command does not start")
	}
	return func(cause error) { stop(cause) }, ended
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestRun_cancel(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"obey term", "ignore term"} {
		c := self(mode)
		c.Grace = 200 * time.Millisecond
		if mode == "obey term" {
			c.Grace = patience * 2 // it must not be needed
		}
		cancel, done := start(t, c)
		cancel(worker.ErrCancelled)
		select {
		case err := <-done:
			var failed *worker.TaskError
			if mode == "ignore term" && (!errors.As(err, &failed) || failed.Code != worker.CodeCancelled) {
				t.Errorf("%s: got %v", mode, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: it does not end", mode)
		}
	}
}

// What a command leaves running ends with it, so that nothing piles up.
func TestRun_grandchild(t *testing.T) {
	t.Parallel()
	var out struct{ PID int }
	if err := workertest.Run(t, set(self("grandchild")), "work", worker.Local{}).Decode(&out); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for alive(out.PID) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(out.PID, syscall.SIGKILL)
			t.Fatalf("process %d is still there", out.PID)
		}
		time.Sleep(time.Millisecond) // a real process: there is nothing to wait on
	}
}

// alive reports whether a process runs; one that ended and was not reaped by
// its new parent does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := Environment([]string{"PATH=/bin", "PIPEDAI_HOME=x", "PIPEDAI_GENERATION=/f/w.1", "PIPEWEAVE_API_TOKEN=secret", "AUTH_MODE=x", "HOME=/h"})
	if diff := cmp.Diff([]string{"PATH=/bin", "PIPEDAI_GENERATION=/f/w.1", "HOME=/h"}, got); diff != "" {
		t.Error(diff)
	}
}
