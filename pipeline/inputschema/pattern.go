package inputschema

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// pattern is an expression of a client, searched for in a text. Most mean the
// same on Go's engine, which is linear in the text; the others run on one that
// backtracks as clients do, within a budget.
type pattern struct {
	linear *regexp.Regexp
	slow   *regexp2.Regexp
}

// compile returns nil for what is no expression: such a pattern is ignored.
func compile(source string) *pattern {
	if text, ok := translate(source); ok {
		if linear, err := regexp.Compile(text); err == nil {
			return &pattern{linear: linear}
		}
	}
	if !groupsKnown(source) {
		return nil
	}
	slow, err := regexp2.Compile(source, regexp2.ECMAScript)
	if err != nil {
		return nil
	}
	slow.MatchTimeout = longestSearch
	return &pattern{slow: slow}
}

// groupsKnown reports whether every "(?" of an expression begins what clients
// know: a group without a number or with a name, or a look around.
func groupsKnown(source string) bool {
	inClass := false
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case '[':
			inClass = true
		case ']':
			inClass = false
		case '(':
			if !inClass && strings.HasPrefix(source[i:], "(?") && (i+2 == len(source) || !strings.ContainsRune(":=!<", rune(source[i+2]))) {
				return false
			}
		}
	}
	return true
}

// Budget bounds the time that backtracking patterns take in all. The zero
// budget is used up.
type Budget struct{ left time.Duration }

// fullBudget is the whole of one, which the last search may exceed by what a
// single one may take.
const (
	fullBudget    = 500 * time.Millisecond
	longestSearch = 200 * time.Millisecond
)

// NewBudget returns a full one. It serves one caller at a time.
func NewBudget() *Budget { return &Budget{left: fullBudget} }

// matches searches s. A search that comes to no end in time counts as not
// found: what cannot be checked is not let through.
func (p *pattern) matches(s string, b *Budget) bool {
	if p.linear != nil {
		return p.linear.MatchString(s)
	}
	if b.left <= 0 {
		return false
	}
	start := time.Now()
	found, err := p.slow.MatchString(s)
	b.left -= time.Since(start)
	return err == nil && found
}

// What classes and the dot mean to clients, inside brackets.
const (
	spaceClass = `\t\n\v\f\r \x{00A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}`
	lineEnds   = `\n\r\x{2028}\x{2029}`
)

// translate writes an expression in the syntax of Go where both mean the same,
// and reports false where it cannot tell.
func translate(source string) (string, bool) {
	t := &translator{in: source}
	for t.at < len(t.in) {
		if !t.one() {
			return "", false
		}
	}
	return t.out.String(), true
}

type translator struct {
	in  string
	at  int
	out strings.Builder
}

func (t *translator) next() byte {
	if t.at < len(t.in) {
		return t.in[t.at]
	}
	return 0
}

func (t *translator) one() bool {
	c := t.in[t.at]
	switch c {
	case '\\':
		return t.escape(false)
	case '[':
		return t.class()
	case '.':
		t.out.WriteString("[^" + lineEnds + "]")
	case '(':
		rest := t.in[t.at:]
		if strings.HasPrefix(rest, "(?:") {
			t.out.WriteString("(?:")
			t.at += 3
			return true
		}
		if strings.HasPrefix(rest, "(?") {
			return false // look-around, names
		}
		t.out.WriteByte(c)
	case '{':
		return t.repeat()
	case '}', ']':
		t.out.WriteString(`\` + string(c)) // alone they stand for themselves
	case '*', '+', '?':
		// What Go reads as a possessive or doubled operator clients refuse.
		t.out.WriteByte(c)
	default:
		t.out.WriteByte(c)
	}
	t.at++
	return true
}

// repeat takes {n}, {n,} or {n,m}; a brace that is no such thing means itself.
func (t *translator) repeat() bool {
	end := strings.IndexByte(t.in[t.at:], '}')
	if end > 0 {
		low, high, comma := strings.Cut(t.in[t.at+1:t.at+end], ",")
		_, err := strconv.ParseUint(low, 10, 16)
		_, err2 := strconv.ParseUint(high, 10, 16)
		if err == nil && (!comma || high == "" || err2 == nil) {
			t.out.WriteString(t.in[t.at : t.at+end+1])
			t.at += end + 1
			return true
		}
	}
	t.out.WriteString(`\{`)
	t.at++
	return true
}

// escape takes a backslash and what it makes special.
func (t *translator) escape(inClass bool) bool {
	t.at++
	c := t.next()
	t.at++
	switch c {
	case 'd', 'D', 'w', 'W', 'n', 'r', 't', 'f', 'v':
		t.out.WriteString(`\` + string(c))
	case 's':
		if inClass {
			t.out.WriteString(spaceClass)
		} else {
			t.out.WriteString("[" + spaceClass + "]")
		}
	case 'S':
		if inClass {
			return false
		}
		t.out.WriteString("[^" + spaceClass + "]")
	case 'b', 'B':
		if inClass {
			return false
		}
		t.out.WriteString(`\` + string(c))
	case 'x':
		return t.hex(2)
	case 'u':
		return t.hex(4)
	default:
		switch {
		case isAlpha(c) && c != 'c' && c != 'k':
			t.out.WriteByte(c) // a letter without a meaning means itself
		case c < '!' || c > '~' || isAlnum(c):
			return false // back-references, control characters
		default:
			t.out.WriteString(`\` + string(c))
		}
	}
	return true
}

func (t *translator) hex(digits int) bool {
	code := t.in[t.at:min(t.at+digits, len(t.in))]
	if len(code) < digits || strings.Trim(code, "0123456789abcdefABCDEF") != "" {
		t.out.WriteByte(t.in[t.at-1]) // the letter itself
		return true
	}
	if digits == 4 && code[0]|0x20 == 'd' && code[1] >= '8' {
		return false // half of a pair
	}
	t.at += digits
	t.out.WriteString(`\x{` + code + `}`)
	return true
}

// class takes [...]; an empty one, which matches nothing or anything, is left
// to the other engine.
func (t *translator) class() bool {
	t.out.WriteByte('[')
	t.at++
	if t.next() == '^' {
		t.out.WriteByte('^')
		t.at++
	}
	if t.next() == ']' {
		return false
	}
	for t.at < len(t.in) {
		switch c := t.in[t.at]; c {
		case ']':
			t.out.WriteByte(']')
			t.at++
			return true
		case '\\':
			if !t.escape(true) {
				return false
			}
			continue
		case '[', '&', '~':
			t.out.WriteString(`\` + string(c))
		default:
			t.out.WriteByte(c)
		}
		t.at++
	}
	return false
}
