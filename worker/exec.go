package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pipedai/api"
	"pipedai/storage"
)

// execTask does one task by the command protocol: the program is the command.
// It returns whether the task succeeded; a failure was said as ::error.
func (s *Set) execTask(ctx context.Context, task string, in io.Reader, out, errs io.Writer, getenv func(string) string) (bool, error) {
	e, ok := s.tasks[task]
	if !ok {
		return false, fmt.Errorf("service %s has no task %q; it has: %s", s.service, task, listed(s.order))
	}
	input, err := readInput(in)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "pipedai-exec-*")
	if err != nil {
		return false, fmt.Errorf("create scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	env := &execEnv{out: errs, upstreamDir: getenv(EnvUpstreamDir), assetsDir: getenv(EnvUpstreamAssets), order: getenv(EnvUpstreamOrder)}
	c := newContext(ctx, execFacts(e, s, input, dir, getenv), env, env.line)
	if own := getenv(EnvAssetsDir); own != "" {
		c.own.dir = own // whoever started us takes the assets from there
	}
	output, err := call(c, e.handler)
	if err != nil {
		env.fail(explainEnd(ctx, "", err))
		return false, nil
	}
	if next, _ := c.selected(); next != nil {
		env.say("%s %s", LineNext, strings.Join(*next, ","))
	}
	if _, err := out.Write(append(output, '\n')); err != nil {
		return false, fmt.Errorf("write the output: %w", err)
	}
	return true, nil
}

// readInput reads the input from stdin; nothing means null.
func readInput(in io.Reader) (json.RawMessage, error) {
	input, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the input: %w", err)
	case len(bytes.TrimSpace(input)) == 0:
		return json.RawMessage("null"), nil
	case !json.Valid(input):
		return nil, errors.New("the input on stdin is not JSON")
	}
	return input, nil
}

func execFacts(e *entry, s *Set, input json.RawMessage, dir string, getenv func(string) string) facts {
	f := facts{
		task: e.Task, wire: getenv(EnvRunID), pipeline: getenv(EnvPipelineRunID), hash: getenv(EnvCodeHash),
		input: input, dir: dir,
	}
	set(&f.wire, "local")
	set(&f.hash, s.hash(e.Task))
	f.attempt, f.version = positive(getenv(EnvAttempt)), positive(getenv(EnvCodeVersion))
	f.previous = previousOf([]byte(getenv(EnvPreviousAttempts)))
	_ = json.Unmarshal([]byte(getenv(EnvUploads)), &f.uploads) // whoever starts a program by hand gives none
	return f
}

func positive(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// execEnv is the environment inside a command: files in, lines out.
type execEnv struct {
	mu          sync.Mutex
	out         io.Writer
	upstreamDir string
	assetsDir   string
	order       string
}

func (e *execEnv) say(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = fmt.Fprintf(e.out, format+"\n", args...)
}

func (e *execEnv) upstreamTasks() []string {
	if e.order != "" {
		return strings.Split(e.order, ",")
	}
	var names []string
	for _, name := range filesIn(e.upstreamDir) {
		if task, ok := strings.CutSuffix(name, ".json"); ok {
			names = append(names, task)
		}
	}
	return names
}

func (e *execEnv) upstream(task string) (json.RawMessage, bool, error) {
	if !taskID.MatchString(task) || e.upstreamDir == "" {
		return nil, false, nil
	}
	data, err := os.ReadFile(filepath.Join(e.upstreamDir, task+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}

func (e *execEnv) assetKeys() []string { return filesIn(e.assetsDir) }

func (e *execEnv) fetch(ctx context.Context, key, dest string) error {
	if !slices.Contains(e.assetKeys(), key) {
		return errNoAsset
	}
	file, err := os.Open(filepath.Join(e.assetsDir, key))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = writeFile(ctx, dest, file)
	return err
}

func (e *execEnv) progress(percent float64, message string) {
	e.say("%s %s %s", LineProgress, strconv.FormatFloat(percent, 'f', -1, 64), oneLine(message))
}

func (e *execEnv) added(asset ownAsset) {
	if AssetTypeOf(asset.key) != asset.typ {
		e.directive(LineAsset, LineNewAsset{Key: asset.key, Type: asset.typ})
	}
}

func (e *execEnv) line(line logLine) {
	object := map[string]any{}
	for name, value := range line.fields {
		object[name] = value
	}
	object["level"], object["message"] = levelName(line.level), line.message
	if _, err := json.Marshal(object); err != nil {
		object = map[string]any{"level": levelName(line.level), "message": line.message + " " + fmt.Sprint(line.fields)}
	}
	e.directive(LineLog, object)
}

func (e *execEnv) fail(err error) {
	var known *TaskError
	if !errors.As(err, &known) {
		known = &TaskError{Retryable: true}
	}
	failure := LineFailure{Message: shorten(err.Error(), maxErrorText), Code: known.Code, Retryable: &known.Retryable, Details: known.Details}
	if _, err := json.Marshal(failure); err != nil {
		failure.Details = nil
	}
	e.directive(LineError, failure)
}

func (e *execEnv) directive(name string, value any) {
	if data, err := json.Marshal(value); err == nil {
		e.say("%s %s", name, data)
	}
}

// filesIn lists the plain files of a folder, ascending.
func filesIn(dir string) []string {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && storage.CheckAssetKey(entry.Name()) == nil {
			names = append(names, entry.Name())
		}
	}
	return names
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Description is what a program says of itself.
type Description struct {
	api.RegisterRequest
	// Keyed are the tasks with an idempotency key, for which whoever runs them
	// asks the program: key TASK, with the input on stdin.
	Keyed []string `json:"idempotencyKeys,omitempty"`
}

func (s *Set) describe() Description {
	d := Description{RegisterRequest: s.Registration("")}
	for _, id := range s.order {
		if s.tasks[id].IdempotencyKey != nil {
			d.Keyed = append(d.Keyed, id)
		}
	}
	return d
}

// keyFor is the idempotency key of a task for the input on stdin; empty: none.
func (s *Set) keyFor(task string, in io.Reader, getenv func(string) string) (string, error) {
	e, ok := s.tasks[task]
	if !ok {
		return "", fmt.Errorf("service %s has no task %q; it has: %s", s.service, task, listed(s.order))
	}
	input, err := readInput(in)
	if err != nil || e.IdempotencyKey == nil {
		return "", err
	}
	return keyOf(e.IdempotencyKey, input, positive(getenv(EnvCodeVersion)))
}
