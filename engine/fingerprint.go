package engine

import "strings"

// A fingerprint is no longer than this.
const fingerprintMost = 300

// Fingerprint is what errors have in common: the first line, without what
// differs from one case to the next: numbers, ids, addresses, what is quoted.
// What failed for the same reason should have the same one.
func Fingerprint(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	var out strings.Builder
	differs := func() {
		if !strings.HasSuffix(out.String(), "…") {
			out.WriteString("…")
		}
	}
	inWord := false // the byte before belongs to a word
	for i := 0; i < len(line) && out.Len() < fingerprintMost; {
		c := line[i]
		switch {
		case c == '"' || c == '\'' && !inWord: // an apostrophe quotes nothing
			if end := strings.IndexByte(line[i+1:], c); end >= 0 {
				differs()
				i += end + 2
				inWord = false
				continue
			}
			out.WriteByte(c)
			i++
		case isWord(c):
			n := 1
			for i+n < len(line) && isWord(line[i+n]) {
				n++
			}
			if id := idLength(line[i:], n); id > 0 && !inWord {
				differs()
				i += id
				continue
			}
			withoutNumbers(&out, line[i:i+n], differs)
			i += n
			inWord = true
			continue
		case (c == '.' || c == ':') && i > 0 && isDigit(line[i-1]) && i+1 < len(line) && isDigit(line[i+1]):
			i++ // within a number, an address or a time
			continue
		default:
			out.WriteByte(c)
			i++
		}
		inWord = false
	}
	return strings.ToValidUTF8(strings.TrimSpace(out.String()[:min(out.Len(), fingerprintMost)]), "")
}

// withoutNumbers writes a word, with … for each number in it.
func withoutNumbers(out *strings.Builder, word string, differs func()) {
	for i := 0; i < len(word); i++ {
		if isDigit(word[i]) {
			differs()
		} else {
			out.WriteByte(word[i])
		}
	}
}

// idLength is how much of a text that begins with a word of n bytes is an id: a
// UUID, a number in hexadecimal, or one of ours, such as trun_0192f3c4da7b8.
func idLength(text string, n int) int {
	word := text[:n]
	if n == 8 && isHex(word) {
		end := n
		for end < len(text) && (text[end] == '-' || isHex(text[end:end+1])) {
			end++
		}
		if parts := strings.Split(text[:end], "-"); len(parts) >= 3 && len(parts[1]) == 4 && len(strings.Join(parts[2:], "")) >= 4 {
			return end
		}
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(word), "0x"); ok && rest != "" && isHex(rest) {
		return n
	}
	if kind, rest, ok := strings.Cut(word, "_"); ok && kind != "" && len(rest) >= 8 && !strings.Contains(rest, "_") && strings.ContainsAny(rest, "0123456789") {
		return n
	}
	return 0
}

func isWord(c byte) bool {
	return isDigit(c) || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; !isDigit(s[i]) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
