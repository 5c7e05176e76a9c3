package controlplane

import (
	"context"
	"errors"
	"math"
	"net/http"
	"regexp"
	"time"

	"pipedai/api"
	"pipedai/engine"
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
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return api.TaskLog{}, &api.Error{
			Status: http.StatusGone, Code: api.CodeNotFound, Message: "The log is not in storage any more",
			Extra: map[string]any{"taskRunId": given},
		}
	case err != nil:
		return api.TaskLog{}, missing(err, "Task run", "taskRunId", given)
	}
	out := api.TaskLog{
		Items: make([]api.TaskLogLine, len(page.Lines)), Older: page.Older, Newer: page.Newer,
		More: page.More, Partial: page.Partial, End: page.End,
	}
	for i, l := range page.Lines {
		out.Items[i] = api.TaskLogLine{Pos: l.Pos, At: api.At(l.At), Level: l.Level, Text: l.Text}
	}
	if q.Count {
		out.Count, out.CountPartial = &page.Count, page.CountPartial
	}
	return out, nil
}

func taskLogQuery(ctx context.Context) (engine.LogQuery, error) {
	q := queryOf(ctx)
	out := engine.LogQuery{Limit: q.number("limit", engine.DefaultLogLines, 1, maxTaskLogLines), Level: q.text("level"), Count: q.text("count") == "1"}
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
	switch text := q.text("grep"); {
	case len(text) > maxLogPattern:
		q.problems.Add([]string{"grep"}, "String must contain at most 1000 byte(s)")
	case q.text("regex") == "1":
		pattern, err := regexp.Compile(text)
		if err != nil {
			q.problems.Add([]string{"grep"}, "Invalid regular expression")
		}
		out.Pattern = pattern
	default:
		out.Text = text
	}
	return out, q.err()
}
