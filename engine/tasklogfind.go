package engine

import (
	"context"
	"errors"
	"slices"

	"pipedai/internal/lines"
)

// logSearch goes through a log for one page of lines.
type logSearch struct {
	want  logMatcher
	limit int
	// counting: the lines that fit are counted on the way to the page.
	counting bool
	page     LogPage
	size     int // of the page's lines as they stand in the log
}

// find looks for lines until it has enough of them or ctx ends.
func find(ctx context.Context, log lines.File, q LogQuery) (LogPage, error) {
	s := logSearch{want: newLogMatcher(q), limit: q.Limit, page: LogPage{End: log.Size}}
	if s.limit <= 0 {
		s.limit = DefaultLogLines
	}
	s.counting = q.Count && q.fromAnEnd()
	var err error
	if q.After != nil {
		err = s.forward(ctx, log, *q.After)
	} else {
		end := log.Size
		if q.Before != nil {
			end = min(end, *q.Before)
		}
		err = s.backward(ctx, log, end)
	}
	if errors.Is(err, lines.ErrTime) {
		// Where the page was full by then, only the count suffers.
		s.page.Partial, s.page.CountPartial, err = !s.page.More, s.counting, nil
		s.page.More = true
	}
	if err == nil && q.Count && !s.counting {
		err = s.count(ctx, log)
	}
	return s.page, err
}

// forward fills the page with lines behind a position, the oldest first.
func (s *logSearch) forward(ctx context.Context, log lines.File, after int64) error {
	s.page.Newer, s.page.Older = after, after+1
	_, err := log.Forward(ctx, after+1, func(raw []byte, at int64) bool { return s.take(raw, at, &s.page.Newer) })
	if len(s.page.Lines) > 0 {
		s.page.Older = s.page.Lines[0].Pos
	}
	return err
}

// backward fills the page with lines before a position, the newest last.
func (s *logSearch) backward(ctx context.Context, log lines.File, end int64) error {
	s.page.Older, s.page.Newer = end, end-1
	_, err := log.Backward(ctx, end, func(raw []byte, at int64) bool { return s.take(raw, at, &s.page.Older) })
	slices.Reverse(s.page.Lines)
	if len(s.page.Lines) > 0 {
		s.page.Newer = s.page.Lines[len(s.page.Lines)-1].Pos
	}
	return err
}

// take looks at a line, and reports false when there is nothing more to do.
// reached moves on with every line until the page is full.
func (s *logSearch) take(raw []byte, at int64, reached *int64) bool {
	line, ok := s.want.fits(raw, at)
	switch {
	case !ok:
	case s.page.More || len(s.page.Lines) == s.limit || s.size > 0 && s.size+len(raw) > maxLogAnswer:
		s.page.More = true
	default:
		s.size += len(raw)
		s.page.Lines = append(s.page.Lines, line)
	}
	if ok && s.counting {
		s.page.Count++
	}
	if !s.page.More {
		*reached = at
	}
	return !s.page.More || s.counting
}

// count goes through the whole log for how many lines fit.
func (s *logSearch) count(ctx context.Context, log lines.File) error {
	_, err := log.Forward(ctx, 0, func(raw []byte, at int64) bool {
		if _, ok := s.want.fits(raw, at); ok {
			s.page.Count++
		}
		return true
	})
	if s.page.CountPartial = errors.Is(err, lines.ErrTime); s.page.CountPartial {
		return nil
	}
	return err
}

// fromAnEnd reports whether the search begins at an end of the log. Then the
// lines are counted on the way: a log is gone through once, not twice.
func (q LogQuery) fromAnEnd() bool {
	return q.After != nil && *q.After < 0 || q.After == nil && q.Before == nil
}
