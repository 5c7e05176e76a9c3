package supervisor

import (
	"bytes"
	"time"
	"unicode/utf8"

	"pipedai/internal/redact"
	"pipedai/internal/workerlog"
)

const (
	// chunk is how many bytes of a stream are handled at a time.
	chunk = 64 << 10
	// maxLine bounds the text of one line; a longer one is written in pieces.
	maxLine = 8192
	// cutMark ends every piece but the last.
	cutMark = " …[line continues]"
	// pieceLength is how much of a long line goes into one piece.
	pieceLength = maxLine - len(cutMark)
)

// formatter turns what one stream brought into lines as the log file has them.
type formatter struct {
	stream  string
	secrets func() *redact.Set // never nil
	// rest is what of a secret longer than a piece is still to come.
	rest redact.Rest
}

// format appends the lines at the beginning of data to dst, and returns how
// many bytes of data they took and how many lines they are. With final, what
// has no line end counts as a line.
//
// Nearly all output is plain: valid, without secrets, of short lines. Such
// lines are copied behind a head that is made once for all of them.
func (f *formatter) format(dst, data []byte, now time.Time, final bool) (out []byte, n, lines int) {
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if len(whole) == 0 && !final && len(data) <= maxLine {
		return dst, 0, 0
	}
	secrets := f.secrets()
	plain := f.rest == "" && utf8.Valid(whole) && !secrets.In(whole)
	var headBuf [64]byte
	head := workerlog.AppendHead(headBuf[:0], now, f.stream)
	for n < len(data) {
		if i := bytes.IndexByte(data[n:min(n+maxLine+1, len(data))], '\n'); i >= 0 && plain {
			text := data[n : n+i]
			if i > 0 && text[i-1] == '\r' {
				text = text[:i-1]
			}
			dst = append(dst, head...)
			dst = append(dst, text...)
			dst = append(dst, '\n')
			n += i + 1
			lines++
			continue
		}
		text, size, cut := nextLine(data[n:], final)
		if size == 0 {
			break
		}
		if cut {
			// Not through a secret, or neither piece would show it.
			if at := secrets.Begun(text); at > 0 {
				text, size = text[:at], at
			}
		}
		dst = append(dst, head...)
		dst = f.appendText(dst, text, cut, secrets)
		dst = append(dst, '\n')
		n += size
		lines++
	}
	return dst, n, lines
}

// appendText appends the text of one line, or of a piece of one, without
// secrets and valid, whatever the worker wrote.
func (f *formatter) appendText(dst, text []byte, cut bool, secrets *redact.Set) []byte {
	if f.rest != "" {
		var skipped int
		skipped, f.rest = f.rest.Skip(text)
		text = text[skipped:]
	}
	switch rest := secrets.Within(text); {
	case cut && rest != "" && f.rest == "":
		f.rest = rest
		dst = append(dst, redact.Mask...)
	default:
		if secrets.In(text) {
			text = secrets.Append(nil, text)
		}
		if !utf8.Valid(text) {
			text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
		}
		dst = append(dst, text...)
	}
	if cut {
		return append(dst, cutMark...)
	}
	f.rest = ""
	return dst
}

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
	end := pieceLength
	for back := end; back > end-utf8.UTFMax; back-- {
		if utf8.RuneStart(data[back]) {
			end = back // not through a character
			break
		}
	}
	return data[:end], end, true
}
