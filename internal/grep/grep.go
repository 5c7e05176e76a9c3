// Package grep finds a text or an expression in the lines of logs. The work
// grows with the bytes looked at and nothing else, and is little for lines in
// which nothing of what is looked for occurs.
package grep

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"
)

// Finder decides whether a line is one that is looked for. A nil Finder finds
// every line. It may be used by many at once.
type Finder struct {
	// One of these is in every line that fits; in lower case when fold. None:
	// nothing is known of such lines.
	literals [][]byte
	fold     bool
	pattern  *regexp.Regexp // nil: a literal is all there is to find
}

// Text finds lines that hold a text.
func Text(text string, ignoreCase bool) *Finder {
	switch {
	case text == "":
		return nil
	case !ignoreCase:
		return &Finder{literals: [][]byte{[]byte(text)}}
	case strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }):
		return Pattern(regexp.MustCompile("(?i)" + regexp.QuoteMeta(text)))
	}
	return &Finder{literals: [][]byte{[]byte(strings.ToLower(text))}, fold: true}
}

// Pattern finds lines that match an expression.
func Pattern(pattern *regexp.Regexp) *Finder {
	if pattern == nil {
		return nil
	}
	f := &Finder{pattern: pattern}
	f.literals, f.fold = needed(pattern.String())
	return f
}

// In reports whether the line holds what is looked for, as it is or as it
// reads where colours and other orders for a terminal are left out.
func (f *Finder) In(line []byte) bool {
	if f == nil || f.in(line) {
		return true
	}
	return bytes.IndexByte(line, escape) >= 0 && f.in(Plain(line))
}

func (f *Finder) in(line []byte) bool {
	if !holds(line, f.literals, f.fold) {
		return false
	}
	return f.pattern == nil || f.pattern.Match(line)
}

// holds reports whether one of the literals is in line.
func holds(line []byte, literals [][]byte, fold bool) bool {
	if len(literals) == 0 {
		return true
	}
	if fold {
		buf := lowered.Get().(*[]byte)
		defer lowered.Put(buf)
		*buf = lower((*buf)[:0], line)
		line = *buf
	}
	for _, literal := range literals {
		if bytes.Contains(line, literal) {
			return true
		}
	}
	return false
}

var lowered = sync.Pool{New: func() any { return new([]byte) }}

// lower appends line with the letters of ASCII in lower case, and with the two
// others that stand for one of them where case is ignored.
func lower(dst, line []byte) []byte {
	at := len(dst)
	dst = append(dst, line...)
	for i, c := range dst[at:] {
		if c-'A' < 26 {
			dst[at+i] = c + 'a' - 'A'
		}
	}
	for _, other := range others {
		if bytes.Contains(dst[at:], other.letter) {
			dst = append(dst[:at], bytes.ReplaceAll(dst[at:], other.letter, other.as)...)
		}
	}
	return dst
}

var others = []struct{ letter, as []byte }{
	{[]byte("\u212a"), []byte("k")}, // the Kelvin sign
	{[]byte("\u017f"), []byte("s")}, // the long s
}

// Compile reads an expression (RE2).
func Compile(expr string, ignoreCase bool) (*regexp.Regexp, error) {
	pattern, err := regexp.Compile(expr)
	if err != nil || !ignoreCase {
		return pattern, err
	}
	return regexp.Compile("(?i)" + expr)
}

// Why says in the words of people what is wrong with an expression.
func Why(err error) string {
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return err.Error()
	}
	if bad.Expr == "" {
		return bad.Code.String()
	}
	return bad.Code.String() + ": " + bad.Expr
}
