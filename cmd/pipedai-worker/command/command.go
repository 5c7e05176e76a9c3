// Package command makes a worker's task of a program in any language.
//
// A Command is one task. It speaks the protocol that worker/protocol.go
// describes: input on stdin, output on stdout, log lines and directives on
// stderr, facts in the environment. It runs without a shell, in a process
// group of its own that does not outlive the task.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/worker"
)

// Limits of a command.
const (
	maxOutput  = 64 << 20
	maxLine    = 64 << 10
	leakedWait = 2 * time.Second // for output that a leaked grandchild holds open
)

// Codes of failures that the protocol itself reports.
const (
	CodeExit     = "COMMAND_FAILED"
	CodeNotFound = "COMMAND_NOT_FOUND"
)

// Command is a program that does one task.
type Command struct {
	// Argv is the program and its arguments; the program is an absolute path.
	Argv []string
	// Env is the environment that every attempt starts from.
	Env []string
	// Grace is how long the program may go on after it was told to end; 10 s.
	Grace time.Duration
}

var errFlood = errors.New("the output on stdout is too large")

// Run is the task's handler.
func (c Command) Run(ctx *worker.Context) (any, error) {
	folders, err := prepare(ctx)
	if err != nil {
		return nil, err
	}
	lines := &lineReader{ctx: ctx}
	output := newBoundedBuffer(maxOutput)
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...) //nolint:noctx // runProcess ends it, first politely
	cmd.Dir = folders.work
	cmd.Env = append(append([]string{}, c.Env...), folders.environment(ctx)...)
	cmd.Stdin = bytes.NewReader(ctx.RawInput())
	cmd.Stdout = output
	cmd.Stderr = lines
	cmd.WaitDelay = leakedWait
	if err := c.runProcess(ctx, cmd, output); err != nil {
		lines.flush()
		return nil, c.failure(ctx, lines, output, err)
	}
	lines.flush()
	if lines.failure != nil { // said ::error and still ended well: the word counts
		return nil, taskError(lines.failure)
	}
	if err := collectAssets(ctx, folders.assets, lines.assets); err != nil {
		return nil, err
	}
	if lines.next != nil {
		ctx.Next(*lines.next...)
	}
	return decodeOutput(output.buf.Bytes())
}

// runProcess starts the program and sees it, and all it started, to its end.
func (c Command) runProcess(ctx context.Context, cmd *exec.Cmd, output *boundedBuffer) error {
	grace := c.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	ended := make(chan error, 1)
	started := make(chan error, 1)
	go func() {
		// The kernel ends the program when the thread that started it ends, not
		// when the process does: this goroutine keeps its thread until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		prepareGroup(cmd)
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- waitGroup(cmd)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	stopped, flooded := ctx.Done(), output.overflow
	var kill <-chan time.Time
	for {
		select {
		case err := <-ended:
			switch {
			case output.full():
				return errFlood
			case errors.Is(err, exec.ErrWaitDelay): // it ended well, something it left has not
				return nil
			}
			return err
		case <-stopped:
			stopped = nil
			terminateGroup(cmd)
			timer := time.NewTimer(grace)
			defer timer.Stop()
			kill = timer.C
		case <-flooded:
			flooded = nil
			killGroup(cmd)
		case <-kill:
			killGroup(cmd)
		}
	}
}

// failure explains how a program failed.
func (c Command) failure(ctx context.Context, lines *lineReader, output *boundedBuffer, err error) error {
	name := filepath.Base(c.Argv[0])
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case lines.failure != nil:
		return taskError(lines.failure)
	case errors.Is(err, errFlood):
		return worker.Fatal(CodeExit, "%s printed more than %d MiB on stdout; write large data to $%s", name, output.limit>>20, worker.EnvAssetsDir)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrPermission):
		return worker.Retryable(CodeNotFound, "%s cannot be started: %w", c.Argv[0], err)
	case errors.As(err, &exit):
		text := fmt.Sprintf("%s ended with %s", name, exit.ProcessState)
		if lines.last != "" {
			text += ": " + lines.last
		}
		return worker.Retryable(CodeExit, "%s", text)
	default:
		return worker.Retryable(CodeExit, "%s: %w", name, err)
	}
}

func taskError(said *worker.LineFailure) error {
	retryable := said.Retryable == nil || *said.Retryable
	return &worker.TaskError{Message: said.Message, Code: said.Code, Retryable: retryable, Details: said.Details}
}

func decodeOutput(data []byte) (any, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, nil
	}
	if !json.Valid(data) {
		return nil, worker.Fatal(worker.CodeBadOutput, "the output on stdout is not JSON; print messages on stderr. It starts with: %.80s", data)
	}
	return json.RawMessage(data), nil
}

// folders are where a command finds and leaves files.
type folders struct{ work, upstream, upstreamAssets, assets string }

func prepare(ctx *worker.Context) (folders, error) {
	f := folders{
		work: filepath.Join(ctx.Dir(), "work"), upstream: filepath.Join(ctx.Dir(), "upstream"),
		upstreamAssets: filepath.Join(ctx.Dir(), "upstream-assets"), assets: filepath.Join(ctx.Dir(), "new-assets"),
	}
	for _, dir := range []string{f.work, f.upstream, f.upstreamAssets, f.assets} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return f, err
		}
	}
	for _, task := range ctx.UpstreamTasks() {
		output, err := ctx.RawUpstream(task)
		if err != nil {
			return f, err
		}
		if err := storage.CheckAssetKey(task); err != nil { // it becomes a file name
			return f, worker.Fatal(worker.CodeBadInput, "the output of task %q cannot be given to a command: its id is no file name", task)
		}
		if err := os.WriteFile(filepath.Join(f.upstream, task+".json"), output, 0o600); err != nil {
			return f, err
		}
	}
	for _, key := range ctx.AssetKeys() {
		if storage.CheckAssetKey(key) != nil {
			ctx.Log().Warn("an asset cannot be given to a command: its key is no file name", "key", key)
			continue
		}
		if _, err := ctx.AssetPath(key); err != nil { // fetches it into upstreamAssets
			return f, err
		}
	}
	return f, nil
}

func (f folders) environment(ctx *worker.Context) []string {
	previous, err := json.Marshal(ctx.PreviousAttempts())
	if err != nil || string(previous) == "null" {
		previous = []byte("[]")
	}
	uploads := map[string]api.TempUpload{}
	for _, id := range ctx.UploadIDs() {
		// They are among the assets: one that cannot be had was told of there.
		if u, err := ctx.Upload(id); err == nil {
			uploads[id] = api.TempUpload{Path: u.Path, Size: u.Size, MimeType: u.MimeType, Filename: u.Filename}
		}
	}
	handedIn, err := json.Marshal(uploads)
	if err != nil {
		handedIn = []byte("{}") // not reached: texts and numbers
	}
	return []string{
		worker.EnvRunID + "=" + ctx.RunID(),
		worker.EnvPipelineRunID + "=" + ctx.PipelineRunID(),
		worker.EnvTaskID + "=" + ctx.TaskID(),
		worker.EnvAttempt + "=" + strconv.Itoa(ctx.Attempt()),
		worker.EnvCodeVersion + "=" + strconv.Itoa(ctx.CodeVersion()),
		worker.EnvCodeHash + "=" + ctx.CodeHash(),
		worker.EnvUpstreamDir + "=" + f.upstream,
		worker.EnvUpstreamOrder + "=" + strings.Join(ctx.UpstreamTasks(), ","),
		worker.EnvUpstreamAssets + "=" + f.upstreamAssets,
		worker.EnvAssetsDir + "=" + f.assets,
		worker.EnvPreviousAttempts + "=" + string(previous),
		worker.EnvUploads + "=" + string(handedIn),
	}
}

// collectAssets adds the files a command left.
func collectAssets(ctx *worker.Context, dir string, types map[string]storage.AssetType) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the new assets: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // what a write that did not end left
			continue
		}
		if !entry.Type().IsRegular() {
			return worker.Fatal("INVALID_ASSET", "%s in $%s is not a plain file", entry.Name(), worker.EnvAssetsDir)
		}
		typ, ok := types[entry.Name()]
		if !ok {
			typ = worker.AssetTypeOf(entry.Name())
		}
		if _, err := ctx.AddAssetFromPath(entry.Name(), typ, filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// markerEnv is how the daemon of a host recognises what belongs to a worker it
// supervises, so that nothing a command started outlives a worker that was
// killed.
const markerEnv = "PIPEDAI_GENERATION"

// Environment is the environment a command starts from: that of the worker
// without what is the worker's own, the daemon's mark excepted.
func Environment(environ []string) []string {
	var kept []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		own := strings.HasPrefix(name, "PIPEDAI_") && name != markerEnv
		if own || strings.HasPrefix(name, "PIPEWEAVE_") || name == "AUTH_MODE" {
			continue
		}
		kept = append(kept, pair)
	}
	return kept
}
