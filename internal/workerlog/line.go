// Package workerlog is the format of the logs of worker output, and the one
// way to read them: by position, by time, by what they hold. It works on the
// files, so it needs no daemon.
//
// A line has a position: how many bytes of the worker's output log, rotated
// files included and whatever has become of them, were written before it. It
// stays the same when files are rotated and when the daemon is another one.
package workerlog

import (
	"bytes"
	"strings"
	"time"
)

const (
	// timeFormat is how a log file spells time.
	timeFormat = "2006-01-02T15:04:05.000Z"
	// headLength is the length of what goes before the text of a line: the
	// time, the stream, and a space after each.
	headLength = len(timeFormat) + len(" out ")
)

// Line is one captured line of output.
type Line struct {
	TS     time.Time // zero for a line that is not in the format
	Stream string    // "out" or "err"
	Text   string    // valid UTF-8, without the line end
	Pos    int64     // see the package comment
}

// Append appends a line as the file has it. A line end within its text becomes
// a space.
func Append(dst []byte, ts time.Time, stream, text string) []byte {
	dst = AppendHead(dst, ts, stream)
	return append(append(dst, strings.ReplaceAll(text, "\n", " ")...), '\n')
}

// AppendHead appends what goes before the text of a line.
func AppendHead(dst []byte, ts time.Time, stream string) []byte {
	dst = append(ts.UTC().AppendFormat(dst, timeFormat), ' ')
	return append(append(dst, stream...), ' ')
}

// parse reads a line without its end; what is not in the format is shown as it
// is.
func parse(raw []byte, pos int64) Line {
	if stream := streamOf(raw); stream != "" {
		if ts, err := time.Parse(timeFormat, string(raw[:len(timeFormat)])); err == nil {
			return Line{TS: ts, Stream: stream, Text: string(raw[headLength:]), Pos: pos}
		}
	}
	return Line{Stream: "out", Text: strings.ToValidUTF8(string(raw), "\uFFFD"), Pos: pos}
}

// streamOf returns the stream of a line that looks like the format, or "".
func streamOf(raw []byte) string {
	if len(raw) < headLength || raw[len(timeFormat)-1] != 'Z' || raw[10] != 'T' {
		return ""
	}
	switch string(raw[len(timeFormat):headLength]) {
	case " out ":
		return "out"
	case " err ":
		return "err"
	}
	return ""
}

// Split parses whole lines as a file has them; the first is at position pos.
func Split(data []byte, pos int64) []Line {
	var lines []Line
	for len(data) > 0 {
		raw, rest, _ := bytes.Cut(data, []byte{'\n'})
		lines = append(lines, parse(raw, pos))
		pos += int64(len(data) - len(rest))
		data = rest
	}
	return lines
}
