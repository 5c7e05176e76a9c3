package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/storage"
)

// logSink takes the lines of an attempt's log.
type logSink func(line logLine)

// logLine is one line; fields are merged into it at top level.
type logLine struct {
	at      time.Time
	level   slog.Level
	message string
	fields  map[string]any
}

// levelName spells a level as the log objects do.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	default:
		return "error"
	}
}

// encode writes the line as the log object has it. Fields cannot replace the
// four members that every line has.
func (l logLine) encode(run string) []byte {
	object := map[string]any{}
	for name, value := range l.fields {
		object[name] = value
	}
	object["timestamp"] = api.At(l.at)
	object["level"] = levelName(l.level)
	object["runId"] = run
	object["message"] = l.message
	data, err := json.Marshal(object)
	if err != nil { // a field that JSON cannot say
		for name, value := range l.fields {
			object[name] = fmt.Sprint(value)
		}
		object["timestamp"], object["level"], object["runId"], object["message"] = api.At(l.at), levelName(l.level), run, l.message
		data, _ = json.Marshal(object)
	}
	return data
}

// logHandler turns slog records into lines.
type logHandler struct {
	sink   logSink
	prefix string
	attrs  []slog.Attr
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	line := logLine{at: r.Time, level: r.Level, message: r.Message, fields: map[string]any{}}
	for _, attr := range h.attrs {
		flatten(line.fields, "", attr)
	}
	r.Attrs(func(attr slog.Attr) bool {
		flatten(line.fields, h.prefix, attr)
		return true
	})
	h.sink(line)
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, attr := range attrs {
		attr.Key = h.prefix + attr.Key
		with.attrs = append(with.attrs, attr)
	}
	return &with
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.prefix = h.prefix + name + "."
	return &with
}

func flatten(fields map[string]any, prefix string, attr slog.Attr) {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if attr.Key != "" {
			prefix += attr.Key + "."
		}
		for _, inner := range value.Group() {
			flatten(fields, prefix, inner)
		}
		return
	}
	if attr.Key == "" {
		return
	}
	switch v := value.Any().(type) {
	case error:
		fields[prefix+attr.Key] = v.Error()
	case time.Duration:
		fields[prefix+attr.Key] = v.String()
	default:
		fields[prefix+attr.Key] = v
	}
}

// maxRunLog bounds the log of one attempt.
const maxRunLog = 16 << 20

// runLog is the log of one attempt in a file of its scratch folder.
type runLog struct {
	run  string
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	size int
	full bool
	fail error
}

func newRunLog(path, run string) (*runLog, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &runLog{run: run, file: file, buf: bufio.NewWriter(file)}, nil
}

func (l *runLog) add(line logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full || l.file == nil {
		return
	}
	data := line.encode(l.run)
	if l.size+len(data)+1 > maxRunLog {
		l.full = true
		data = logLine{at: line.at, level: slog.LevelWarn, message: "the log is full: further lines are not kept"}.encode(l.run)
	}
	if l.size > 0 { // lines are joined: no newline after the last
		data = append([]byte("\n"), data...)
	}
	l.size += len(data)
	if _, err := l.buf.Write(data); err != nil {
		l.fail = err
	}
}

// upload stores the log and ends it.
func (l *runLog) upload(ctx context.Context, bucket storage.Bucket, path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.close()
	if err := l.buf.Flush(); err != nil {
		return err
	}
	if l.fail != nil {
		return l.fail
	}
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := bucket.Put(ctx, path, io.NopCloser(l.file), int64(l.size), storage.ContentNDJSON)
	return err
}

// close releases the file; lines that come later are dropped.
func (l *runLog) close() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// redactor hides secrets by value.
type redactor struct{ replacer *strings.Replacer }

// newRedactor knows the values to hide; short ones are left out, because they
// would blank ordinary text.
func newRedactor(values ...string) redactor {
	var pairs []string
	for _, value := range values {
		if len(value) >= 8 {
			pairs = append(pairs, value, "***")
		}
	}
	return redactor{strings.NewReplacer(pairs...)}
}

func (r redactor) text(s string) string {
	if r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// line hides secrets in the message and in every text field.
func (r redactor) line(l logLine) logLine {
	l.message = r.text(l.message)
	fields := make(map[string]any, len(l.fields))
	for name, value := range l.fields {
		if text, ok := value.(string); ok {
			value = r.text(text)
		}
		fields[name] = value
	}
	l.fields = fields
	return l
}
