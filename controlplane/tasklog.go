package controlplane

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/grep"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/storage"
)

// Limits of what is served of a task's log.
const (
	maxTaskLogLines = 5000
	maxLogPattern   = 1000 // bytes
	// logSearchTime bounds one search; the answer says how far it got.
	logSearchTime = 2 * time.Second
)

// taskLog answers GET /api/task-runs/{id}/logs: the last lines, or a page of
// those that fit.
func (s *Server) taskLog(ctx context.Context, _ none) (api.TaskLog, error) {
	q, err := taskLogQuery(ctx)
	if err != nil {
		return api.TaskLog{}, err
	}
	given := pathID(ctx)
	id, _ := pipeline.ParseWire(given)
	within, cancel := context.WithTimeout(ctx, logSearchTime)
	defer cancel()
	page, err := s.o.Engine.TaskLog(within, id, q)
	if err != nil {
		return api.TaskLog{}, noTaskLog(err, given)
	}
	out := api.TaskLog{
		Items: make([]api.TaskLogLine, len(page.Lines)), Older: page.Older, Newer: page.Newer,
		More: page.More, Partial: page.Partial, End: page.End,
	}
	for i, l := range page.Lines {
		out.Items[i] = taskLogLine(l)
	}
	if q.Count {
		out.Count, out.CountPartial = &page.Count, page.CountPartial
	}
	return out, nil
}

// noTaskLog says why there is no log to read.
func noTaskLog(err error, given string) error {
	if errors.Is(err, storage.ErrNotFound) {
		return &api.Error{
			Status: http.StatusGone, Code: api.CodeNotFound, Message: "The log is not in storage any more",
			Extra: map[string]any{"taskRunId": given},
		}
	}
	return missing(err, "Task run", "taskRunId", given)
}

// downloadTaskLog answers GET /api/task-runs/{id}/logs/download: all lines, or
// all that fit, as text or as an object each.
func (s *Server) downloadTaskLog(w http.ResponseWriter, r *http.Request) {
	const label = "Failed to read the log"
	given := clean(r.PathValue("id"))
	id, _ := pipeline.ParseWire(given)
	params := &query{r.URL.Query(), httpkit.NewProblems()}
	filter, err := logFilter(params)
	ndjson := params.text("format") == "ndjson"
	if format := params.text("format"); format != "" && format != "text" && !ndjson {
		params.problems.Add([]string{"format"}, "Expected text or ndjson")
	}
	if err = cmp.Or(err, params.err()); err != nil {
		s.fail(w, r, label, err)
		return
	}
	out := &logWriter{w: w, ndjson: ndjson, name: given}
	err = s.o.Engine.TaskLogLines(r.Context(), id, filter, out.line)
	switch {
	case err == nil && out.err == nil:
		err = out.flush()
	case err == nil:
		err = out.err
	case !out.begun:
		s.fail(w, r, label, noTaskLog(err, given))
		return
	}
	if err != nil && r.Context().Err() == nil {
		s.o.Log.WarnContext(r.Context(), "task log not sent whole", "task_run", given, "request", httpkit.RequestID(r.Context()), "error", err)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the only way to say that it is not whole
	}
}

// logWriter sends lines in large pieces. What is an error before the first of
// them can still be answered as one.
type logWriter struct {
	w      http.ResponseWriter
	ndjson bool
	name   string
	begun  bool
	buf    []byte
	err    error
}

const logPiece = 64 << 10

func (l *logWriter) line(line engine.LogLine) bool {
	if l.ndjson {
		data, err := json.Marshal(taskLogLine(line))
		if err != nil {
			l.err = err
			return false
		}
		l.buf = append(append(l.buf, data...), '\n')
	} else {
		if !line.At.IsZero() {
			l.buf = append(line.At.UTC().AppendFormat(l.buf, "2006-01-02T15:04:05.000Z"), ' ')
		}
		l.buf = append(append(append(l.buf, line.Level...), ' '), line.Text...)
		l.buf = append(l.buf, '\n')
	}
	if len(l.buf) < logPiece {
		return true
	}
	l.err = l.flush()
	return l.err == nil
}

func (l *logWriter) flush() error {
	if !l.begun {
		l.begun = true
		kind, ending := "text/plain; charset=utf-8", ".log"
		if l.ndjson {
			kind, ending = "application/x-ndjson", ".ndjson"
		}
		safely(l.w.Header(), l.name+ending, kind)
	}
	_, err := l.w.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

func taskLogLine(l engine.LogLine) api.TaskLogLine {
	return api.TaskLogLine{Pos: l.Pos, At: api.At(l.At), Level: l.Level, Text: l.Text}
}

func taskLogQuery(ctx context.Context) (engine.LogQuery, error) {
	q := queryOf(ctx)
	out, err := logFilter(q)
	out.Limit, out.Count = q.number("limit", engine.DefaultLogLines, 1, maxTaskLogLines), q.text("count") == "1"
	position := func(name string) *int64 {
		if q.text(name) == "" {
			return nil
		}
		at := int64(q.number(name, 0, -1, math.MaxInt))
		return &at
	}
	out.After, out.Before = position("after"), position("before")
	if out.After != nil && out.Before != nil {
		q.problems.Add([]string{"before"}, "after and before exclude each other")
	}
	return out, cmp.Or(err, q.err())
}

// logFilter reads which lines fit. What is wrong with an expression is said in
// a sentence, for the person who typed it.
func logFilter(q *query) (engine.LogQuery, error) {
	out := engine.LogQuery{Level: q.text("level"), IgnoreCase: q.text("ignoreCase") == "1"}
	switch text := q.text("grep"); {
	case len(text) > maxLogPattern:
		q.problems.Add([]string{"grep"}, "String must contain at most 1000 byte(s)")
	case q.text("regex") == "1":
		pattern, err := grep.Compile(text, out.IgnoreCase)
		if err != nil {
			return out, &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "This is not a regular expression: " + grep.Why(err)}
		}
		out.Pattern = pattern
	default:
		out.Text = text
	}
	return out, nil
}
