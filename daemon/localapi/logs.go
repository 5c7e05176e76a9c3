package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pipedai/api"
	"pipedai/internal/grep"
	"pipedai/internal/httpkit"
	"pipedai/internal/workerlog"
)

// Limits of what is served of a log.
const (
	defaultLogTail = 500
	maxLogTail     = 2000
	maxLogLimit    = 5000
	maxLogPattern  = 1000 // bytes
	// searchTime bounds one search; the answer says how far it got.
	searchTime = 2 * time.Second
)

// logs answers with some lines of a worker's log, see docs/logs.md.
func (s *Server) logs(ctx context.Context, _ httpkit.None) (api.LogLines, error) {
	q, err := logQuery(httpkit.Request(ctx))
	if err != nil {
		return api.LogLines{}, err
	}
	id, err := s.knownWorker(ctx)
	if err != nil {
		return api.LogLines{}, err
	}
	files, err := s.o.Backend.Logs(ctx, id)
	if err != nil {
		return api.LogLines{}, err
	}
	defer files.Close()
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	page, err := files.Find(ctx, q)
	if err != nil {
		return api.LogLines{}, err
	}
	return logLines(page, q.Count), nil
}

func logLines(page workerlog.Page, counted bool) api.LogLines {
	out := api.LogLines{
		Items: make([]api.LogLine, len(page.Lines)), Older: page.Older, Newer: page.Newer, More: page.More,
		Gap: page.Gap, Partial: page.Partial, Oldest: page.Oldest, End: page.End,
	}
	for i, l := range page.Lines {
		out.Items[i] = logLine(l)
	}
	if counted {
		out.Count, out.CountPartial = &page.Count, page.CountPartial
	}
	return out
}

func logLine(l workerlog.Line) api.LogLine {
	out := api.LogLine{Stream: l.Stream, Line: l.Text, Pos: l.Pos}
	if !l.TS.IsZero() {
		out.TS = l.TS.UnixMilli()
	}
	return out
}

// downloadLogs sends everything that is held, or what fits, as text or as an
// object for each line.
func (s *Server) downloadLogs(w http.ResponseWriter, r *http.Request) {
	files, q, err := s.openDownload(r)
	if err != nil {
		s.kit.Fail(w, r, err)
		return
	}
	defer files.Close()
	kind, ending, send := "text/plain; charset=utf-8", ".log", files.WriteTo
	if r.URL.Query().Get("format") == formatNDJSON {
		kind, ending = "application/x-ndjson", ".ndjson"
		send = func(ctx context.Context, w io.Writer, q workerlog.Query) error { return writeObjects(ctx, w, files, q) }
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", r.PathValue("id")+ending))
	// A large log takes longer than an answer may otherwise.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	if err := send(r.Context(), w, q); err != nil && r.Context().Err() == nil {
		s.o.Log.Warn("send worker log", "worker", r.PathValue("id"), "error", err)
		panic(http.ErrAbortHandler) // the only way to say that it is not whole
	}
}

const formatNDJSON = "ndjson"

// writeObjects writes the lines that fit as the route for lines has them, an
// object of JSON each.
func writeObjects(ctx context.Context, w io.Writer, files *workerlog.Files, q workerlog.Query) error {
	out := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var failed error
	_, err := files.Each(ctx, files.Oldest()-1, q, func(l workerlog.Line) bool {
		failed = encoder.Encode(logLine(l))
		return failed == nil
	})
	return errors.Join(err, failed, out.Flush())
}

func (s *Server) openDownload(r *http.Request) (*workerlog.Files, workerlog.Query, error) {
	q, err := logFilter(r.URL.Query())
	if err != nil {
		return nil, q, err
	}
	switch r.URL.Query().Get("format") {
	case "", "text", formatNDJSON:
	default:
		return nil, q, badQuery("format must be text or ndjson", "leave it out for text")
	}
	id, err := s.known(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, q, err
	}
	files, err := s.o.Backend.Logs(r.Context(), id)
	return files, q, err
}

// logQuery reads which lines are wanted, and how many.
func logQuery(r *http.Request) (workerlog.Query, error) {
	values := r.URL.Query()
	q, err := logFilter(values)
	if err != nil {
		return q, err
	}
	if q.After, err = position(values, "after"); err != nil {
		return q, err
	}
	if q.Before, err = position(values, "before"); err != nil {
		return q, err
	}
	if q.After != nil && q.Before != nil {
		return q, badQuery("after and before exclude each other", "give one of them")
	}
	if q.Count, err = toggle(values, "count"); err != nil {
		return q, err
	}
	tail, err := httpkit.Int(r, "tail", defaultLogTail, 1, maxLogTail)
	if err != nil {
		return q, err
	}
	q.Limit, err = httpkit.Int(r, "limit", tail, 1, maxLogLimit)
	return q, err
}

// logFilter reads which lines fit.
func logFilter(values url.Values) (q workerlog.Query, err error) {
	if q.Since, err = instant(values, "since"); err != nil {
		return q, err
	}
	if q.Until, err = instant(values, "until"); err != nil {
		return q, err
	}
	switch q.Stream = values.Get("stream"); q.Stream {
	case "", "out", "err":
	default:
		return q, badQuery("stream must be out or err", "leave it out for both")
	}
	isPattern, err := toggle(values, "regex")
	if err != nil {
		return q, err
	}
	if q.IgnoreCase, err = toggle(values, "ignoreCase"); err != nil {
		return q, err
	}
	text := values.Get("grep")
	if len(text) > maxLogPattern {
		return q, badQuery(fmt.Sprintf("grep is longer than %d bytes", maxLogPattern), "search for less")
	}
	if !isPattern {
		q.Text = text
		return q, nil
	}
	if q.Pattern, err = grep.Compile(text, q.IgnoreCase); err != nil {
		return q, badQuery("This is not a regular expression: "+grep.Why(err), "leave regex out to search for the text as it is")
	}
	return q, nil
}

func position(values url.Values, name string) (*int64, error) {
	text := values.Get(name)
	if text == "" {
		return nil, nil //nolint:nilnil // it is not given
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return nil, badQuery(name+" must be the pos of a line", "older and newer of an answer go on from there")
	}
	return &n, nil
}

// instant reads a time: RFC 3339, or milliseconds.
func instant(values url.Values, name string) (time.Time, error) {
	text := values.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 && ms < 1e14 {
		return time.UnixMilli(ms), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}, badQuery(name+" must be a time", "write 2030-02-03T04:05:06Z, or milliseconds since 1970")
	}
	return at, nil
}

func toggle(values url.Values, name string) (bool, error) {
	switch values.Get(name) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, badQuery(name+" must be 1 or 0", "")
}

func badQuery(message, fix string) error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: message, Fix: fix}
}
