package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"pipedai/internal/lines"
	"pipedai/pipeline"
	"pipedai/storage"
)

// LogQuery says which lines of a task's log are wanted. The zero value wants
// the last DefaultLogLines.
type LogQuery struct {
	// After, when set, begins at the first line behind that position and goes on
	// from there. Otherwise the last lines are looked for, of those before
	// position Before when it is set.
	After, Before *int64
	Text          string         // what people read of a line holds it
	IgnoreCase    bool           // for Text; an expression says (?i)
	Pattern       *regexp.Regexp // what people read of a line matches it
	Level         string         // "error", ...; empty: any
	Limit         int            // at most; DefaultLogLines when 0
	Count         bool           // of all lines that fit
}

// DefaultLogLines is how many lines an answer has unless asked otherwise.
const DefaultLogLines = 500

// maxLogAnswer bounds the text of one answer; at least one line is given.
const maxLogAnswer = 8 << 20

// LogLine is one line of a task's log.
type LogLine struct {
	Pos   int64     // bytes of the log before it
	At    time.Time // zero: the line does not say
	Level string    // "info" where the line does not say
	Text  string
}

// LogPage is what a LogQuery found, oldest first.
type LogPage struct {
	Lines []LogLine
	// Older and Newer go on from here, as Before and After of a query.
	Older, Newer int64
	// More: there may be further lines in the direction that was gone.
	More bool
	// Partial: ctx ended first; Older or Newer tells how far it got.
	Partial bool

	End          int64 // the length of the log in bytes
	Count        int   // with LogQuery.Count
	CountPartial bool  // ctx ended first
}

// TaskLog looks through the log that the last attempt of a task run left in
// storage. A run that has none yet has no lines. Errors are store.ErrNotFound
// for a task run that does not exist, and those of Stat for a log that is not
// in storage any more.
func (e *Engine) TaskLog(ctx context.Context, id pipeline.TaskRunID, q LogQuery) (LogPage, error) {
	log, err := e.taskLog(ctx, id)
	if err != nil {
		return LogPage{}, err
	}
	if log.Size == 0 {
		return LogPage{Newer: -1}, nil
	}
	return find(ctx, log, q)
}

// TaskLogLines gives the lines of the log that fit, the oldest first, until
// each returns false or ctx ends. Nothing of q but what decides about a line
// counts. Errors are as those of TaskLog.
func (e *Engine) TaskLogLines(ctx context.Context, id pipeline.TaskRunID, q LogQuery, each func(LogLine) bool) error {
	log, err := e.taskLog(ctx, id)
	if err != nil {
		return err
	}
	m := newLogMatcher(q)
	_, err = log.Forward(ctx, 0, func(raw []byte, at int64) bool {
		line, ok := m.fits(raw, at)
		return !ok || each(line)
	})
	return err
}

// taskLog opens the log of a task run; one without a log has an empty one.
func (e *Engine) taskLog(ctx context.Context, id pipeline.TaskRunID) (lines.File, error) {
	run, err := e.store.TaskRun(ctx, id)
	if err != nil || run.LogsPath == "" {
		return lines.File{}, err
	}
	object, err := e.Stat(ctx, run.LogsPath, "")
	if err != nil {
		return lines.File{}, err
	}
	// The search may run out of time without that being an error of the storage.
	read := &objectReader{ctx: context.WithoutCancel(ctx), object: object}
	return lines.File{R: read, Size: object.Size, Rest: true}, nil
}

// objectReader reads parts of an object.
type objectReader struct {
	ctx    context.Context
	object Stored
}

func (r *objectReader) ReadAt(p []byte, offset int64) (int, error) {
	body, err := r.object.OpenRange(r.ctx, offset, int64(len(p)))
	if errors.Is(err, storage.ErrBadRange) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", r.object.Path, err)
	}
	n, err := io.ReadFull(body, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, errors.Join(err, body.Close())
}

// readLogLine reads one line as workers write them, a JSON object, in the words
// of people: the message, and what else the task gave as name=value. A line of
// another form stays as it is.
func readLogLine(raw []byte) LogLine {
	var fields map[string]json.RawMessage
	var message string
	if json.Unmarshal(raw, &fields) != nil || json.Unmarshal(fields["message"], &message) != nil {
		return LogLine{Level: "info", Text: strings.ToValidUTF8(string(bytes.TrimRight(raw, "\r")), "\ufffd")}
	}
	line := LogLine{Level: "info"}
	var at, level string
	if json.Unmarshal(fields["timestamp"], &at) == nil {
		line.At, _ = time.Parse(time.RFC3339, at) // else it is a line without a time
	}
	if json.Unmarshal(fields["level"], &level) == nil && level != "" {
		line.Level = level
	}
	for _, known := range []string{"message", "timestamp", "level", "runId", "stream"} {
		delete(fields, known)
	}
	text := []byte(message)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text = append(append(append(append(text, ' '), name...), '='), plainJSON(fields[name])...)
	}
	line.Text = string(text)
	return line
}

// plainJSON is a text without its quotes, and anything else as it is.
func plainJSON(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
