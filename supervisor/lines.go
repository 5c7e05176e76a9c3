package supervisor

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxLine bounds the text of one line; a longer one is written in pieces.
	maxLine = 8192
	// cutMark ends every piece but the last.
	cutMark = " …[line continues]"
	// isoFormat is how the log file spells time.
	isoFormat = "2006-01-02T15:04:05.000Z"
)

// nextLine finds the first line in data: its text, how many bytes of data it
// takes, and whether it is a piece of a longer one. n is 0 when data holds no
// whole line yet; with final, the rest counts as one.
func nextLine(data []byte, final bool) (text []byte, n int, cut bool) {
	// Two more than the limit: the line end may be CR LF.
	window := data[:min(len(data), maxLine+2)]
	if i := bytes.IndexByte(window, '\n'); i >= 0 {
		if text := bytes.TrimSuffix(window[:i], []byte{'\r'}); len(text) <= maxLine {
			return text, i + 1, false
		}
	} else if len(data) <= maxLine {
		if !final || len(data) == 0 {
			return nil, 0, false
		}
		return data, len(data), false
	} else if len(data) < maxLine+2 && !final {
		return nil, 0, false
	}
	end := maxLine - len(cutMark)
	for back := end; back > end-utf8.UTFMax; back-- {
		if utf8.RuneStart(data[back]) {
			end = back // not through a character
			break
		}
	}
	return data[:end], end, true
}

// toText makes the text of a line: UTF-8, whatever the worker wrote.
func toText(raw []byte, cut bool) string {
	text := strings.ToValidUTF8(string(raw), "\uFFFD")
	if cut {
		text += cutMark
	}
	return text
}

// appendLine appends l as the log file has it.
func appendLine(buf []byte, l Line) []byte {
	buf = l.TS.UTC().AppendFormat(buf, isoFormat)
	buf = append(buf, ' ')
	buf = append(buf, l.Stream...)
	buf = append(buf, ' ')
	// Redaction or the supervisor itself must not break the format either.
	buf = append(buf, strings.ReplaceAll(l.Text, "\n", " ")...)
	return append(buf, '\n')
}

// parseLine reads what appendLine wrote; anything else is shown as it is.
func parseLine(raw string) Line {
	if len(raw) >= len(isoFormat)+5 && raw[len(isoFormat)] == ' ' {
		stream := raw[len(isoFormat)+1:]
		ts, err := time.Parse(isoFormat, raw[:len(isoFormat)])
		if err == nil && (strings.HasPrefix(stream, "out ") || strings.HasPrefix(stream, "err ")) {
			return Line{TS: ts, Stream: stream[:3], Text: stream[4:]}
		}
	}
	return Line{Stream: "out", Text: raw}
}
