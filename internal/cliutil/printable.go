package cliutil

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable shows what would act on a terminal instead of being read: control
// characters, and those that change the direction of text, appear escaped.
// Tabs stay. Text of others goes through it before a person sees it.
func Printable(text string) string {
	if strings.IndexFunc(text, acts) < 0 {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if !acts(r) {
			out.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return out.String()
}

func acts(r rune) bool {
	switch {
	case r == '\t':
		return false
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return true
	default:
		return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f'
	}
}
