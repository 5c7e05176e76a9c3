package engine

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"pipedai/internal/grep"
)

// logMatcher decides which lines of a task's log are wanted. To read a line as
// JSON takes most of the time of a search, so what cannot fit is told before.
type logMatcher struct {
	level   string
	text    *grep.Finder
	pattern *grep.Finder
	first   *grep.Finder // a part of the text that every line that fits has as it stands
}

func newLogMatcher(q LogQuery) logMatcher {
	return logMatcher{
		level: q.Level, text: grep.Text(q.Text, q.IgnoreCase), pattern: grep.Pattern(q.Pattern),
		first: grep.Text(rawPart(q.Text), q.IgnoreCase),
	}
}

// rawPart is the longest part of a text that a line must hold as it is in
// storage: what people read is put together with blanks and equals signs.
func rawPart(text string) string {
	longest := ""
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '=' || r == utf8.RuneError }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// fits reads a line and reports whether it is wanted.
func (m logMatcher) fits(raw []byte, at int64) (LogLine, bool) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return LogLine{}, false
	}
	// With a backslash in it, a line may spell anything otherwise.
	if bytes.IndexByte(raw, '\\') < 0 && (!m.first.In(raw) || !m.mayBeOfLevel(raw)) {
		return LogLine{}, false
	}
	line := readLogLine(raw)
	line.Pos = at
	fits := (m.level == "" || m.level == line.Level) && m.text.In([]byte(line.Text)) && m.pattern.In([]byte(line.Text))
	return line, fits
}

func (m logMatcher) mayBeOfLevel(raw []byte) bool {
	// A line that does not say is of the level info.
	return m.level == "" || m.level == "info" || bytes.Contains(raw, []byte(m.level))
}
