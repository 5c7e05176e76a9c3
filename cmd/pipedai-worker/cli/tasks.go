package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/cmd/pipedai-worker/command"
	"pipedai/internal/cliutil"
	"pipedai/worker"
)

// describeTimeout bounds a program's answer about its tasks.
const describeTimeout = 10 * time.Second

// loader makes sets of tasks from task files.
type loader struct {
	ctx         context.Context
	env         []string
	programDirs []string // looked in after the task file's own folder
	log         *slog.Logger
}

// sets reads every file; several files may add to one service.
func (l loader) sets(files []string) ([]*worker.Set, error) {
	var sets []*worker.Set
	byService := map[string]*worker.Set{}
	for _, path := range files {
		file, err := readTaskFile(path)
		if err != nil {
			return nil, err
		}
		set := byService[file.Service]
		if set == nil {
			set = worker.NewSet(file.Service, file.Version)
			byService[file.Service] = set
			sets = append(sets, set)
		}
		if err := l.fill(set, file, path); err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("task file %s: %w", path, err), "")
		}
		if err := set.Validate(); err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("task file %s: %w", path, err), "")
		}
	}
	return sets, nil
}

func (l loader) fill(set *worker.Set, file taskFile, path string) error {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, task := range file.Tasks {
		if err := l.addCommand(set, task, dir); err != nil {
			return fmt.Errorf("task %q: %w", task.ID, err)
		}
	}
	for _, name := range file.Programs {
		if err := l.addProgram(set, name, dir); err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
	}
	return nil
}

func (l loader) addCommand(set *worker.Set, task fileTask, dir string) error {
	program, err := l.findCommand(task.Command[0], dir)
	if err != nil {
		return err
	}
	argv := append([]string{program}, besideFile(task.Command[1:], dir)...)
	env := append([]string{}, l.env...)
	for name, value := range task.Env {
		env = append(env, name+"="+value)
	}
	description := worker.Task{
		ID: task.ID, AllowedNext: task.Next, Timeout: time.Duration(task.Timeout), HeartbeatInterval: time.Duration(task.Heartbeat),
		Concurrency: int(task.Concurrency), Priority: int(task.Priority), Description: task.Description,
		CodeVersion: string(task.CodeVersion), IdempotencyTTL: time.Duration(task.KeyTTL),
	}
	if task.Key != nil {
		if description.IdempotencyKey, err = worker.KeyOf(task.Key...); err != nil {
			return fmt.Errorf("idempotencyKey: %w", err)
		}
	}
	if task.Retries != nil {
		if description.Retries = int(*task.Retries); description.Retries == 0 {
			description.Retries = worker.NoRetries
		}
	}
	if description.CodeVersion == "" {
		description.CodeHash = hashFiles(task.Command, argv)
	}
	set.Add(description, command.Command{Argv: argv, Env: env}.Run)
	return nil
}

// addProgram adds the tasks that a program says it has.
func (l loader) addProgram(set *worker.Set, name, dir string) error {
	program, err := l.findProgram(name, dir)
	if err != nil {
		return err
	}
	said, err := describe(l.ctx, program, l.env)
	if err != nil {
		return err
	}
	if said.ServiceID != set.Service() {
		l.log.Warn("a program names another service than its task file; the file counts", "program", program, "names", said.ServiceID, "service", set.Service())
	}
	for _, task := range said.Tasks {
		description := describedTask(task)
		if slices.Contains(said.Keyed, task.ID) {
			description.IdempotencyKey = l.askKey(program, task.ID)
		}
		set.Add(description, command.Command{Argv: []string{program, "exec", task.ID}, Env: l.env}.Run)
	}
	return nil
}

// describe asks a program for its tasks.
func describe(ctx context.Context, program string, env []string) (worker.Description, error) {
	var said worker.Description
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "describe")
	cmd.Env = env
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return said, fmt.Errorf("it did not describe its tasks within %s", describeTimeout)
	case err != nil:
		return said, fmt.Errorf("it cannot describe its tasks (is it built with the worker SDK?): %w: %s", err, lastLine(errs.String()))
	}
	if err := json.Unmarshal(out, &said); err != nil || len(said.Tasks) == 0 {
		return said, errors.New("what it answers to \"describe\" is not a list of tasks (is it built with the worker SDK?)")
	}
	return said, nil
}

// askKey asks a program for the idempotency keys of one of its tasks.
func (l loader) askKey(program, task string) worker.KeyFunc {
	return func(input json.RawMessage, codeVersion int) (string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), describeTimeout) // also while stopping
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "key", task)
		cmd.Env = append(append([]string{}, l.env...), worker.EnvCodeVersion+"="+strconv.Itoa(codeVersion))
		cmd.Stdin = bytes.NewReader(input)
		cmd.WaitDelay = time.Second
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("ask %s for the idempotency key: %w: %s", filepath.Base(program), err, lastLine(errs.String()))
		}
		return strings.TrimSuffix(string(out), "\n"), nil
	}
}

func describedTask(t api.TaskRegistration) worker.Task {
	task := worker.Task{
		ID: t.ID, AllowedNext: t.AllowedNext, RetryBackoff: t.RetryBackoff, Description: t.Description,
		InputSchema: t.InputSchema, CodeHash: t.CodeHash,
		Timeout:           times(t.Timeout, time.Second),
		RetryDelay:        times(t.RetryDelayMs, time.Millisecond),
		MaxRetryDelay:     times(t.MaxRetryDelayMs, time.Millisecond),
		HeartbeatInterval: times(t.HeartbeatIntervalMs, time.Millisecond),
		IdempotencyTTL:    times(t.IdempotencyTTL, time.Second),
	}
	if t.Retries != nil {
		if task.Retries = int(*t.Retries); task.Retries == 0 {
			task.Retries = worker.NoRetries
		}
	}
	if t.Concurrency != nil {
		task.Concurrency = int(*t.Concurrency)
	}
	if t.Priority != nil {
		task.Priority = int(*t.Priority)
	}
	return task
}

func times(n *float64, unit time.Duration) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n * float64(unit))
}

// findCommand finds the program of a command: a path is relative to the task
// file, a bare name is looked for on PATH.
func (l loader) findCommand(name, dir string) (string, error) {
	if !strings.ContainsAny(name, `/`+string(filepath.Separator)) {
		found, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("program %s is not on PATH; install it, or give its path", name)
		}
		return filepath.Abs(found)
	}
	return executable(name, dir)
}

// findProgram finds a program built with the SDK: beside the task file, then
// beside this program, then on PATH.
func (l loader) findProgram(name, dir string) (string, error) {
	for _, base := range append([]string{dir}, l.programDirs...) {
		at := name
		if base != dir {
			at = filepath.Base(name)
		}
		found, err := executable(at, base)
		if err == nil {
			return found, nil
		}
	}
	if found, err := exec.LookPath(filepath.Base(name)); err == nil {
		return filepath.Abs(found)
	}
	return "", fmt.Errorf("it was not found beside the task file, beside pipedai-worker or on PATH; build it first (looked in %s)",
		strings.Join(append([]string{dir}, l.programDirs...), ", "))
}

func executable(name, dir string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if runtime.GOOS == "windows" && filepath.Ext(name) == "" {
		name += ".exe"
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s does not exist", name)
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder", name)
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%s is not executable; try: chmod +x %s", name, name)
	}
	return name, nil
}

// besideFile makes arguments that name a file beside the task file absolute:
// commands run in a folder of their own.
func besideFile(args []string, dir string) []string {
	out := make([]string, 0, len(args))
	for _, arg := range args {
		if arg != "" && arg[0] != '-' && filepath.IsLocal(arg) {
			path := filepath.Join(dir, arg)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				arg = path
			}
		}
		out = append(out, arg)
	}
	return out
}

// hashFiles makes the code hash of a command: its words, and what is in the
// files they name.
func hashFiles(words, argv []string) string {
	parts := append([]string{}, words...)
	for _, arg := range argv {
		if !filepath.IsAbs(arg) {
			continue
		}
		if data, err := os.ReadFile(arg); err == nil {
			parts = append(parts, string(data))
		}
	}
	return worker.HashCode(parts...)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
