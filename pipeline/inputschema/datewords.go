package inputschema

import (
	"strings"
	"unicode"
)

// dateWord is one piece of a date: a number, a word or a character.
type dateWord struct {
	kind   byte // '0' number, 'a' word, ' ' space, ')' and other characters themselves
	number int
	length int
	word   string // first three letters, lower case
}

// longestDate bounds the texts that are looked at.
const longestDate = 1000

func dateWords(text string) ([]dateWord, bool) { //nolint:gocyclo // one case a kind of word
	if len(text) > longestDate {
		return nil, false
	}
	var out []dateWord
	runes := []rune(text)
	for i := 0; i < len(runes); {
		r := runes[i]
		start := i
		switch {
		case r >= '0' && r <= '9':
			n, digits := 0, 0
			for ; i < len(runes) && runes[i] >= '0' && runes[i] <= '9'; i++ {
				if digits > 0 || runes[i] != '0' {
					digits++
				}
				if digits <= 9 {
					n = n*10 + int(runes[i]-'0')
				}
			}
			out = append(out, dateWord{kind: '0', number: n, length: i - start})
		case isDateSpace(r):
			for i < len(runes) && isDateSpace(runes[i]) {
				i++
			}
			out = append(out, dateWord{kind: ' '})
		case r >= 'A':
			for i < len(runes) && runes[i] >= 'A' && !isDateSpace(runes[i]) {
				i++
			}
			head := strings.ToLower(string(runes[start:min(i, start+3)]))
			out = append(out, dateWord{kind: 'a', word: head, length: i - start})
		case r == '(':
			for depth := 0; i < len(runes); i++ {
				switch runes[i] {
				case '(':
					depth++
				case ')':
					depth--
				}
				if depth == 0 {
					i++
					break
				}
			}
			out = append(out, dateWord{kind: '('})
		case strings.ContainsRune(":-+.)", r):
			i++
			out = append(out, dateWord{kind: byte(r)})
		default:
			i++
			out = append(out, dateWord{kind: '?'})
		}
	}
	return out, true
}

func isDateSpace(r rune) bool { return unicode.IsSpace(r) && r != 0x85 || r == 0xFEFF }

var months = map[string]int{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

var zones = map[string]int{"ut": 0, "utc": 0, "z": 0, "gmt": 0, "cdt": -5, "cst": -6, "edt": -4, "est": -5, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
