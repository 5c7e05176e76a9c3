package worker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/storage"
)

// Local says what RunLocal gives to a task.
type Local struct {
	// Input is the input, any value that JSON can say.
	Input any
	// Upstream are the outputs of earlier tasks.
	Upstream map[string]any
	// UpstreamAssets are the assets of earlier tasks.
	UpstreamAssets map[string][]byte
	// Uploads are files that somebody handed in: Path is where each is, ID how
	// the input names it.
	Uploads []Upload
	// PreviousAttempts make the attempt a later one.
	PreviousAttempts []api.PreviousAttempt
	// CodeVersion and CodeHash default to 1 and the task's own.
	CodeVersion int
	CodeHash    string
	// RunID defaults to "local".
	RunID string
	// PipelineRunID is empty for a task outside a pipeline.
	PipelineRunID string
	// Dir keeps the scratch folder there; otherwise it is removed.
	Dir string
	// Log takes log lines and progress as a person reads them; nil for none.
	Log io.Writer
}

// Result is what a task left behind.
type Result struct {
	// Output is the output as JSON.
	Output json.RawMessage
	// Next are the tasks that follow; all that are allowed unless the handler
	// chose.
	Next []string
	// Assets are what it added, in order.
	Assets []LocalAsset
	// Progress is what it said of its progress.
	Progress []Progress
	// Logs are its log lines.
	Logs []LogLine
}

// LocalAsset is one asset in memory.
type LocalAsset struct {
	Key  string
	Type storage.AssetType
	Path string // local://<run>/assets/<key>
	Data []byte
}

// Progress is one call of Context.Progress.
type Progress struct {
	Percent float64
	Message string
}

// LogLine is one line of a log.
type LogLine struct {
	Level   string
	Message string
	Fields  map[string]any
}

// Decode reads the output.
func (r *Result) Decode(into any) error {
	if err := json.Unmarshal(r.Output, into); err != nil {
		return fmt.Errorf("output: %s", jsonProblem(err))
	}
	return nil
}

// Asset returns an asset by its key.
func (r *Result) Asset(key string) (LocalAsset, bool) {
	for _, asset := range r.Assets {
		if asset.Key == key {
			return asset, true
		}
	}
	return LocalAsset{}, false
}

// RunLocal does one task in the caller's goroutine, so that a debugger stops
// in it as in any function. Nothing leaves the process: assets stay in memory.
// The error is that of the handler, a panic included.
func (s *Set) RunLocal(ctx context.Context, task string, l Local) (*Result, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	e, ok := s.tasks[task]
	if !ok {
		return nil, fmt.Errorf("service %s has no task %q; it has: %s", s.service, task, listed(s.order))
	}
	env, f, err := l.prepare(e, s)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.Dir, "pipedai-local-*")
	if err != nil {
		return nil, fmt.Errorf("create scratch folder: %w", err)
	}
	if l.Dir == "" {
		defer os.RemoveAll(dir)
	}
	f.dir = dir
	if e.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.Timeout, ErrTimedOut)
		defer cancel()
	}
	c := newContext(ctx, f, env, env.line)
	output, err := call(c, e.handler)
	if err != nil {
		return env.result, explainEnd(ctx, e.Timeout.String(), err)
	}
	return env.finish(c, output)
}

// prepare turns values into what a control plane would have sent.
func (l Local) prepare(e *entry, s *Set) (*localEnv, facts, error) {
	f := facts{
		task: e.Task, wire: l.RunID, pipeline: l.PipelineRunID, attempt: len(l.PreviousAttempts) + 1,
		version: l.CodeVersion, hash: l.CodeHash, previous: l.PreviousAttempts,
	}
	set(&f.wire, "local")
	set(&f.version, 1)
	set(&f.hash, s.hash(e.Task))
	if err := hostdir.ValidID(f.wire); err != nil {
		return nil, f, err
	}
	input, err := json.Marshal(l.Input)
	if err != nil {
		return nil, f, fmt.Errorf("input: %w", err)
	}
	f.input = input
	env := &localEnv{outputs: map[string]json.RawMessage{}, assets: maps.Clone(l.UpstreamAssets), log: l.Log, result: &Result{}}
	for _, u := range l.Uploads {
		data, err := os.ReadFile(u.Path)
		if err != nil {
			return nil, f, fmt.Errorf("upload %q: %w", u.ID, err)
		}
		if f.uploads == nil {
			f.uploads = map[string]api.TempUpload{}
		}
		if env.assets == nil {
			env.assets = map[string][]byte{}
		}
		f.uploads[u.ID] = api.TempUpload{Size: int64(len(data)), MimeType: u.MimeType, Filename: cmp.Or(u.Filename, filepath.Base(u.Path))}
		env.assets[u.ID] = data
	}
	for task, value := range l.Upstream {
		if env.outputs[task], err = json.Marshal(value); err != nil {
			return nil, f, fmt.Errorf("output of %s: %w", task, err)
		}
	}
	return env, f, nil
}

// localEnv is the environment of RunLocal.
type localEnv struct {
	outputs map[string]json.RawMessage
	assets  map[string][]byte
	log     io.Writer

	mu     sync.Mutex
	result *Result
}

func (e *localEnv) upstreamTasks() []string { return sortedKeys(e.outputs) }

func (e *localEnv) upstream(task string) (json.RawMessage, bool, error) {
	output, ok := e.outputs[task]
	return output, ok, nil
}

func (e *localEnv) assetKeys() []string { return sortedKeys(e.assets) }

func (e *localEnv) fetch(ctx context.Context, key, dest string) error {
	data, ok := e.assets[key]
	if !ok {
		return errNoAsset
	}
	_, err := writeFile(ctx, dest, bytes.NewReader(data))
	return err
}

func (e *localEnv) progress(percent float64, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.result.Progress = append(e.result.Progress, Progress{Percent: percent, Message: message})
	e.print("%3.0f%% %s", percent, message)
}

func (e *localEnv) added(ownAsset) {}

func (e *localEnv) line(line logLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	level := levelName(line.level)
	e.result.Logs = append(e.result.Logs, LogLine{Level: level, Message: line.message, Fields: line.fields})
	var fields strings.Builder
	for _, name := range sortedKeys(line.fields) {
		fmt.Fprintf(&fields, " %s=%v", name, line.fields[name])
	}
	e.print("%-5s %s%s", level, line.message, fields.String())
}

func (e *localEnv) print(format string, args ...any) {
	if e.log != nil {
		_, _ = fmt.Fprintf(e.log, format+"\n", args...)
	}
}

// finish collects what the handler made.
func (e *localEnv) finish(c *Context, output json.RawMessage) (*Result, error) {
	next, err := c.selected()
	if err != nil {
		return e.result, err
	}
	e.result.Output = output
	e.result.Next = slices.Clone(c.facts.task.AllowedNext)
	if next != nil {
		e.result.Next = *next
	}
	for _, asset := range c.own.list() {
		data, err := os.ReadFile(asset.path)
		if err != nil {
			return e.result, fmt.Errorf("asset %q: %w", asset.key, err)
		}
		e.result.Assets = append(e.result.Assets, LocalAsset{
			Key: asset.key, Type: asset.typ, Data: data, Path: "local://" + c.facts.wire + "/assets/" + asset.key,
		})
	}
	return e.result, nil
}

// lineHandler writes log records as lines for people: the message, its own
// attributes, then those that say where it comes from. Warnings and errors go
// to the second writer.
type lineHandler struct {
	mu       *sync.Mutex
	out, err io.Writer
	attrs    []slog.Attr
}

// NewLineHandler is a slog handler for programs that people watch: one line
// per record from level info on, warnings and errors to errors.
func NewLineHandler(out, errors io.Writer) slog.Handler {
	return &lineHandler{mu: &sync.Mutex{}, out: out, err: errors}
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	w := h.out
	if r.Level >= slog.LevelWarn {
		w = h.err
		line.WriteString(levelName(r.Level) + ": ")
	}
	line.WriteString(strings.ReplaceAll(r.Message, "\n", " "))
	add := func(attr slog.Attr) bool {
		value := attr.Value.Resolve().String()
		if value == "" || strings.ContainsAny(value, " \"=\n\r\t") {
			value = strconv.Quote(value)
		}
		line.WriteString(" " + attr.Key + "=" + value)
		return true
	}
	r.Attrs(add)
	for _, attr := range h.attrs {
		add(attr)
	}
	line.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(w, line.String())
	return err
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = append(slices.Clone(h.attrs), attrs...)
	return &with
}

func (h *lineHandler) WithGroup(string) slog.Handler { return h }
