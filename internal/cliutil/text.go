package cliutil

import (
	"strings"
	"unicode"
)

// Width is how many columns of a terminal a text takes: marks that combine
// and colours take none, characters of East Asian scripts and pictures take two.
func Width(text string) int {
	n, colour := 0, false
	for _, r := range text {
		switch {
		case colour:
			colour = r != 'm'
		case r == '\x1b':
			colour = true
		default:
			n += runeWidth(r)
		}
	}
	return n
}

// wide are the ranges that terminals draw over two columns.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0x303e, Stride: 1}, {Lo: 0x3041, Hi: 0x33ff, Stride: 1},
		{Lo: 0x3400, Hi: 0x4dbf, Stride: 1}, {Lo: 0x4e00, Hi: 0x9fff, Stride: 1}, {Lo: 0xa000, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97f, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1}, {Lo: 0x1f900, Hi: 0x1faff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	default:
		return 1
	}
}

// head returns the longest beginning of a text that fits into width.
func head(text string, width int) string {
	used := 0
	for i, r := range text {
		if used += runeWidth(r); used > width {
			return text[:i]
		}
	}
	return text
}

// tail returns the longest end of a text that fits into width.
func tail(text string, width int) string {
	runes := []rune(text)
	used, first := 0, len(runes)
	for first > 0 {
		if used += runeWidth(runes[first-1]); used > width {
			break
		}
		first--
	}
	return string(runes[first:])
}

// Wrap breaks a text between words so that its lines fit into width; all but
// the first begin with indent blanks. A word that is longer stays whole, for it
// may be a path. A width of 0, where no person looks, or one too small to be
// of use breaks nothing.
func Wrap(text string, width, indent int) string {
	if width < indent+16 || Width(text) <= width {
		return text
	}
	first := strings.TrimLeft(text, " ")
	var out strings.Builder
	out.WriteString(text[:len(text)-len(first)])
	used, gap := len(text)-len(first), ""
	for rest := first; rest != ""; {
		word, after, _ := strings.Cut(rest, " ")
		if n := len(gap) + Width(word); gap == "" || used+n <= width {
			out.WriteString(gap + word)
			used += n
		} else {
			out.WriteString("\n" + strings.Repeat(" ", indent) + word)
			used = indent + Width(word)
		}
		// A gap may be more than one blank: what stands before it is a label.
		rest = strings.TrimLeft(after, " ")
		gap = strings.Repeat(" ", 1+len(after)-len(rest))
	}
	return out.String()
}
