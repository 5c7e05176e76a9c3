// Package oplog is the log of a server as its operator reads it: three levels
// of detail, one line an event, fixed keys (run, task, task_run, worker,
// attempt, request), and the part of the program that speaks in brackets.
package oplog

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Notice is the level of what even the most silent log tells: the server
// starts, is ready, stops; the maintenance mode changes.
const Notice = slog.Level(2)

// Component is the key under which a logger carries the part of the program
// that it belongs to: log.With(oplog.Component, "poller").
const Component = "component"

// The levels of detail.
const (
	Minimal  = "minimal"  // notices, warnings and errors
	Normal   = "normal"   // and what an operator wants to see of ordinary work
	Detailed = "detailed" // and every event
)

// The forms of a line.
const (
	Text = "text" // key=value
	JSON = "json" // one object a line
	GCP  = "gcp"  // JSON with the member names that Google Cloud reads
)

// New returns a logger that writes to w. Unknown words mean Normal and Text.
func New(w io.Writer, level, form string) *slog.Logger {
	o := &slog.HandlerOptions{Level: least(level)}
	var lines slog.Handler
	switch form {
	case JSON:
		o.ReplaceAttr = noticeIsInfo
		lines = slog.NewJSONHandler(w, o)
	case GCP:
		o.ReplaceAttr = cloudNames
		lines = slog.NewJSONHandler(w, o)
	default:
		o.ReplaceAttr = briefly
		lines = slog.NewTextHandler(w, o)
	}
	return slog.New(&handler{lines: lines, brackets: form != JSON && form != GCP})
}

func least(level string) slog.Level {
	switch level {
	case Minimal:
		return Notice
	case Detailed:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// noticeIsInfo calls a notice INFO: the word is known to every reader of logs.
func noticeIsInfo(groups []string, a slog.Attr) slog.Attr {
	if level, is := a.Value.Any().(slog.Level); is && len(groups) == 0 && level == Notice {
		a.Value = slog.AnyValue(slog.LevelInfo)
	}
	return a
}

// briefly shortens the time of day for people who watch.
func briefly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		a.Value = slog.StringValue(a.Value.Time().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return noticeIsInfo(groups, a)
}

func cloudNames(groups []string, a slog.Attr) slog.Attr {
	a = noticeIsInfo(groups, a)
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		a.Key = "severity"
		if a.Value.String() == slog.LevelWarn.String() {
			a.Value = slog.StringValue("WARNING")
		}
	case slog.MessageKey:
		a.Key = "message"
	case slog.TimeKey:
		a = slog.String("time", a.Value.Time().UTC().Format(time.RFC3339Nano))
	}
	return a
}

// handler puts the component in front of the message.
type handler struct {
	lines     slog.Handler
	component string
	brackets  bool // otherwise it is a member of its own
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.lines.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.brackets && h.component != "" {
		r.Message = "[" + h.component + "] " + r.Message
	}
	return h.lines.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	rest := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if a.Key == Component && h.brackets {
			next.component = strings.TrimSpace(a.Value.String())
			continue
		}
		rest = append(rest, a)
	}
	next.lines = h.lines.WithAttrs(rest)
	return &next
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.lines = h.lines.WithGroup(name)
	return &next
}
