package workerlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"time"

	"pipedai/internal/grep"
	"pipedai/internal/lines"
)

// Query says which lines are wanted. The zero value wants the newest
// DefaultLimit.
type Query struct {
	// After, when set, begins at the first line behind that position and goes
	// to newer lines. Otherwise the newest lines are looked for, of those before
	// position Before when it is set.
	After, Before *int64
	// Since and Until bound the time of lines, when not zero: not before Since,
	// before Until. Lines that are not in the format have no time and are then
	// left out.
	Since, Until time.Time
	Stream       string         // "out" or "err"; "" for both
	Text         string         // the text of a line holds it; colours between do not matter
	IgnoreCase   bool           // for Text; an expression says (?i)
	Pattern      *regexp.Regexp // the text of a line matches it
	// Limit is how many lines are wanted at most; DefaultLimit when 0.
	Limit int
	// Count asks how many lines there are that fit, of all that are held.
	Count bool
}

// The limits of an answer.
const (
	DefaultLimit = 500
	maxAnswer    = 8 << 20 // bytes of text; at least one line is given
)

// Page is what a Query found, oldest first.
type Page struct {
	Lines []Line
	// Older and Newer go on from here, as Before and After of a query.
	Older, Newer int64
	// More: there may be further lines in the direction that was gone.
	More bool
	// Gap: lines behind After are no longer held.
	Gap bool
	// Partial: ctx ended first; Older or Newer tells how far it got.
	Partial bool

	Oldest, End  int64 // of what is held: its first line, and behind its last
	Count        int   // with Query.Count
	CountPartial bool  // ctx ended first
}

// Find looks for lines until it has enough of them, or ctx ends: that is no
// error, the page says so. The work grows with the bytes looked at and nothing
// else.
func (fs *Files) Find(ctx context.Context, q Query) (Page, error) {
	m := newMatcher(q)
	page := Page{Oldest: fs.Oldest(), End: fs.End()}
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	var err error
	// Where it begins at an end of the log the lines are counted on the way: a
	// log is gone through once, not twice.
	var count *int
	if q.Count && (q.After != nil && *q.After < page.Oldest || q.After == nil && q.Before == nil) {
		count = &page.Count
	}
	if q.After != nil {
		err = fs.forward(ctx, m, *q.After, limit, &page, count)
	} else {
		err = fs.backward(ctx, m, q.Before, limit, &page, count)
	}
	if err == nil && q.Count && count == nil {
		page.Count, page.CountPartial, err = fs.count(ctx, m)
	}
	return page, err
}

// WriteTo writes the lines that fit, all that are held, as the files have them.
func (fs *Files) WriteTo(ctx context.Context, w io.Writer, q Query) error {
	m := newMatcher(q)
	out := make([]byte, 0, lines.Block)
	stopped := false
	err := fs.scan(ctx, fs.Oldest(), m.skips, func(raw []byte, _ int64) bool {
		if !m.fits(raw) {
			return true
		}
		out = append(append(out, raw...), '\n')
		if len(out) < lines.Block/2 {
			return true
		}
		_, err := w.Write(out)
		out, stopped = out[:0], err != nil
		return !stopped
	})
	if err != nil || stopped {
		return err
	}
	_, err = w.Write(out)
	return err
}

// Each gives the lines behind position after that fit, until it returns false,
// and returns the position to go on after.
func (fs *Files) Each(ctx context.Context, after int64, q Query, each func(Line) bool) (last int64, err error) {
	m := newMatcher(q)
	last = max(after, -1)
	err = fs.scan(ctx, after+1, m.skips, func(raw []byte, pos int64) bool {
		last = pos
		return !m.fits(raw) || each(parse(raw, pos))
	})
	return last, err
}

func (fs *Files) forward(ctx context.Context, m *matcher, after int64, limit int, page *Page, count *int) error {
	page.Gap = after+1 < page.Oldest
	page.Newer, page.Older = max(after, page.Oldest-1), max(after+1, page.Oldest)
	size := 0
	err := fs.scan(ctx, after+1, m.skips, func(raw []byte, pos int64) bool {
		if !m.fits(raw) {
			if !page.More {
				page.Newer = pos
			}
			return true
		}
		if count != nil {
			*count++
		}
		if page.More || len(page.Lines) == limit || size > 0 && size+len(raw) > maxAnswer {
			page.More = true
			return count != nil
		}
		size += len(raw)
		if len(page.Lines) == 0 {
			page.Older = pos
		}
		page.Lines = append(page.Lines, parse(raw, pos))
		page.Newer = pos
		return true
	})
	return page.outOfTime(err, count)
}

func (fs *Files) backward(ctx context.Context, m *matcher, before *int64, limit int, page *Page, count *int) error {
	end := page.End
	if before != nil {
		end = min(end, max(*before, page.Oldest))
	}
	page.Older, page.Newer = end, end-1
	size := 0
	err := fs.scanBack(ctx, end, m.skips, func(raw []byte, pos int64) bool {
		if !m.fits(raw) {
			if !page.More {
				page.Older = pos
			}
			return true
		}
		if count != nil {
			*count++
		}
		if page.More || len(page.Lines) == limit || size > 0 && size+len(raw) > maxAnswer {
			page.More = true
			return count != nil
		}
		size += len(raw)
		if len(page.Lines) == 0 && before != nil {
			page.Newer = pos
		}
		page.Lines = append(page.Lines, parse(raw, pos))
		page.Older = pos
		return true
	})
	slices.Reverse(page.Lines)
	return page.outOfTime(err, count)
}

// outOfTime notes that the time was up, which is no error. Where the page was
// full by then, only the count suffers.
func (page *Page) outOfTime(err error, count *int) error {
	if !errors.Is(err, lines.ErrTime) {
		return err
	}
	page.Partial = !page.More
	page.CountPartial = count != nil
	page.More = true
	return nil
}

func (fs *Files) count(ctx context.Context, m *matcher) (n int, partial bool, err error) {
	err = fs.scan(ctx, fs.Oldest(), m.skips, func(raw []byte, _ int64) bool {
		if m.fits(raw) {
			n++
		}
		return true
	})
	if errors.Is(err, lines.ErrTime) {
		return n, true, nil
	}
	return n, false, err
}

// matcher decides about lines without parsing them.
type matcher struct {
	q            Query
	since, until []byte // as a file spells them: they sort as text
	text         *grep.Finder
	pattern      *grep.Finder
}

func newMatcher(q Query) *matcher {
	m := &matcher{q: q, text: grep.Text(q.Text, q.IgnoreCase), pattern: grep.Pattern(q.Pattern)}
	if !q.Since.IsZero() {
		m.since = q.Since.UTC().AppendFormat(nil, timeFormat)
	}
	if !q.Until.IsZero() {
		m.until = q.Until.UTC().AppendFormat(nil, timeFormat)
	}
	return m
}

// skips reports whether a file that was last written to then can hold nothing
// that fits. The clock may have been set meanwhile: a day is left for that.
func (m *matcher) skips(changed time.Time) bool {
	return !m.q.Since.IsZero() && changed.Before(m.q.Since.Add(-24*time.Hour))
}

func (m *matcher) fits(raw []byte) bool {
	stream, text := "out", raw
	if s := streamOf(raw); s != "" {
		stream, text = s, raw[headLength:]
		head := raw[:len(timeFormat)]
		if m.since != nil && bytes.Compare(head, m.since) < 0 || m.until != nil && bytes.Compare(head, m.until) >= 0 {
			return false
		}
	} else if m.since != nil || m.until != nil {
		return false
	}
	if m.q.Stream != "" && m.q.Stream != stream {
		return false
	}
	return m.text.In(text) && m.pattern.In(text)
}

// Fits reports whether a line fits q, whatever its position.
func (q Query) Fits(l Line) bool {
	m := newMatcher(q)
	return m.fits(Append(nil, l.TS, l.Stream, l.Text)[:headLength+len(l.Text)])
}
