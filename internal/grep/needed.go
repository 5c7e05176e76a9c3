package grep

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// mostLiterals bounds the alternatives that are looked for instead of an
// expression; with more of them the expression itself is as fast.
const mostLiterals = 8

// needed returns literals of which one is in every text that matches the
// expression, or none where that cannot be told: looking for them takes a
// hundredth of the time that the expression takes. With fold they are in lower
// case, for a text in lower case.
func needed(expr string) (literals [][]byte, fold bool) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, false
	}
	set := required(tree.Simplify())
	for _, text := range set.texts {
		literal := []byte(text)
		if set.fold {
			literal = lower(nil, literal)
		}
		literals = append(literals, literal)
	}
	return literals, set.fold
}

// literalSet is what required found.
type literalSet struct {
	texts []string
	fold  bool
}

// shortest is how much a set tells: the length of its shortest text.
func (s literalSet) shortest() int {
	least := 0
	for _, text := range s.texts {
		if least == 0 || len(text) < least {
			least = len(text)
		}
	}
	return least
}

func required(tree *syntax.Regexp) literalSet {
	switch tree.Op {
	case syntax.OpLiteral:
		return ofLiteral(tree)
	case syntax.OpCapture, syntax.OpPlus:
		return required(tree.Sub[0])
	case syntax.OpRepeat:
		if tree.Min > 0 {
			return required(tree.Sub[0])
		}
	case syntax.OpConcat:
		var best literalSet
		for _, sub := range tree.Sub {
			if s := required(sub); s.shortest() > best.shortest() {
				best = s
			}
		}
		return best
	case syntax.OpAlternate:
		return ofAlternatives(tree)
	}
	return literalSet{}
}

func ofLiteral(tree *syntax.Regexp) literalSet {
	text := string(tree.Rune)
	// U+FFFD also matches bytes that are no text.
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == utf8.RuneError })
	fold := tree.Flags&syntax.FoldCase != 0
	if fold {
		// Only letters of ASCII can be compared in lower case.
		parts = strings.FieldsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	}
	longest := ""
	for _, part := range parts {
		if len(part) > len(longest) {
			longest = part
		}
	}
	if longest == "" {
		return literalSet{}
	}
	return literalSet{texts: []string{longest}, fold: fold}
}

// ofAlternatives is what each alternative needs, when all of them need
// something.
func ofAlternatives(tree *syntax.Regexp) literalSet {
	var all literalSet
	for _, sub := range tree.Sub {
		s := required(sub)
		if len(s.texts) == 0 || len(all.texts)+len(s.texts) > mostLiterals {
			return literalSet{}
		}
		all.texts = append(all.texts, s.texts...)
		all.fold = all.fold || s.fold // in lower case what keeps its case is found, too
	}
	return all
}
